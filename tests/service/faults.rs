//! Faults of the service and overload. A fault is logged once, with its context; the client gets only its code. A full
//! queue or a busy database is answered with `Retry-After`.

use futures_util::{
    StreamExt,
    future::{join_all, select},
    stream::FuturesUnordered,
};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::json;

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestResponse, TestService, source, token},
    },
    support::{
        captured_log::CapturedLog,
        database_access::{WriteBarrier, lock_vault_heads},
        metrics_client::MonitoredService,
    },
};

/// Asserts an internal error without details of its cause.
#[track_caller]
fn assert_internal_error(response: &TestResponse) {
    let problem = response.assert_refused(500, "INTERNAL");
    assert_eq!(
        problem,
        json!({ "message": "Internal error", "code": "INTERNAL" })
    );
}

#[actix_web::test]
async fn failed_read_is_logged_once_with_the_request_id_of_the_response() {
    let log = CapturedLog::global();
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    service.database.execute("DROP TABLE sources").await;
    let response = ana.get(&format!("{vault}/sources")).await;
    assert_internal_error(&response);
    let lines = log.lines_with(response.header("x-request-id").unwrap());
    let [line] = lines.as_slice() else {
        panic!("expected one line: {lines:?}");
    };
    assert!(
        line.contains("ERROR") && line.contains("sources") && line.contains(&vault),
        "{line}"
    );
}

#[actix_web::test]
async fn hanging_listings_leave_connections_for_joins_and_readiness() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    if !service.database.is_postgres() {
        return; // No lock makes a reader of SQLite wait. A test of `db_thread.rs` covers the division of the pool.
    }
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let database = Database::connect(&service.database.url).await.unwrap();
    let lock = database.begin().await.unwrap();
    let sql = "LOCK TABLE sources IN ACCESS EXCLUSIVE MODE";
    lock.execute_unprepared(sql).await.unwrap();
    let listings: Vec<_> = (0..50)
        .map(|_| {
            let (ana, path) = (ana.clone(), format!("{vault}/sources"));
            actix_web::rt::spawn(async move { ana.get(&path).await })
        })
        .collect();
    let max = metrics.value("vaultcast_database_connections_max{pool=\"listings\"}");
    let max = max.await.unwrap();
    let in_use = "vaultcast_database_connections_in_use{pool=\"listings\"}";
    metrics.wait_for(in_use, |in_use| in_use == max).await;

    let bearer = format!("Bearer {}", token("ana"));
    let mut socket = RawSocket::connect(service.addr(), &[("authorization", &bearer)]).await;
    assert_eq!(socket.join(&vault).await["ok"], true);
    ana.get("/readyz").await.assert_status(200);
    // A user who was never seen before is looked up and recorded.
    service.user("new").create_vault().await;
    assert_eq!(metrics.value(in_use).await, Some(max), "the listings hang");
    lock.rollback().await.unwrap();
    for listing in join_all(listings).await {
        listing.unwrap().assert_status(200);
    }
}

#[actix_web::test]
async fn failed_mutation_is_logged_once_and_the_vault_keeps_working() {
    let log = CapturedLog::global();
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    service.database.execute("DROP TABLE sources").await;
    let response = ana
        .post(&format!("{vault}/sources"), source("Not stored"))
        .await;
    assert_internal_error(&response);
    let id = vault.trim_start_matches("/api/vaults/");
    let errors = log
        .lines_with(id)
        .into_iter()
        .filter(|line| line.contains("ERROR"));
    assert_eq!(errors.count(), 1);
    assert_eq!(
        log.lines_with(response.header("x-request-id").unwrap())
            .len(),
        1
    );
    // The mutation wrote nothing, and a mutation that does not use the sources table succeeds.
    assert_eq!(
        ana.patch(&vault, json!({ "name": "Still writable" }))
            .await
            .seq(),
        1
    );
}

#[actix_web::test]
async fn failed_batch_is_logged_in_one_line() {
    const REQUESTS: usize = 20;
    let log = CapturedLog::global();
    let service = TestService::start_with(|config| config.actors.vault_mailbox = REQUESTS).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let lock = lock_vault_heads(&service).await;

    let path = format!("{vault}/sources");
    let post = |_| ana.post(&path, source("Not stored"));
    let mut posts: FuturesUnordered<_> = (0..=REQUESTS).map(post).collect();
    // One request exceeds the queue. When it is refused, all the others wait.
    posts
        .next()
        .await
        .unwrap()
        .assert_refused(503, "VAULT_BUSY");
    lock.execute_unprepared("DROP TABLE sources").await.unwrap();
    lock.commit().await.unwrap();
    while let Some(response) = posts.next().await {
        assert_internal_error(&response);
    }

    let id = vault.trim_start_matches("/api/vaults/");
    let lines = log.lines_with(id).into_iter();
    let errors: Vec<_> = lines.filter(|line| line.contains("ERROR")).collect();
    // The first mutation is a batch of its own; the mutations that arrived later are another batch.
    assert!(errors.len() <= 2, "{errors:#?}");
    let failed_mutations = |line: &String| -> usize {
        let (_, rest) = line.split_once("failed=").unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(errors.iter().map(failed_mutations).sum::<usize>(), REQUESTS);
}

#[actix_web::test]
async fn failed_creation_of_a_vault_is_logged() {
    let log = CapturedLog::global();
    let service = TestService::start().await;
    let ana = service.user("ana");
    ana.get("/api/me").await.assert_status(200);
    service.database.execute("DROP TABLE vault_heads").await;
    let response = ana
        .post("/api/vaults", json!({ "name": "Not stored" }))
        .await;
    assert_internal_error(&response);
    let lines = log.lines_with("vault_heads");
    assert!(lines.iter().any(|line| line.contains("ERROR")), "{lines:?}");
}

#[actix_web::test]
async fn session_that_cannot_be_checked_is_not_reported_as_invalid() {
    let service = TestService::start().await;
    service.database.execute("DROP TABLE users").await;
    let response = service.user("ana").get("/api/me").await;
    let problem = response.assert_refused(503, "AUTHENTICATION_FAILED");
    assert_eq!(problem["message"], "AUTHENTICATION_FAILED");
    assert_eq!(response.header("retry-after"), Some("1"));
    service
        .anonymous()
        .get("/api/me")
        .await
        .assert_refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn trimmed_events_answer_410_and_the_rest_are_listed() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    for n in 1..=5 {
        ana.create_source(&vault, &n.to_string()).await;
    }
    service
        .database
        .execute("DELETE FROM vault_events WHERE seq <= 3")
        .await;
    for since in 0..3 {
        let response = ana.get(&format!("{vault}/events?since={since}")).await;
        let problem = response.assert_refused(410, "JOURNAL_TRIMMED");
        assert_eq!(problem["details"], json!({ "since": 3 }));
    }
    for (since, remaining) in [(3, 2), (4, 1), (5, 0)] {
        let response = ana.get(&format!("{vault}/events?since={since}")).await;
        assert_eq!(
            response.assert_status(200)["events"]
                .as_array()
                .unwrap()
                .len(),
            remaining
        );
    }

    service.database.execute("DELETE FROM vault_events").await;
    let response = ana.get(&format!("{vault}/events?since=4")).await;
    let problem = response.assert_refused(410, "JOURNAL_TRIMMED");
    assert_eq!(problem["details"], json!({ "since": 5 }));
}

#[actix_web::test]
async fn full_vault_queue_refuses_at_once_and_keeps_accepted_mutations() {
    let service = TestService::start_with(|config| config.actors.vault_mailbox = 1).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let lock = lock_vault_heads(&service).await;

    let body = || json!({ "name": "New" });
    let one = Box::pin(ana.patch(&vault, body()));
    let other = Box::pin(ana.patch(&vault, body()));
    let (refused, waiting) = select(one, other).await.factor_first();
    refused.assert_refused(503, "VAULT_BUSY");
    assert_eq!(refused.header("retry-after"), Some("1"));
    lock.rollback().await.unwrap();
    assert_eq!(waiting.await.seq(), 1);
}

#[actix_web::test]
async fn moved_sqlite_file_is_unavailable_not_ready_and_logged_once() {
    let log = CapturedLog::global();
    let service = TestService::start().await;
    let Some(file) = service.database.url.strip_prefix("sqlite://") else {
        return;
    };
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let away = format!("{file}.away");
    std::fs::rename(file, &away).unwrap();
    for _ in 0..3 {
        ana.post(&format!("{vault}/sources"), source("Lost"))
            .await
            .assert_refused(503, "UNAVAILABLE");
        ana.post("/api/vaults", json!({ "name": "Lost" }))
            .await
            .assert_refused(503, "UNAVAILABLE");
        ana.get("/readyz").await.assert_refused(503, "UNAVAILABLE");
    }
    for operations in ["writes", "reads"] {
        let lines = log.lines_with(&format!("unavailable for {operations}"));
        let lines = lines.iter().filter(|line| line.contains(file)).count();
        assert_eq!(lines, 1, "{operations}");
    }
    std::fs::rename(&away, file).unwrap();
    while ana.get("/readyz").await.status != 200 {}
    // A mutation that arrives just after the last failure is refused with it.
    let created = loop {
        let created = ana.post(&format!("{vault}/sources"), source("Kept")).await;
        if created.status != 503 {
            break created;
        }
    };
    assert_eq!(created.seq(), 1);
}

#[actix_web::test]
async fn database_that_cannot_be_written_is_not_ready() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    ana.get("/readyz").await.assert_status(200);
    let barrier = WriteBarrier::raise(&service).await;
    // The last commit counts for a second.
    while ana.get("/readyz").await.status == 200 {}
    let problem = ana.get("/readyz").await.assert_refused(503, "UNAVAILABLE");
    assert_eq!(problem["message"], "The database cannot be written");
    ana.get(&vault).await.assert_status(200);
    barrier.lift(&service).await;
    while ana.get("/readyz").await.status != 200 {}
}
