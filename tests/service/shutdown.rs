//! Graceful shutdown: accepted mutations finish and are answered, later mutations are refused, and sockets are closed at a
//! limited rate.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all, select};
use serde_json::json;

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestService, source, token},
    },
    support::database_access::lock_vault_heads,
};

#[actix_web::test]
async fn accepted_mutations_finish_and_new_ones_are_refused_during_shutdown() {
    let service = TestService::start_with(|config| config.actors.vault_mailbox = 1).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let lock = lock_vault_heads(&service).await;

    // The queue holds one mutation. When one of two requests is refused, the other has been accepted.
    let (sources, body) = (format!("{vault}/sources"), || source("Accepted"));
    let (first, second) = (ana.post(&sources, body()), ana.post(&sources, body()));
    let (refused, accepted) = select(Box::pin(first), Box::pin(second))
        .await
        .factor_first();
    refused.assert_refused(503, "VAULT_BUSY");

    let stopping = actix_web::rt::spawn(service.stop());
    while ana.get("/readyz").await.status == 200 {}

    let ready = ana.get("/readyz").await;
    ready.assert_refused(503, "UNAVAILABLE");
    for late in [
        ana.post(&sources, source("Too late")).await,
        ana.post("/api/vaults", json!({ "name": "Too late" })).await,
        ana.delete(&vault).await,
    ] {
        let problem = late.assert_refused(503, "UNAVAILABLE");
        assert_eq!(problem.get("details"), None);
        assert_eq!(late.header("retry-after"), Some("1"));
    }
    assert_eq!(ana.get(&vault).await.assert_status(200)["seq"], 0);

    lock.rollback().await.unwrap();
    assert_eq!(accepted.await.seq(), 1);
    stopping.await.unwrap();
}

/// The sockets per second in the test of the drain rate, and the most that are closed at once: those of a quarter of a second.
const DRAIN_RATE: u32 = 40;
const BURST: u32 = DRAIN_RATE / 4;

#[actix_web::test]
async fn sockets_are_closed_no_faster_than_drain_rate() {
    for window in [Duration::from_secs(120), Duration::ZERO] {
        let service = TestService::start_with(|config| {
            config.socketio.recovery_window = window;
            config.server.drain_rate = DRAIN_RATE;
        })
        .await;
        let bearer = format!("Bearer {}", token("ana"));
        let headers = [("authorization", bearer.as_str())];
        let sockets =
            join_all((0..DRAIN_RATE).map(|_| RawSocket::connect(service.addr(), &headers))).await;
        let closings = join_all(sockets.into_iter().map(async |mut socket| {
            socket.receive_until_closed().await;
            Instant::now()
        }));
        let begun = Instant::now();
        let (mut closed, ()) = join(closings, service.stop()).await;
        closed.sort();
        // A client may notice late that it was closed, but never before it was.
        for (before, time) in (0..).zip(closed) {
            let after = time - begun;
            let paced: u32 = u32::saturating_sub(before, BURST);
            let earliest = Duration::from_secs(1) * paced / DRAIN_RATE;
            assert!(
                after >= earliest,
                "{window:?}: socket {before} was closed after {after:?}"
            );
        }
    }
}
