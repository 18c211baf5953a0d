//! Tuning a running service: another configuration holds at once, for those who are there as well, and sends nobody away.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use vaultcast::{
    app::{Mode, Service},
    auth::Secrets,
    config::{Change, Config},
};

use crate::common::{
    app::{TestApp, hear, source, token},
    database::TestDatabase,
    socket::Socket,
};

const PAGE: &str = "https://app.example";

fn keys(changes: &[Change]) -> Vec<&str> {
    changes.iter().map(|change| change.key.as_str()).collect()
}

#[actix_web::test]
async fn other_bounds_hold_for_those_who_are_there_and_send_nobody_away() {
    let mut app = TestApp::start().await;
    let ana = app.user("ana");
    let (plans, notes) = (ana.makes_vault().await, ana.makes_vault().await);
    let bearer = format!("Bearer {}", token("ana"));
    let headers = [("authorization", bearer.as_str())];
    let mut socket = Socket::connect(app.addr(), &headers).await;
    assert_eq!(socket.join(&plans).await["ok"], true);
    let from_page = || hear(ana.ask(Method::GET, "/api/me").header("origin", PAGE));
    from_page().await.refused(403, "ORIGIN_NOT_ALLOWED");

    let reloaded = app.reload(|config| {
        config.server.allowed_origins = vec![PAGE.parse().unwrap()];
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

    from_page().await.is(200);
    let long = json!({ "name": "n".repeat(60) });
    let refused = ana.post("/api/vaults", long).await;
    refused.refused(413, "PAYLOAD_TOO_LARGE");
    let refused = socket.join(&notes).await;
    assert_eq!(refused["error"]["code"], "LIMIT_EXCEEDED");
    let mut another = Socket::knock(app.addr(), &headers, None).await;
    assert_eq!(another.refusal().await, "LIMIT_EXCEEDED");

    let back = app.reload(|config| {
        config.server.allowed_origins.clear();
        config.server.max_body = 1 << 20;
        config.limits.joins_per_socket = 0;
        config.limits.sockets_per_user = 0;
    });
    assert_eq!(keys(&back.unwrap().applied), expected);
    from_page().await.refused(403, "ORIGIN_NOT_ALLOWED");
    assert_eq!(socket.join(&notes).await["ok"], true);
    Socket::connect(app.addr(), &headers).await;
    // The socket has been there all the time, and heard of everything.
    ana.adds_source(&plans, "New").await;
    assert!(socket.hears("42[\"source:created\"").await.is_some());
}

#[actix_web::test]
async fn a_socket_is_held_to_another_rate_from_its_next_event_on() {
    let mut app = TestApp::start_with(|config| config.limits.socket_events_per_second = 0).await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let bearer = format!("Bearer {}", token("ana"));
    let mut socket = Socket::connect(app.addr(), &[("authorization", bearer.as_str())]).await;
    for _ in 0..20 {
        assert_eq!(socket.join(&vault).await["ok"], true);
    }
    app.reload(|config| config.limits.socket_events_per_second = 1)
        .unwrap();
    let mut codes = Vec::new();
    while codes.len() < 20 && codes.last() != Some(&json!("RATE_LIMITED")) {
        codes.push(socket.join(&vault).await["error"]["code"].clone());
    }
    assert_eq!(codes.last(), Some(&json!("RATE_LIMITED")), "{codes:?}");
}

#[actix_web::test]
async fn what_needs_a_restart_is_said_so_until_there_is_one() {
    let mut app = TestApp::start().await;
    let reloaded = app.reload(|config| {
        config.server.bind = ([127, 0, 0, 1], 1).into();
        config.socketio.ping_interval *= 2;
        config.limits.sockets = 9;
    });
    let reloaded = reloaded.unwrap();
    assert_eq!(keys(&reloaded.applied), ["limits.sockets"]);
    let waiting = ["server.bind", "socketio.ping_interval"];
    assert_eq!(keys(&reloaded.waiting), waiting);

    let again = app.reload(|_| {}).unwrap();
    assert_eq!(again.applied, []);
    assert_eq!(keys(&again.waiting), waiting);
}

#[actix_web::test]
async fn what_the_service_could_not_have_been_started_with_changes_nothing() {
    let database = TestDatabase::fresh().await;
    let mut config = Config::default();
    config.server.bind = ([127, 0, 0, 1], 0).into();
    config.admin.bind = None;
    config.database.url = database.url.parse().unwrap();
    let secrets = Secrets::from_list("short").unwrap();
    let mut service = Service::start(&config, &secrets, Mode::Serve)
        .await
        .unwrap();

    let mut wanted = config.clone();
    wanted.server.bind = ([0, 0, 0, 0], 3000).into();
    wanted.limits.sockets = 9;
    let error = service.reload(&wanted).unwrap_err().to_string();
    assert!(error.starts_with("server.bind: 0.0.0.0:3000 is not a loopback address"));

    wanted.server.bind = config.server.bind;
    let reloaded = service.reload(&wanted).unwrap();
    let sockets = Change {
        key: "limits.sockets".to_owned(),
        from: "0".to_owned(),
        to: "9".to_owned(),
    };
    assert_eq!(reloaded.applied, [sockets]);
    service.stop().await;
}

#[actix_web::test]
async fn a_service_that_is_told_to_stop_goes_by_what_holds_then() {
    let mut app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    app.reload(|config| config.server.drain_delay = Duration::from_secs(3))
        .unwrap();
    let addr = app.addr();
    let stopping = actix_web::rt::spawn(app.stop());
    while ana.get("/readyz").await.status == 200 {}

    // Whoever has not noticed yet is served as before.
    let sources = format!("{vault}/sources");
    assert_eq!(ana.post(&sources, source("As before")).await.seq(), 1);
    let bearer = format!("Bearer {}", token("ana"));
    let mut socket = Socket::connect(addr, &[("authorization", bearer.as_str())]).await;
    assert_eq!(socket.join(&vault).await["seq"], 1);
    ana.get("/readyz").await.refused(503, "UNAVAILABLE");

    socket.until_closed().await;
    stopping.await.unwrap();
}
