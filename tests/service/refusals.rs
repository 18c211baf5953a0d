//! Every refused request, handshake, CONNECT and event is counted in a metric by its code.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestUser, send, source, token},
    },
    support::metrics_client::MonitoredService,
};

const HANDSHAKE: &str = "/socket.io/?EIO=4&transport=polling";

/// Opens a polling session and returns its path.
async fn open_session(user: &TestUser) -> String {
    let opened = user.get(HANDSHAKE).await;
    assert_eq!(opened.status, 200);
    let params: Value = serde_json::from_str(&opened.text[1..]).unwrap();
    format!("{HANDSHAKE}&sid={}", params["sid"].as_str().unwrap())
}

#[actix_web::test]
async fn refused_requests_are_counted_by_their_code() {
    let MonitoredService { service, metrics } = MonitoredService::start_with(|config| {
        config.limits.sockets_per_address = 1;
        config.socketio.max_payload = 1000;
    })
    .await;
    let (ana, anonymous) = (service.user("ana"), service.anonymous());
    let session = open_session(&ana).await;
    let get = |path: &str| ana.request(Method::GET, path);
    for (request, status, code) in [
        (
            get("/api/me").header("Origin", "null"),
            403,
            "origin_not_allowed",
        ),
        (
            get(HANDSHAKE).header("Origin", "null"),
            403,
            "origin_not_allowed",
        ),
        (
            anonymous.request(Method::GET, "/api/me"),
            401,
            "unauthorized",
        ),
        (get("/api/vaults/nope"), 400, "invalid_vault_id"),
        (get("/api/vaults/clx123abc456def"), 403, "access_denied"),
        (get("/nowhere"), 404, "not_found"),
        (
            ana.request(Method::PUT, "/api/me"),
            405,
            "method_not_allowed",
        ),
        (
            ana.request(Method::POST, "/api/vaults").json(&json!({})),
            400,
            "validation_failed",
        ),
        (
            get("/socket.io/?EIO=3&transport=polling"),
            400,
            "unsupported_protocol_version",
        ),
        (
            get("/socket.io/?EIO=4&transport=flashsocket"),
            400,
            "transport_unknown",
        ),
        (ana.request(Method::DELETE, &session), 400, "bad_request"),
        (get(&format!("{HANDSHAKE}&sid=x")), 400, "session_unknown"),
        (
            ana.request(Method::POST, HANDSHAKE),
            400,
            "bad_handshake_method",
        ),
        (get(HANDSHAKE), 429, "limit_exceeded"),
        (
            ana.request(Method::POST, &session).body("4".repeat(1001)),
            413,
            "payload_too_large",
        ),
    ] {
        let name = format!("vaultcast_http_refusals_total{{code=\"{code}\"}}");
        let before = metrics.value(&name).await.unwrap_or_default();
        let response = send(request).await;
        assert_eq!(response.status, status, "{code}: {}", response.text);
        metrics.wait_for(&name, |count| count == before + 1.0).await;
    }
    let limited = "vaultcast_limited_total{limit=\"sockets_per_address\"}";
    assert_eq!(metrics.value(limited).await, Some(1.0));
    let accepted = "vaultcast_http_refusals_total{code=\"other\"}";
    assert_eq!(metrics.value(accepted).await, None);
}

#[actix_web::test]
async fn connect_to_an_unknown_namespace_is_counted() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let ana = service.user("ana");
    let session = open_session(&ana).await;
    let connect = ana.request(Method::POST, &session).body("40/chat,");
    assert_eq!(send(connect).await.text, "ok");
    let refused = ana.get(&session).await.text;
    assert_eq!(refused, r#"44/chat,{"message":"Invalid namespace"}"#);
    let outcome = "vaultcast_connects_total{outcome=\"invalid_namespace\"}";
    assert_eq!(metrics.value(outcome).await, Some(1.0));
}

#[actix_web::test]
async fn each_refused_event_of_a_socket_is_counted_once() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let (ana, bob) = (service.user("ana"), service.user("bob"));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &bob, "viewer").await;
    let id = vault.trim_start_matches("/api/vaults/");
    let bearer = format!("Bearer {}", token("bob"));
    let mut socket = RawSocket::connect(service.addr(), &[("authorization", &bearer)]).await;
    let other = "clx123abc456def";
    for (event, code) in [
        (json!(["vault:join", "x"]), "invalid_vault_id"),
        (json!(["vault:join", other]), "access_denied"),
        (json!(["no:event"]), "validation_failed"),
        (
            json!(["source:deleted", { "sourceId": other }]),
            "not_found",
        ),
        (
            json!(["source:created", { "vaultId": id, "source": source("A paper") }]),
            "insufficient_permissions",
        ),
    ] {
        let name = format!("vaultcast_event_refusals_total{{code=\"{code}\"}}");
        assert_eq!(metrics.value(&name).await.unwrap_or_default(), 0.0);
        let answer = socket.emit(event).await;
        assert_eq!(answer["error"]["code"], code.to_uppercase(), "{answer}");
        assert_eq!(metrics.value(&name).await, Some(1.0));
    }
}
