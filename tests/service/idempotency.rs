//! `Idempotency-Key`: a request that is repeated with the same key takes effect once, and each repetition gets the same
//! answer.

use futures_util::future::join_all;
use reqwest::Method;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::common::service::{TestResponse, TestService, TestUser, send, source};

async fn post(user: &TestUser, path: &str, key: &str, body: Value) -> TestResponse {
    let request = user
        .request(Method::POST, path)
        .header("Idempotency-Key", key);
    send(request.json(&body)).await
}

/// The parts of a response that must be equal when a request is repeated.
#[derive(Debug, PartialEq)]
struct RepeatableParts<'a> {
    status: u16,
    seq: Option<&'a str>,
    etag: Option<&'a str>,
    body: &'a str,
}

fn repeatable(response: &TestResponse) -> RepeatableParts<'_> {
    RepeatableParts {
        status: response.status,
        seq: response.header("x-vault-seq"),
        etag: response.header("etag"),
        body: &response.text,
    }
}

#[actix_web::test]
async fn fifty_concurrent_requests_with_one_key_create_one_source_and_one_event() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let sources = format!("{vault}/sources");
    let responses = join_all((0..50).map(|_| post(&ana, &sources, "k", source("Once")))).await;
    responses[0].assert_status(201);
    for response in &responses {
        assert_eq!(repeatable(response), repeatable(&responses[0]));
    }
    assert_eq!(
        ana.get(&sources).await.assert_status(200)["sources"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(ana.events(&vault).await.0.len(), 1);
}

#[actix_web::test]
async fn remembered_answer_survives_a_restart() {
    let mut service = TestService::start().await;
    let ana = service.user("ana");
    let first_vault = post(&ana, "/api/vaults", "v", json!({ "name": "Plans" })).await;
    let vault = format!(
        "/api/vaults/{}",
        first_vault.assert_status(201)["id"].as_str().unwrap()
    );
    let (sources, members) = (format!("{vault}/sources"), format!("{vault}/members"));
    let ben = json!({ "userId": "ben", "role": "viewer" });
    let first_source = post(&ana, &sources, "s", source("Once")).await;
    let first_member = post(&ana, &members, "m", ben.clone()).await;
    ana.create_source(&vault, "Another").await;

    service.restart().await;
    let ana = service.user("ana");
    for (first, path, key, body) in [
        (
            first_vault,
            "/api/vaults",
            "v",
            json!({ "name": " Plans ", "unknown": 1 }),
        ),
        (first_source, sources.as_str(), "s", source("Once")),
        (first_member, members.as_str(), "m", ben),
    ] {
        first.assert_status(201);
        assert_eq!(
            repeatable(&post(&ana, path, key, body).await),
            repeatable(&first)
        );
    }
    assert_eq!(
        ana.get("/api/vaults").await.assert_status(200)["vaults"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(ana.events(&vault).await.0.len(), 3);
}

#[actix_web::test]
async fn fifty_concurrent_requests_with_one_key_create_one_vault_and_one_member() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let plans = || json!({ "name": "Plans" });
    let vaults = join_all((0..50).map(|_| post(&ana, "/api/vaults", "v", plans()))).await;
    for response in &vaults {
        assert_eq!(repeatable(response), repeatable(&vaults[0]));
    }
    let path = format!(
        "/api/vaults/{}",
        vaults[0].assert_status(201)["id"].as_str().unwrap()
    );
    let members = format!("{path}/members");
    let ben = || json!({ "userId": "ben", "role": "viewer" });
    let added = join_all((0..50).map(|_| post(&ana, &members, "m", ben()))).await;
    for response in &added {
        assert_eq!(repeatable(response), repeatable(&added[0]));
    }
    added[0].assert_status(201);
    assert_eq!(
        ana.get("/api/vaults").await.assert_status(200)["vaults"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(ana.events(&path).await.0.len(), 1);
}

#[actix_web::test]
async fn bodies_are_compared_as_parsed() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let sources = format!("{}/sources", ana.create_vault().await);
    let first = post(&ana, &sources, "k", source("Once")).await;
    let mut same = source("  Once ");
    same["mimeType"] = json!("application/pdf");
    same["fileKey"] = json!(null);
    same["unknown"] = json!(7);
    assert_eq!(
        repeatable(&post(&ana, &sources, "k", same).await),
        repeatable(&first)
    );
    for default in [json!(""), json!(null), json!(" \u{feff}")] {
        let mut same = source("\u{feff}Once");
        same["mimeType"] = default;
        let repeated = post(&ana, &sources, "k", same).await;
        assert_eq!(repeatable(&repeated), repeatable(&first));
    }
    let mut with_size = source("Once");
    with_size["fileSize"] = json!(1);
    for different in [source("Twice"), with_size] {
        post(&ana, &sources, "k", different)
            .await
            .assert_refused(409, "IDEMPOTENCY_MISMATCH");
    }
    assert_eq!(post(&ana, &sources, "k2", source("Twice")).await.seq(), 2);

    let (one, other) = (
        post(&ana, &sources, "k3", source("One")),
        post(&ana, &sources, "k3", source("Other")),
    );
    let (one, other) = futures_util::join!(one, other);
    let mut statuses = [one.status, other.status];
    statuses.sort();
    assert_eq!(statuses, [201, 409]);

    let created = post(&ana, "/api/vaults", "k", json!({ "name": "A" })).await;
    created.assert_status(201);
    let different = post(&ana, "/api/vaults", "k", json!({ "name": "B" })).await;
    different.assert_refused(409, "IDEMPOTENCY_MISMATCH");
}

#[actix_web::test]
async fn key_is_scoped_to_one_user_and_one_normalized_path() {
    let service = TestService::start().await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let (one, two) = (ana.create_vault().await, ana.create_vault().await);
    ana.add_member(&one, &ben, "contributor").await;
    let sources_of = |vault: &str| format!("{vault}/sources");
    assert_eq!(
        post(&ana, &sources_of(&one), "k", source("A")).await.seq(),
        2
    );
    assert_eq!(
        post(&ben, &sources_of(&one), "k", source("B")).await.seq(),
        3
    );
    assert_eq!(
        post(&ana, &sources_of(&two), "k", source("C")).await.seq(),
        1
    );
    let percent_encoded = sources_of(&one).replace("/vaults/c", "/vaults/%63");
    assert_eq!(
        post(&ana, &percent_encoded, "k", source("A")).await.seq(),
        2
    );
    assert_eq!(
        post(&ana, &format!("{}?x=1", sources_of(&one)), "k", source("A"))
            .await
            .seq(),
        2
    );
}

#[actix_web::test]
async fn refusal_is_not_remembered() {
    let service = TestService::start().await;
    let (ana, eva) = (service.user("ana"), service.user("eva"));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &eva, "viewer").await;
    let (sources, members) = (format!("{vault}/sources"), format!("{vault}/members"));
    post(&eva, &sources, "k", source("Now"))
        .await
        .assert_refused(403, "INSUFFICIENT_PERMISSIONS");
    let unknown_user = json!({ "email": "zoe@example.com", "role": "viewer" });
    post(&ana, &members, "k", unknown_user.clone())
        .await
        .assert_refused(404, "NOT_FOUND");
    post(&eva, &sources, "k", json!({}))
        .await
        .assert_refused(400, "VALIDATION_FAILED");

    ana.patch(&format!("{members}/eva"), json!({ "role": "contributor" }))
        .await
        .assert_status(200);
    post(&eva, &sources, "k", source("Now"))
        .await
        .assert_status(201);
    service.user("zoe").get("/api/me").await.assert_status(200);
    post(&ana, &members, "k", unknown_user)
        .await
        .assert_status(201);
}

#[actix_web::test]
async fn permission_is_checked_before_a_remembered_answer_is_given() {
    let service = TestService::start().await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &ben, "contributor").await;
    let (sources, member) = (format!("{vault}/sources"), format!("{vault}/members/ben"));
    let first = post(&ben, &sources, "k", source("Mine")).await;
    first.assert_status(201);
    ana.patch(&member, json!({ "role": "viewer" }))
        .await
        .assert_status(200);
    post(&ben, &sources, "k", source("Mine"))
        .await
        .assert_refused(403, "INSUFFICIENT_PERMISSIONS");
    ana.delete(&member).await.assert_status(204);
    post(&ben, &sources, "k", source("Mine"))
        .await
        .assert_refused(403, "ACCESS_DENIED");
    ana.add_member(&vault, &ben, "contributor").await;
    assert_eq!(
        repeatable(&post(&ben, &sources, "k", source("Mine")).await),
        repeatable(&first)
    );
}

#[actix_web::test]
async fn a_key_has_1_to_255_visible_ascii_characters() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let sources = format!("{vault}/sources");
    for valid in ["!", &"~".repeat(255)] {
        post(&ana, &sources, valid, source("T"))
            .await
            .assert_status(201);
    }
    let ben = json!({ "userId": "ben", "role": "viewer" });
    for invalid in ["", "a b", "ü", "a\tb", &"x".repeat(256)] {
        for (path, body) in [
            ("/api/vaults", json!({ "name": "N" })),
            (sources.as_str(), source("T")),
            (&format!("{vault}/members"), ben.clone()),
        ] {
            let refused = post(&ana, path, invalid, body).await;
            assert_eq!(refused.invalid_fields(), ["Idempotency-Key"], "{invalid:?}");
        }
    }
    let two_keys = ana
        .request(Method::POST, &sources)
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b");
    let refused = send(two_keys.json(&source("T"))).await;
    assert_eq!(refused.invalid_fields(), ["Idempotency-Key"]);
    assert_eq!(ana.events(&vault).await.0.len(), 2);
}

#[actix_web::test]
async fn remembered_answer_expires_after_a_day() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let sources = format!("{}/sources", ana.create_vault().await);
    let age_keys = async |hours: i64| {
        let database = Database::connect(&service.database.url).await.unwrap();
        let millis = hours * 60 * 60 * 1000;
        let sql = format!("UPDATE idempotency_keys SET created_at = created_at - {millis}");
        database.execute_unprepared(&sql).await.unwrap();
        database.close().await.unwrap();
    };
    assert_eq!(post(&ana, &sources, "k", source("Once")).await.seq(), 1);
    age_keys(23).await;
    assert_eq!(post(&ana, &sources, "k", source("Once")).await.seq(), 1);
    age_keys(2).await;
    assert_eq!(post(&ana, &sources, "k", source("Again")).await.seq(), 2);
    assert_eq!(post(&ana, &sources, "k", source("Again")).await.seq(), 2);
}
