//! Non-members: every answer about an existing vault equals the answer about an unknown vault.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestResponse, TestService, TestUser, send, source, token},
    },
    support::{metrics_client::MonitoredService, vault_threads::block_vault_threads},
};

const UNKNOWN_VAULT: &str = "/api/vaults/cnone00000000000000000000";
const UNKNOWN_SOURCE: &str = "/api/sources/cnone00000000000000000000";

/// Sends every mutation of a vault and of one of its sources.
async fn mutate(user: &TestUser, vault: &str, source_path: &str) -> Vec<TestResponse> {
    let member = json!({ "userId": "zoe", "role": "owner" });
    let role = json!({ "role": "viewer" });
    join_all(
        [
            user.request(Method::PATCH, vault)
                .json(&json!({ "name": "N" })),
            user.request(Method::PATCH, vault)
                .json(&json!({ "name": 1 })),
            user.request(Method::PATCH, vault).body("no JSON"),
            user.request(Method::DELETE, vault),
            user.request(Method::POST, &format!("{vault}/members"))
                .json(&member),
            user.request(Method::PATCH, &format!("{vault}/members/ana"))
                .json(&role),
            user.request(Method::DELETE, &format!("{vault}/members/ana")),
            user.request(Method::DELETE, &format!("{vault}/members/%20")),
            user.request(Method::POST, &format!("{vault}/sources"))
                .json(&source("T")),
            user.request(Method::PATCH, source_path)
                .json(&json!({ "title": "T" })),
            user.request(Method::PATCH, source_path)
                .json(&json!({ "title": 1 })),
            user.request(Method::DELETE, source_path),
        ]
        .map(send),
    )
    .await
}

/// Asserts that a user who is not a member receives nothing but 403 for the vault and 404 for the source, as for a vault and
/// a source that do not exist.
async fn assert_hidden(user: &TestUser, vault: &str, source_path: &str) {
    let real = mutate(user, vault, source_path).await;
    let unknown = mutate(user, UNKNOWN_VAULT, UNKNOWN_SOURCE).await;
    for (n, (real, unknown)) in real.iter().zip(&unknown).enumerate() {
        match n < 9 {
            true => real.assert_refused(403, "ACCESS_DENIED"),
            false => real.assert_refused(404, "NOT_FOUND"),
        };
        assert_eq!(real.observable_parts(), unknown.observable_parts(), "{n}");
    }
}

/// Sends every mutation event for a vault and one of its sources, and returns the errors.
async fn emit_mutations(socket: &mut RawSocket, vault: &str, source_path: &str) -> Vec<Value> {
    let id = |path: &str| path.rsplit('/').next().unwrap().to_owned();
    let mut errors = Vec::new();
    for event in [
        json!(["source:created", { "vaultId": id(vault), "source": source("T") }]),
        json!(["source:created", { "vaultId": id(vault), "source": { "title": 1 }, "key": 1 }]),
        json!(["source:updated", { "source": { "id": id(source_path), "title": "T" } }]),
        json!(["source:updated", { "source": { "id": id(source_path), "title": 1 } }]),
        json!(["source:deleted", { "sourceId": id(source_path) }]),
    ] {
        let mut error = socket.emit(event).await["error"].take();
        error["details"].as_object_mut().unwrap().remove("vaultId");
        errors.push(error);
    }
    errors
}

/// Asserts that a socket of a user who is not a member receives the same errors for an existing and an unknown vault.
async fn assert_hidden_from_socket(socket: &mut RawSocket, vault: &str, source_path: &str) {
    let real = emit_mutations(socket, vault, source_path).await;
    let codes: Vec<_> = real.iter().map(|error| error["code"].as_str()).collect();
    let (vault_code, source_code) = (Some("ACCESS_DENIED"), Some("NOT_FOUND"));
    let expected = [
        vault_code,
        vault_code,
        source_code,
        source_code,
        source_code,
    ];
    assert_eq!(codes, expected);
    let unknown = emit_mutations(socket, UNKNOWN_VAULT, UNKNOWN_SOURCE).await;
    assert_eq!(real, unknown);
}

async fn connect_socket(service: &TestService, id: &str) -> RawSocket {
    let bearer = format!("Bearer {}", token(id));
    RawSocket::connect(service.addr(), &[("authorization", &bearer)]).await
}

#[actix_web::test]
async fn invalid_parameters_of_a_read_are_reported_to_members_only() {
    let service = TestService::start().await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let vault = ana.create_vault().await;
    for listing in ["members?limit=0", "sources?cursor=x", "events?since=-1"] {
        ana.get(&format!("{vault}/{listing}"))
            .await
            .assert_refused(400, "VALIDATION_FAILED");
        for vault in [vault.as_str(), UNKNOWN_VAULT] {
            zoe.get(&format!("{vault}/{listing}"))
                .await
                .assert_refused(403, "ACCESS_DENIED");
        }
    }
}

#[actix_web::test]
async fn exhausted_rate_does_not_show_a_non_member_that_a_vault_exists() {
    let service = TestService::start_with(|config| config.limits.mutations_per_second = 1).await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let vault = ana.create_vault().await;
    let source_path = ana.create_source(&vault, "Secret").await;
    let exhaust = async || {
        while zoe.post("/api/vaults", json!({ "name": "Z" })).await.status != 429 {}
    };
    exhaust().await;
    assert_hidden(&zoe, &vault, &source_path).await;
    let mut socket = connect_socket(&service, "zoe").await;
    exhaust().await;
    assert_hidden_from_socket(&mut socket, &vault, &source_path).await;
}

#[actix_web::test]
async fn checks_of_a_non_member_are_bounded_whether_the_vault_exists_or_not() {
    let service = TestService::start_with(|config| {
        config.limits.mutations_per_second = 1;
        config.limits.reads_per_second = 1;
    })
    .await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let vault = ana.create_vault().await;
    let source_path = ana.create_source(&vault, "Secret").await;
    for path in [&vault, UNKNOWN_VAULT, &source_path, UNKNOWN_SOURCE] {
        let responses = join_all((0..50).map(|_| zoe.delete(path))).await;
        let refused = responses.iter().filter(|response| response.status == 429);
        assert!(refused.count() > 20, "{path}");
    }
}

#[actix_web::test]
async fn full_queue_does_not_show_a_non_member_that_a_vault_exists() {
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.actors.vault_mailbox = 4).await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let vault = ana.create_vault().await;
    let source_path = ana.create_source(&vault, "Secret").await;
    let mut socket = connect_socket(&service, "zoe").await;
    let release = block_vault_threads(&service);
    let posts: Vec<_> = (0..4)
        .map(|_| {
            let (ana, vault) = (ana.clone(), vault.clone());
            actix_web::rt::spawn(async move { ana.create_source(&vault, "Queued").await })
        })
        .collect();
    let queued = "vaultcast_vault_queue_mutations";
    metrics.wait_for(queued, |queued| queued == 4.0).await;

    assert_hidden(&zoe, &vault, &source_path).await;
    assert_hidden_from_socket(&mut socket, &vault, &source_path).await;
    // One of two requests was for the vault, the other one for an unknown vault.
    let refused = "vaultcast_mutations_total{kind=\"vault_deleted\",outcome=\"access_denied\"}";
    assert_eq!(metrics.value(refused).await, Some(2.0));
    // No request of a non-member took a place in the queue, and none loaded a vault.
    assert_eq!(metrics.value(queued).await, Some(4.0));
    assert_eq!(metrics.value("vaultcast_vault_busy_total").await, Some(0.0));
    assert_eq!(
        metrics.value("vaultcast_vaults_opened_total").await,
        Some(1.0)
    );
    drop(release);
    for post in join_all(posts).await {
        post.unwrap();
    }
}

#[actix_web::test]
async fn user_whose_membership_is_still_being_written_is_admitted() {
    let service = TestService::start().await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let vault = ana.create_vault().await;
    for _ in 0..20 {
        ana.add_member(&vault, &zoe, "contributor").await;
        zoe.create_source(&vault, "At once").await;
        zoe.delete(&format!("{vault}/members/zoe"))
            .await
            .assert_status(204);
        let refused = zoe.post(&format!("{vault}/sources"), source("T")).await;
        refused.assert_refused(403, "ACCESS_DENIED");
    }
}

#[actix_web::test]
async fn non_member_gets_identical_answers_for_existing_and_unknown_vaults() {
    let service = TestService::start().await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let real = ana.create_vault().await;
    let real_source = ana.create_source(&real, "Secret").await;
    let with_key = ana
        .request(Method::POST, &format!("{real}/sources"))
        .header("Idempotency-Key", "k");
    send(with_key.json(&source("Known")))
        .await
        .assert_status(201);
    let (unknown, unknown_source) = (UNKNOWN_VAULT, UNKNOWN_SOURCE);

    let member = json!({ "userId": "zoe", "role": "owner" });
    let requests: [(Method, &str, Option<Value>); 18] = [
        (Method::GET, "", None),
        (Method::HEAD, "", None),
        (Method::PATCH, "", Some(json!({ "name": "Mine" }))),
        (Method::PATCH, "", Some(json!({ "name": "" }))),
        (Method::DELETE, "", None),
        (Method::GET, "/members", None),
        (Method::POST, "/members", Some(member)),
        (
            Method::POST,
            "/members",
            Some(json!({ "email": "ana@example.com", "role": "owner" })),
        ),
        (
            Method::PATCH,
            "/members/ana",
            Some(json!({ "role": "viewer" })),
        ),
        (Method::DELETE, "/members/ana", None),
        (Method::DELETE, "/members/zoe", None),
        (Method::GET, "/sources", None),
        (Method::GET, "/sources?limit=0", None),
        (Method::GET, "/sources?cursor=1", None),
        (Method::POST, "/sources", Some(source("Mine"))),
        (Method::POST, "/sources", Some(json!([]))),
        (Method::GET, "/events", None),
        (Method::GET, "/events?since=1&limit=1", None),
    ];
    for (method, subpath, body) in requests {
        let request = async |vault: &str| {
            let mut request = zoe.request(method.clone(), &format!("{vault}{subpath}"));
            request = request
                .header("Idempotency-Key", "k")
                .header("If-Match", "\"1\"");
            if let Some(body) = &body {
                request = request.json(body);
            }
            send(request).await
        };
        let (for_real, for_unknown) = (request(&real).await, request(unknown).await);
        assert_eq!(
            for_real.observable_parts(),
            for_unknown.observable_parts(),
            "{method} {subpath}"
        );
        let is_read = [Method::GET, Method::HEAD].contains(&method);
        assert!(
            for_real.status == 403 || is_read && for_real.status == 400,
            "{method} {subpath}"
        );
    }
    for (method, body) in [
        (Method::GET, None),
        (Method::HEAD, None),
        (Method::PATCH, Some(json!({ "title": "Mine" }))),
        (Method::PATCH, Some(json!({}))),
        (Method::DELETE, None),
    ] {
        let request = async |path: &str| {
            let request = zoe
                .request(method.clone(), path)
                .header("If-Match", "\"1\"");
            send(match &body {
                Some(body) => request.json(body),
                None => request,
            })
            .await
        };
        let (for_real, for_unknown) = (request(&real_source).await, request(unknown_source).await);
        assert_eq!(
            for_real.observable_parts(),
            for_unknown.observable_parts(),
            "{method}"
        );
        assert_eq!(for_real.status, 404, "{method}");
    }
    assert_eq!(
        zoe.get("/api/vaults").await.assert_status(200),
        json!({ "vaults": [] })
    );
    assert_eq!(ana.get(&real).await.assert_status(200)["seq"], 2);
}

#[actix_web::test]
async fn removed_member_gets_the_answers_of_a_non_member() {
    let service = TestService::start().await;
    let (ana, ben, zoe) = (
        service.user("ana"),
        service.user("ben"),
        service.user("zoe"),
    );
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &ben, "owner").await;
    let path = ben.create_source(&vault, "Mine").await;
    ana.delete(&format!("{vault}/members/ben"))
        .await
        .assert_status(204);
    for subpath in ["", "/members", "/sources", "/events"] {
        let response = ben.get(&format!("{vault}{subpath}")).await;
        assert_eq!(
            response.observable_parts(),
            zoe.get(&format!("{vault}{subpath}"))
                .await
                .observable_parts()
        );
        response.assert_refused(403, "ACCESS_DENIED");
    }
    ben.delete(&path).await.assert_refused(404, "NOT_FOUND");
}
