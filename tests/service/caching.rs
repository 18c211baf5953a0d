//! Shared caches: no answer may be stored, because answers belong to one user and change with every mutation.

use reqwest::Method;
use serde_json::json;

use crate::common::service::{TestResponse, TestService, TestUser, send};

#[track_caller]
fn assert_not_stored(response: &TestResponse, status: u16) {
    assert_eq!(response.status, status, "{response:?}");
    let stored = response.headers.get_all("cache-control");
    let values: Vec<_> = stored.iter().collect();
    assert_eq!(values, ["no-store"], "{response:?}");
}

#[actix_web::test]
async fn every_answer_forbids_caches_to_store_it() {
    let service = TestService::start_with(|config| config.limits.mutations_per_second = 1).await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let vault = ana.create_vault().await;
    let source = ana.create_source(&vault, "Paper").await;
    for path in [
        "/api/me",
        "/api/vaults",
        &vault,
        &format!("{vault}/members"),
        &format!("{vault}/sources"),
        &format!("{vault}/events"),
        &source,
    ] {
        assert_not_stored(&ana.get(path).await, 200);
        assert_not_stored(&send(ana.request(Method::HEAD, path)).await, 200);
        assert_not_stored(&service.anonymous().get(path).await, 401);
        assert_not_stored(&send(ana.request(Method::PUT, path)).await, 405);
    }
    assert_not_stored(&zoe.get(&vault).await, 403);
    assert_not_stored(&zoe.get(&source).await, 404);
    assert_not_stored(&ana.get("/api/vaults/x").await, 400);
    for unknown in ["/api", "/api/", "/api/unknown"] {
        assert_not_stored(&ana.get(unknown).await, 404);
    }
    let ben = service.user("ben");
    assert_not_stored(&ben.post("/api/vaults", json!({ "name": "B" })).await, 201);
    assert_not_stored(&ben.post("/api/vaults", json!({})).await, 400);
    let mut refused = ben.post("/api/vaults", json!({ "name": "B" })).await;
    while refused.status != 429 {
        refused = ben.post("/api/vaults", json!({ "name": "B" })).await;
    }
    assert_not_stored(&refused, 429);
}

#[actix_web::test]
async fn answers_to_other_origins_health_checks_and_handshakes_are_not_stored_either() {
    let allowed = "https://service.example";
    let service = TestService::start_with(|config| {
        config.server.allowed_origins = vec![allowed.parse().unwrap()];
    })
    .await;
    let anonymous = service.anonymous();
    let from = |user: &TestUser, method, path: &str, origin| {
        user.request(method, path).header("Origin", origin)
    };
    let refused = from(&anonymous, Method::GET, "/api/me", "https://evil.example");
    assert_not_stored(&send(refused).await, 403);
    let preflight = from(&anonymous, Method::OPTIONS, "/api/me", allowed);
    let preflight = preflight.header("Access-Control-Request-Method", "GET");
    assert_not_stored(&send(preflight).await, 204);
    for path in ["/healthz", "/readyz"] {
        assert_not_stored(&anonymous.get(path).await, 200);
    }
    // The body of a handshake has the secret id of its session.
    let handshake = "/socket.io/?EIO=4&transport=polling";
    assert_not_stored(&anonymous.get(handshake).await, 200);
    let unknown = "/socket.io/?EIO=4&transport=polling&sid=unknown";
    assert_not_stored(&anonymous.get(unknown).await, 400);
}
