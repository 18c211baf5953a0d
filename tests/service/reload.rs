//! Reloading the configuration: a changed setting applies at once, also to connected clients, and no client is
//! disconnected.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use vaultcast::{
    auth::Secrets,
    config::{Config, ConfigChange},
    server::{Mode, Service},
};

use crate::common::{
    database::TestDatabase,
    raw_socket::RawSocket,
    service::{TestService, send, source, token},
};

const ORIGIN: &str = "https://service.example";

fn keys(changes: &[ConfigChange]) -> Vec<&str> {
    changes.iter().map(|change| change.key.as_str()).collect()
}

#[actix_web::test]
async fn changed_bounds_apply_to_connected_clients_without_disconnecting() {
    let mut service = TestService::start().await;
    let ana = service.user("ana");
    let (plans, notes) = (ana.create_vault().await, ana.create_vault().await);
    let bearer = format!("Bearer {}", token("ana"));
    let headers = [("authorization", bearer.as_str())];
    let mut socket = RawSocket::connect(service.addr(), &headers).await;
    assert_eq!(socket.join(&plans).await["ok"], true);
    let get_from_origin = || send(ana.request(Method::GET, "/api/me").header("origin", ORIGIN));
    get_from_origin()
        .await
        .assert_refused(403, "ORIGIN_NOT_ALLOWED");

    let reloaded = service.reload(|config| {
        config.server.allowed_origins = vec![ORIGIN.parse().unwrap()];
        config.server.max_body = 60;
        config.limits.joins_per_socket = 1;
        config.limits.sockets_per_user = 1;
    });
    let reloaded = reloaded.unwrap();
    let expected = [
        "limits.joins_per_socket",
        "limits.sockets_per_user",
        "server.allowed_origins",
        "server.max_body",
    ];
    assert_eq!(keys(&reloaded.applied), expected);
    assert_eq!(reloaded.waiting, []);

    get_from_origin().await.assert_status(200);
    let too_large = json!({ "name": "n".repeat(60) });
    let refused = ana.post("/api/vaults", too_large).await;
    refused.assert_refused(413, "PAYLOAD_TOO_LARGE");
    let refused = socket.join(&notes).await;
    assert_eq!(refused["error"]["code"], "LIMIT_EXCEEDED");
    let mut second = RawSocket::send_connect(service.addr(), &headers, None).await;
    assert_eq!(second.connect_error().await, "LIMIT_EXCEEDED");

    let restored = service.reload(|config| {
        config.server.allowed_origins.clear();
        config.server.max_body = 1 << 20;
        config.limits.joins_per_socket = 0;
        config.limits.sockets_per_user = 0;
    });
    assert_eq!(keys(&restored.unwrap().applied), expected);
    get_from_origin()
        .await
        .assert_refused(403, "ORIGIN_NOT_ALLOWED");
    assert_eq!(socket.join(&notes).await["ok"], true);
    RawSocket::connect(service.addr(), &headers).await;
    // The first socket is still connected and receives the event.
    ana.create_source(&plans, "New").await;
    assert!(socket.receive("42[\"source:created\"").await.is_some());
}

#[actix_web::test]
async fn changed_event_rate_applies_from_the_next_event_on() {
    let mut service =
        TestService::start_with(|config| config.limits.socket_events_per_second = 0).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let bearer = format!("Bearer {}", token("ana"));
    let mut socket =
        RawSocket::connect(service.addr(), &[("authorization", bearer.as_str())]).await;
    for _ in 0..20 {
        assert_eq!(socket.join(&vault).await["ok"], true);
    }
    service
        .reload(|config| config.limits.socket_events_per_second = 1)
        .unwrap();
    let mut codes = Vec::new();
    while codes.len() < 20 && codes.last() != Some(&json!("RATE_LIMITED")) {
        codes.push(socket.join(&vault).await["error"]["code"].clone());
    }
    assert_eq!(codes.last(), Some(&json!("RATE_LIMITED")), "{codes:?}");
}

#[actix_web::test]
async fn keys_that_need_a_restart_are_reported_at_each_reload() {
    let mut service = TestService::start().await;
    let reloaded = service.reload(|config| {
        config.server.bind = ([127, 0, 0, 1], 1).into();
        config.socketio.ping_interval *= 2;
        config.limits.sockets = 9;
    });
    let reloaded = reloaded.unwrap();
    assert_eq!(keys(&reloaded.applied), ["limits.sockets"]);
    let need_restart = ["server.bind", "socketio.ping_interval"];
    assert_eq!(keys(&reloaded.waiting), need_restart);

    let repeated = service.reload(|_| {}).unwrap();
    assert_eq!(repeated.applied, []);
    assert_eq!(keys(&repeated.waiting), need_restart);
}

#[actix_web::test]
async fn invalid_configuration_changes_nothing() {
    let database = TestDatabase::create().await;
    let mut config = Config::default();
    config.server.bind = ([127, 0, 0, 1], 0).into();
    config.admin.bind = None;
    config.database.url = database.url.parse().unwrap();
    let secrets = Secrets::from_list("short").unwrap();
    let mut service = Service::start(&config, &secrets, Mode::Serve)
        .await
        .unwrap();

    let mut changed = config.clone();
    changed.server.bind = ([0, 0, 0, 0], 3000).into();
    changed.limits.sockets = 9;
    let error = service.reload(&changed).unwrap_err().to_string();
    assert!(error.starts_with("server.bind: 0.0.0.0:3000 is not a loopback address"));

    changed.server.bind = config.server.bind;
    let reloaded = service.reload(&changed).unwrap();
    let sockets = ConfigChange {
        key: "limits.sockets".to_owned(),
        from: "0".to_owned(),
        to: "9".to_owned(),
    };
    assert_eq!(reloaded.applied, [sockets]);
    service.stop().await;
}

#[actix_web::test]
async fn shutdown_uses_the_settings_in_effect() {
    let mut service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    service
        .reload(|config| config.server.drain_delay = Duration::from_secs(3))
        .unwrap();
    let addr = service.addr();
    let stopping = actix_web::rt::spawn(service.stop());
    while ana.get("/readyz").await.status == 200 {}

    // During the drain delay, requests and new sockets are served.
    let sources = format!("{vault}/sources");
    assert_eq!(
        ana.post(&sources, source("During the delay")).await.seq(),
        1
    );
    let bearer = format!("Bearer {}", token("ana"));
    let mut socket = RawSocket::connect(addr, &[("authorization", bearer.as_str())]).await;
    assert_eq!(socket.join(&vault).await["seq"], 1);
    ana.get("/readyz").await.assert_refused(503, "UNAVAILABLE");

    socket.receive_until_closed().await;
    stopping.await.unwrap();
}
