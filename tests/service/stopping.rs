//! An orderly stop: what was taken is done and answered, what comes later is sent elsewhere.

use futures_util::future::select;
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::json;

use crate::common::app::{TestApp, source};

#[actix_web::test]
async fn what_was_taken_before_the_stop_is_done_and_nothing_is_taken_after() {
    let app = TestApp::start_with(|config| config.actors.vault_mailbox = 1).await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let url = app.database.url.clone();
    let database = Database::connect(&url).await.unwrap();
    let writer = database.begin().await.unwrap();
    let held = writer
        .execute_unprepared("UPDATE vault_heads SET head = head")
        .await;
    held.unwrap();

    // A place is taken as soon as another finds none.
    let (sources, body) = (format!("{vault}/sources"), || source("Just in time"));
    let (one, other) = (ana.post(&sources, body()), ana.post(&sources, body()));
    let (busy, taken) = select(Box::pin(one), Box::pin(other)).await.factor_first();
    busy.refused(503, "VAULT_BUSY");

    let stopping = actix_web::rt::spawn(app.stop());
    while ana.get("/readyz").await.status == 200 {}

    let ready = ana.get("/readyz").await;
    ready.refused(503, "UNAVAILABLE");
    for late in [
        ana.post(&sources, source("Too late")).await,
        ana.post("/api/vaults", json!({ "name": "Too late" })).await,
        ana.delete(&vault).await,
    ] {
        let problem = late.refused(503, "UNAVAILABLE");
        assert_eq!(problem.get("details"), None);
        assert_eq!(late.header("retry-after"), Some("1"));
    }
    assert_eq!(ana.get(&vault).await.is(200)["seq"], 0);

    writer.rollback().await.unwrap();
    assert_eq!(taken.await.seq(), 1);
    stopping.await.unwrap();
}
