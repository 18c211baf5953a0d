//! Defects of the service: a vault actor that panics, and a thread that stalls. The metrics report both, and a panic loses
//! no event of a connected socket.

use std::sync::{Arc, mpsc};

use vaultcast::{
    domain::{SubscriberId, UserId, VaultId},
    vault::{Attach, Delivery, Sink, SinkFull, SinkId, Subscription, VaultHandle},
};

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestService, TestUser, source, token},
    },
    support::{captured_log::CapturedLog, metrics_client::MonitoredService},
};

/// A sink that panics in the vault's actor.
struct PanickingSink;

impl Sink for PanickingSink {
    fn id(&self) -> SinkId {
        SinkId(u64::MAX)
    }

    fn deliver(&self, _: Delivery) -> Result<(), SinkFull> {
        panic!("this sink panics on purpose");
    }

    fn fell_behind(&self, _: VaultHandle) {}

    fn positions_unknown(&self, _: VaultHandle) {}
}

/// Makes a vault's actor panic while it handles a message.
fn panic_in_actor(service: &TestService, vault: &str) {
    let subscription = Subscription {
        subscriber: SubscriberId(u64::MAX),
        user: UserId::new("ana").unwrap(),
        ticket: 0,
        attach: Attach::Join,
    };
    let id = VaultId::parse(vault).unwrap();
    let vault = service.vaults().open(&id);
    vault.subscribe(subscription, Arc::new(PanickingSink));
}

/// Creates a source, again if the request reached the mailbox of the actor that was still ending: then it is refused with
/// UNAVAILABLE, and nothing has been done.
async fn create_source_after_a_panic(user: &TestUser, vault: &str) {
    let path = format!("{vault}/sources");
    loop {
        let response = user.post(&path, source("after")).await;
        if response.status == 201 {
            return;
        }
        response.assert_refused(503, "UNAVAILABLE");
    }
}

#[actix_web::test]
async fn vault_is_reopened_after_a_panic_and_its_sockets_miss_no_event() {
    let log = CapturedLog::global();
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let id = vault.trim_start_matches("/api/vaults/");
    let bearer = format!("Bearer {}", token("ana"));
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = RawSocket::connect(service.addr(), &[("authorization", &bearer)]).await;
        assert_eq!(socket.join(&vault).await["ok"], true);
        sockets.push(socket);
    }

    for round in 0..3_u64 {
        ana.create_source(&vault, "before").await;
        panic_in_actor(&service, id);
        let panics = (round + 1) as f64;
        metrics
            .wait_for("vaultcast_vault_actor_panics_total", |n| n == panics)
            .await;
        create_source_after_a_panic(&ana, &vault).await;
        for socket in &mut sockets {
            for seq in [2 * round + 1, 2 * round + 2] {
                let packet = socket.receive(r#"42["source:created""#).await;
                let packet = packet.expect("the connection stays open");
                assert!(packet.contains(&format!(r#""seq":{seq}}}"#)), "{packet}");
            }
        }
    }
    assert!(metrics.value("vaultcast_panics").await.unwrap() >= 3.0);
    let (events, seq) = ana.events(&vault).await;
    assert_eq!((events.len(), seq), (6, 6));
    // The panic hook logs the panic (`tests/telemetry.rs`); the service logs nothing more about the vault.
    assert_eq!(log.lines_with(id), Vec::<String>::new());
}

#[actix_web::test]
async fn stalled_thread_is_reported_until_it_resumes_in_the_metrics() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let stalled_seconds =
        |thread: &str| format!("vaultcast_thread_stalled_seconds{{thread=\"{thread}\"}}");
    for thread in [
        "main",
        "admin",
        "worker 0",
        "journal writer 0",
        "journal reader",
    ] {
        let value = metrics.value(&stalled_seconds(thread)).await;
        assert!(value.is_some(), "{thread}");
    }
    let (release, blocked) = mpsc::channel::<()>();
    service.vaults().threads()[0].spawn_fn(move || {
        let _released = blocked.recv();
    });
    let vault_thread = stalled_seconds("vault 0");
    metrics
        .wait_for(&vault_thread, |seconds| seconds >= 1.0)
        .await;
    // A request that does not need the thread is answered.
    service.user("ana").get("/api/me").await.assert_status(200);
    drop(release);
    metrics
        .wait_for(&vault_thread, |seconds| seconds == 0.0)
        .await;
}
