//! An orderly stop: what was taken is done and answered, what comes later is sent elsewhere.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all, select};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::json;

use crate::common::{
    app::{TestApp, source, token},
    socket::Socket,
};

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

#[actix_web::test]
async fn sockets_are_let_go_no_faster_than_the_rate_says() {
    for window in [Duration::from_secs(120), Duration::ZERO] {
        let app = TestApp::start_with(|config| {
            config.socketio.recovery_window = window;
            config.server.drain_rate = 40;
        })
        .await;
        let bearer = format!("Bearer {}", token("ana"));
        let headers = [("authorization", bearer.as_str())];
        let sockets = join_all((0..40).map(|_| Socket::connect(app.addr(), &headers))).await;
        let closings = join_all(sockets.into_iter().map(async |mut socket| {
            socket.until_closed().await;
            Instant::now()
        }));
        let (mut closed, ()) = join(closings, app.stop()).await;
        closed.sort();
        let took = closed[39] - closed[0];
        // Forty at forty a second are gone in one; what is measured here is when they hear of it.
        assert!(took > Duration::from_millis(600), "{window:?}: {took:?}");
        let half = closed[19] - closed[0];
        assert!(half > Duration::from_millis(200), "{window:?}: {half:?}");
    }
}
