//! `Idempotency-Key`: the same request under the same key is done once and answered alike.

use futures_util::future::join_all;
use reqwest::Method;
use sea_orm::{ConnectionTrait, Database};
use serde_json::{Value, json};

use crate::common::app::{Answer, TestApp, User, hear, source};

async fn post(user: &User, path: &str, key: &str, body: Value) -> Answer {
    let request = user.ask(Method::POST, path).header("Idempotency-Key", key);
    hear(request.json(&body)).await
}

/// What an answer says of what was done.
fn outcome(answer: &Answer) -> (u16, Option<&str>, Option<&str>, &str) {
    let (seq, etag) = (answer.header("x-vault-seq"), answer.header("etag"));
    (answer.status, seq, etag, &answer.text)
}

#[actix_web::test]
async fn fifty_at_once_make_one_source_and_one_event_and_get_one_answer() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let sources = format!("{vault}/sources");
    let answers = join_all((0..50).map(|_| post(&ana, &sources, "k", source("Once")))).await;
    answers[0].is(201);
    for answer in &answers {
        assert_eq!(outcome(answer), outcome(&answers[0]));
    }
    assert_eq!(
        ana.get(&sources).await.is(200)["sources"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(ana.events(&vault).await.0.len(), 1);
}

#[actix_web::test]
async fn an_answer_is_remembered_over_a_restart() {
    let mut app = TestApp::start().await;
    let ana = app.user("ana");
    let first_vault = post(&ana, "/api/vaults", "v", json!({ "name": "Plans" })).await;
    let vault = format!(
        "/api/vaults/{}",
        first_vault.is(201)["id"].as_str().unwrap()
    );
    let (sources, members) = (format!("{vault}/sources"), format!("{vault}/members"));
    let ben = json!({ "userId": "ben", "role": "viewer" });
    let first_source = post(&ana, &sources, "s", source("Once")).await;
    let first_member = post(&ana, &members, "m", ben.clone()).await;
    ana.adds_source(&vault, "Another").await;

    app.restart().await;
    let ana = app.user("ana");
    for (first, path, key, body) in [
        (
            first_vault,
            "/api/vaults",
            "v",
            json!({ "name": " Plans ", "beside": 1 }),
        ),
        (first_source, sources.as_str(), "s", source("Once")),
        (first_member, members.as_str(), "m", ben),
    ] {
        first.is(201);
        assert_eq!(outcome(&post(&ana, path, key, body).await), outcome(&first));
    }
    assert_eq!(
        ana.get("/api/vaults").await.is(200)["vaults"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(ana.events(&vault).await.0.len(), 3);
}

#[actix_web::test]
async fn fifty_vaults_and_fifty_members_at_once_are_one_each() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let plans = || json!({ "name": "Plans" });
    let vaults = join_all((0..50).map(|_| post(&ana, "/api/vaults", "v", plans()))).await;
    for answer in &vaults {
        assert_eq!(outcome(answer), outcome(&vaults[0]));
    }
    let path = format!("/api/vaults/{}", vaults[0].is(201)["id"].as_str().unwrap());
    let members = format!("{path}/members");
    let ben = || json!({ "userId": "ben", "role": "viewer" });
    let added = join_all((0..50).map(|_| post(&ana, &members, "m", ben()))).await;
    for answer in &added {
        assert_eq!(outcome(answer), outcome(&added[0]));
    }
    added[0].is(201);
    assert_eq!(
        ana.get("/api/vaults").await.is(200)["vaults"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(ana.events(&path).await.0.len(), 1);
}

#[actix_web::test]
async fn bodies_are_compared_as_they_are_meant() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let sources = format!("{}/sources", ana.makes_vault().await);
    let first = post(&ana, &sources, "k", source("Once")).await;
    let mut same = source("  Once ");
    same["mimeType"] = json!("application/pdf");
    same["fileKey"] = json!(null);
    same["unknown"] = json!(7);
    assert_eq!(
        outcome(&post(&ana, &sources, "k", same).await),
        outcome(&first)
    );
    let mut other = source("Once");
    other["fileSize"] = json!(1);
    for another in [source("Twice"), other] {
        post(&ana, &sources, "k", another)
            .await
            .refused(409, "IDEMPOTENCY_MISMATCH");
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

    let named = post(&ana, "/api/vaults", "k", json!({ "name": "A" })).await;
    named.is(201);
    let renamed = post(&ana, "/api/vaults", "k", json!({ "name": "B" })).await;
    renamed.refused(409, "IDEMPOTENCY_MISMATCH");
}

#[actix_web::test]
async fn a_key_belongs_to_one_user_and_one_path_however_that_is_spelled() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    let (one, two) = (ana.makes_vault().await, ana.makes_vault().await);
    ana.admits(&one, &ben, "contributor").await;
    let at = |vault: &str| format!("{vault}/sources");
    assert_eq!(post(&ana, &at(&one), "k", source("A")).await.seq(), 2);
    assert_eq!(post(&ben, &at(&one), "k", source("B")).await.seq(), 3);
    assert_eq!(post(&ana, &at(&two), "k", source("C")).await.seq(), 1);
    let spelled = at(&one).replace("/vaults/c", "/vaults/%63");
    assert_eq!(post(&ana, &spelled, "k", source("A")).await.seq(), 2);
    assert_eq!(
        post(&ana, &format!("{}?x=1", at(&one)), "k", source("A"))
            .await
            .seq(),
        2
    );
}

#[actix_web::test]
async fn a_refusal_is_not_remembered() {
    let app = TestApp::start().await;
    let (ana, eva) = (app.user("ana"), app.user("eva"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &eva, "viewer").await;
    let (sources, members) = (format!("{vault}/sources"), format!("{vault}/members"));
    post(&eva, &sources, "k", source("Now"))
        .await
        .refused(403, "INSUFFICIENT_PERMISSIONS");
    let later = json!({ "email": "zoe@example.com", "role": "viewer" });
    post(&ana, &members, "k", later.clone())
        .await
        .refused(404, "NOT_FOUND");
    post(&eva, &sources, "k", json!({}))
        .await
        .refused(400, "VALIDATION_FAILED");

    ana.patch(&format!("{members}/eva"), json!({ "role": "contributor" }))
        .await
        .is(200);
    post(&eva, &sources, "k", source("Now")).await.is(201);
    app.user("zoe").get("/api/me").await.is(200);
    post(&ana, &members, "k", later).await.is(201);
}

#[actix_web::test]
async fn permission_is_checked_before_a_remembered_answer_is_given() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &ben, "contributor").await;
    let (sources, him) = (format!("{vault}/sources"), format!("{vault}/members/ben"));
    let first = post(&ben, &sources, "k", source("Mine")).await;
    first.is(201);
    ana.patch(&him, json!({ "role": "viewer" })).await.is(200);
    post(&ben, &sources, "k", source("Mine"))
        .await
        .refused(403, "INSUFFICIENT_PERMISSIONS");
    ana.delete(&him).await.is(204);
    post(&ben, &sources, "k", source("Mine"))
        .await
        .refused(403, "ACCESS_DENIED");
    ana.admits(&vault, &ben, "contributor").await;
    assert_eq!(
        outcome(&post(&ben, &sources, "k", source("Mine")).await),
        outcome(&first)
    );
}

#[actix_web::test]
async fn a_key_has_1_to_255_visible_ascii_characters() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let sources = format!("{vault}/sources");
    for good in ["!", &"~".repeat(255)] {
        post(&ana, &sources, good, source("T")).await.is(201);
    }
    let ben = json!({ "userId": "ben", "role": "viewer" });
    for bad in ["", "a b", "ü", "a\tb", &"x".repeat(256)] {
        for (path, body) in [
            ("/api/vaults", json!({ "name": "N" })),
            (sources.as_str(), source("T")),
            (&format!("{vault}/members"), ben.clone()),
        ] {
            let refused = post(&ana, path, bad, body).await;
            assert_eq!(refused.wrong_fields(), ["Idempotency-Key"], "{bad:?}");
        }
    }
    let twice = ana
        .ask(Method::POST, &sources)
        .header("Idempotency-Key", "a")
        .header("Idempotency-Key", "b");
    let refused = hear(twice.json(&source("T"))).await;
    assert_eq!(refused.wrong_fields(), ["Idempotency-Key"]);
    assert_eq!(ana.events(&vault).await.0.len(), 2);
}

#[actix_web::test]
async fn an_answer_is_forgotten_after_a_day() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let sources = format!("{}/sources", ana.makes_vault().await);
    let age = async |hours: i64| {
        let database = Database::connect(&app.database.url).await.unwrap();
        let back = hours * 60 * 60 * 1000;
        let sql = format!("UPDATE idempotency_keys SET created_at = created_at - {back}");
        database.execute_unprepared(&sql).await.unwrap();
        database.close().await.unwrap();
    };
    assert_eq!(post(&ana, &sources, "k", source("Once")).await.seq(), 1);
    age(23).await;
    assert_eq!(post(&ana, &sources, "k", source("Once")).await.seq(), 1);
    age(2).await;
    assert_eq!(post(&ana, &sources, "k", source("Again")).await.seq(), 2);
    assert_eq!(post(&ana, &sources, "k", source("Again")).await.seq(), 2);
}
