//! Bounds of the queues: each test fills one queue over HTTP or Socket.IO and checks what happens when it is full, and the
//! metric that reports it. `limits.rs` tests the configured limits.

use std::time::Duration;

use actix_web::rt::task::JoinHandle;
use futures_util::future::join_all;
use serde_json::json;
use vaultcast::config::Config;

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestResponse, TestService, TestUser, source, token},
    },
    support::{metrics_client::MonitoredService, vault_threads::block_vault_threads},
};

/// Sends concurrent requests that each create a source, without waiting for the responses.
fn spawn_posts(user: &TestUser, vault: &str, count: usize) -> Vec<JoinHandle<TestResponse>> {
    let path = format!("{vault}/sources");
    let post = |n: usize| {
        let (user, path) = (user.clone(), path.clone());
        actix_web::rt::spawn(async move { user.post(&path, source(&n.to_string())).await })
    };
    (0..count).map(post).collect()
}

/// Returns a connected socket of the user `ana`.
async fn connect_socket(service: &TestService) -> RawSocket {
    let bearer = format!("Bearer {}", token("ana"));
    RawSocket::connect(service.addr(), &[("authorization", &bearer)]).await
}

#[actix_web::test]
async fn full_vault_queue_refuses_further_mutations_at_once() {
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.actors.vault_mailbox = 8).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let release = block_vault_threads(&service);
    let posts = spawn_posts(&ana, &vault, 20);
    metrics
        .wait_for("vaultcast_vault_busy_total", |busy| busy == 12.0)
        .await;
    assert_eq!(
        metrics.value("vaultcast_vault_queue_mutations").await,
        Some(8.0)
    );
    drop(release);
    let responses = join_all(posts).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = responses
        .into_iter()
        .map(|response| response.unwrap())
        .partition(|response| response.status == 201);
    assert_eq!((accepted.len(), refused.len()), (8, 12));
    for response in refused {
        response.assert_refused(503, "VAULT_BUSY");
    }
    assert_eq!(ana.events(&vault).await.1, 8);
}

#[actix_web::test]
async fn join_times_out_after_join_timeout() {
    // Long enough for the joins that are answered afterwards.
    let timeout = Duration::from_secs(2);
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.actors.join_timeout = timeout).await;
    let vault = service.user("ana").create_vault().await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(connect_socket(&service).await);
    }
    let release = block_vault_threads(&service);
    let joins = sockets.iter_mut().map(|socket| socket.join(&vault));
    for ack in join_all(joins).await {
        assert_eq!(ack["error"]["code"], "VAULT_BUSY", "{ack}");
    }
    let busy = "vaultcast_joins_total{outcome=\"vault_busy\"}";
    assert_eq!(metrics.value(busy).await, Some(20.0));
    drop(release);
    for socket in &mut sockets {
        assert_eq!(socket.join(&vault).await["ok"], true);
    }
}

/// Creates `count` sources with eight concurrent writers.
async fn create_sources(user: &TestUser, vault: &str, count: usize) {
    let writers = (0..8).map(|_| async {
        for _ in 0..count / 8 {
            user.create_source(vault, "One of many").await;
        }
    });
    join_all(writers).await;
}

#[actix_web::test]
async fn relay_that_falls_behind_delivers_every_event_later_once_and_in_order() {
    // The mailbox of the relay holds one event, and the relay sends each event to forty sockets.
    let small_mailbox = |config: &mut Config| config.actors.relay_mailbox = 1;
    let MonitoredService { service, metrics } = MonitoredService::start_with(small_mailbox).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let mut sockets = Vec::new();
    for _ in 0..40 {
        let mut socket = connect_socket(&service).await;
        assert_eq!(socket.join(&vault).await["ok"], true);
        sockets.push(socket);
    }
    create_sources(&ana, &vault, 400).await;
    let receive_all = sockets.iter_mut().map(|socket| async {
        for seq in 1..=400 {
            let packet = socket
                .receive(r#"42["source:created""#)
                .await
                .expect("the socket stays open");
            assert!(packet.contains(&format!(r#""seq":{seq}}}"#)), "{packet}");
        }
    });
    join_all(receive_all).await;
    let behind = metrics.value("vaultcast_relay_fell_behind_total").await;
    assert!(behind.unwrap() > 0.0, "{behind:?}");
}

#[actix_web::test]
async fn burst_closes_no_socket_that_reads_at_full_speed() {
    const BURST: usize = 256;
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.actors.session_outbox = 64).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let mut socket = connect_socket(&service).await;
        assert_eq!(socket.join(&vault).await["ok"], true);
        sockets.push(socket);
    }
    // All mutations are committed together, so the relay receives the whole burst at once.
    let release = block_vault_threads(&service);
    let posts = spawn_posts(&ana, &vault, BURST);
    metrics
        .wait_for("vaultcast_vault_queue_mutations", |n| n == BURST as f64)
        .await;
    drop(release);
    for response in join_all(posts).await {
        response.unwrap().assert_status(201);
    }
    let receive_all = sockets.iter_mut().map(async |socket| {
        for seq in 1..=BURST {
            let packet = socket.receive(r#"42["source:created""#).await;
            let packet = packet.expect("the socket stays open");
            assert!(packet.contains(&format!(r#""seq":{seq}}}"#)), "{packet}");
        }
    });
    join_all(receive_all).await;
    assert_eq!(
        metrics.value("vaultcast_slow_closings_total").await,
        Some(0.0)
    );
}

#[actix_web::test]
async fn refusals_by_a_limit_are_counted_by_its_key() {
    let MonitoredService { service, metrics } = MonitoredService::start_with(|config| {
        config.limits.mutations_per_second = 1;
        config.limits.joins_per_socket = 1;
    })
    .await;
    let ana = service.user("ana");
    let vaults = [ana.create_vault().await, ana.create_vault().await];
    for _ in 0..5 {
        let response = ana.post("/api/vaults", json!({ "name": "More" })).await;
        response.assert_refused(429, "RATE_LIMITED");
    }
    let mut socket = connect_socket(&service).await;
    assert_eq!(socket.join(&vaults[0]).await["ok"], true);
    let refused = socket.join(&vaults[1]).await;
    assert_eq!(refused["error"]["code"], "LIMIT_EXCEEDED");
    for (limit, count) in [("mutations_per_second", 5.0), ("joins_per_socket", 1.0)] {
        let name = format!("vaultcast_limited_total{{limit=\"{limit}\"}}");
        assert_eq!(metrics.value(&name).await, Some(count), "{limit}");
    }
}

#[actix_web::test]
async fn transaction_holds_at_most_commit_batch_mutations_of_a_vault() {
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.actors.commit_batch = 4).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let release = block_vault_threads(&service);
    let posts = spawn_posts(&ana, &vault, 40);
    metrics
        .wait_for("vaultcast_vault_queue_mutations", |n| n == 40.0)
        .await;
    drop(release);
    for response in join_all(posts).await {
        response.unwrap().assert_status(201);
    }
    let batches = "vaultcast_commit_batch_mutations";
    let all = metrics.value(&format!("{batches}_count")).await;
    let small = metrics
        .value(&format!("{batches}_bucket{{le=\"4\"}}"))
        .await;
    assert_eq!(small, all);
    assert_eq!(metrics.value(&format!("{batches}_sum")).await, Some(40.0));
    assert!(
        all.unwrap() < 40.0,
        "some batches hold several mutations: {all:?}"
    );
}

#[actix_web::test]
async fn socket_over_the_byte_bound_of_its_outbox_is_closed() {
    const BYTES: usize = 524_288;
    let MonitoredService { service, metrics } = MonitoredService::start_with(|config| {
        config.actors.session_outbox = 100_000;
        config.actors.session_outbox_bytes = BYTES;
    })
    .await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let mut slow_reader = connect_socket(&service).await;
    assert_eq!(slow_reader.join(&vault).await["ok"], true);
    let large_source = json!({
        "title": "x".repeat(500),
        "fileUrl": format!("https://files.example.com/{}", "y".repeat(2000)),
    });
    let path = format!("{vault}/sources");
    let slow_closings = "vaultcast_slow_closings_total";
    while metrics.value(slow_closings).await == Some(0.0) {
        let posts = (0..50).map(|_| ana.post(&path, large_source.clone()));
        join_all(posts).await;
    }
    let high_water = metrics.value("vaultcast_outbox_high_water_bytes").await;
    assert!(
        high_water.is_some_and(|bytes| bytes <= BYTES as f64),
        "{high_water:?}"
    );
    assert_eq!(metrics.value(slow_closings).await, Some(1.0));
    metrics
        .wait_for("vaultcast_subscribers", |n| n == 0.0)
        .await;
}

#[actix_web::test]
async fn entries_dropped_from_a_delivery_trace_are_counted() {
    let MonitoredService { service, metrics } = MonitoredService::start_with(|config| {
        config.actors.session_outbox = 100_000;
        config.actors.session_outbox_bytes = 1 << 30;
        config.socketio.recovery_events = 1024;
    })
    .await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let mut slow_reader = connect_socket(&service).await;
    assert_eq!(slow_reader.join(&vault).await["ok"], true);
    create_sources(&ana, &vault, 1200).await;
    metrics
        .wait_for("vaultcast_deliveries_total", |n| n == 1200.0)
        .await;
    drop(slow_reader);
    let dropped = "vaultcast_delivery_trace_dropped_total";
    // The log keeps 1,024 entries of 1,201: one for the join and one for each event.
    metrics.wait_for(dropped, |n| n == 1201.0 - 1024.0).await;
}
