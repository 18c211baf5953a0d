//! Requests with an `Origin` header: every route refuses an origin that is neither the service's own nor in
//! `server.allowed_origins`.

use reqwest::Method;
use serde_json::json;

use crate::common::service::{TestResponse, TestService, TestUser, send};

const ALLOWED: &str = "https://service.example";

async fn start_with_allowed_origin() -> TestService {
    TestService::start_with(|config| config.server.allowed_origins = vec![ALLOWED.parse().unwrap()])
        .await
}

async fn send_from(user: &TestUser, origin: &str, method: Method, path: &str) -> TestResponse {
    send(user.request(method, path).header("Origin", origin)).await
}

#[actix_web::test]
async fn request_of_a_foreign_origin_is_refused_on_every_route() {
    let service = start_with_allowed_origin().await;
    let ana = service.user("ana");
    let port = service.addr().port();
    let other_port = format!("http://127.0.0.1:{}", port - 1);
    let other_host = format!("http://localhost:{port}");
    for origin in [
        "null",
        "https://evil.example",
        "http://service.example",
        "https://service.example.evil",
        "",
        &other_port,
        &other_host,
    ] {
        for (method, path) in [
            (Method::GET, "/api/me"),
            (Method::HEAD, "/api/me"),
            (Method::POST, "/api/vaults"),
            (Method::OPTIONS, "/api/vaults"),
            (Method::GET, "/healthz"),
            (Method::GET, "/nowhere"),
            (Method::GET, "/socket.io/?EIO=4&transport=polling"),
            (Method::POST, "/socket.io/?EIO=4&transport=polling&sid=x"),
        ] {
            let response = send_from(&ana, origin, method.clone(), path).await;
            assert_eq!(response.status, 403, "{origin} {method} {path}");
            if method != Method::HEAD {
                let problem = response.assert_refused(403, "ORIGIN_NOT_ALLOWED");
                assert_eq!(problem["message"], "Origin not allowed");
            }
            assert_eq!(response.header("access-control-allow-origin"), None);
        }
    }
    let creation = ana
        .request(Method::POST, "/api/vaults")
        .header("Origin", "null");
    send(creation.json(&json!({ "name": "Forged" })))
        .await
        .assert_refused(403, "ORIGIN_NOT_ALLOWED");
    assert_eq!(
        ana.get("/api/vaults").await.assert_status(200),
        json!({ "vaults": [] })
    );
}

#[actix_web::test]
async fn own_origin_and_requests_without_origin_are_allowed() {
    let service = start_with_allowed_origin().await;
    let ana = service.user("ana");
    for scheme in ["http", "https", "ws", "wss"] {
        let own = format!("{scheme}://{}", service.addr());
        for path in ["/api/me", "/socket.io/?EIO=4&transport=polling"] {
            let response = send_from(&ana, &own, Method::GET, path).await;
            assert_eq!(response.status, 200, "{own} {path}");
            assert_eq!(response.header("access-control-allow-origin"), None);
            assert_eq!(response.header("vary"), Some("Origin"));
        }
    }
    ana.get("/api/me").await.assert_status(200);
}

#[actix_web::test]
async fn origins_of_native_clients_are_allowed_by_a_reload() {
    let mut service = start_with_allowed_origin().await;
    let ana = service.user("ana");
    let paths = ["/api/me", "/socket.io/?EIO=4&transport=polling"];
    let origins = ["file://", "capacitor://localhost", "wss://app.example"];
    for origin in origins {
        let response = send_from(&ana, origin, Method::GET, paths[0]).await;
        response.assert_refused(403, "ORIGIN_NOT_ALLOWED");
    }
    let reloaded = service.reload(|config| {
        config.server.allowed_origins = origins.map(|origin| origin.parse().unwrap()).into();
    });
    assert!(reloaded.is_ok());
    for origin in origins {
        for path in paths {
            let response = send_from(&ana, origin, Method::GET, path).await;
            assert_eq!(response.status, 200, "{origin} {path}");
            assert_eq!(response.header("access-control-allow-origin"), Some(origin));
        }
    }
    for origin in ["null", ALLOWED] {
        let response = send_from(&ana, origin, Method::GET, paths[0]).await;
        response.assert_refused(403, "ORIGIN_NOT_ALLOWED");
    }
}

#[actix_web::test]
async fn allowed_origin_gets_cors_headers_on_answers_and_refusals() {
    let service = TestService::start_with(|config| {
        config.server.allowed_origins = vec![ALLOWED.parse().unwrap()];
        config.server.max_body = 100;
        config.limits.reads_per_second = 1;
        config.limits.sockets = 1;
    })
    .await;
    let (ana, anonymous) = (service.user("ana"), service.anonymous());
    let [ben, cem, dan] = ["ben", "cem", "dan"].map(|id| service.user(id));
    while ben.get("/api/vaults").await.status != 429 {}
    let handshake = "/socket.io/?EIO=4&transport=polling";
    for (user, method, path, status) in [
        (&ben, Method::GET, "/api/vaults", 429),
        (&ana, Method::GET, "/api/me", 200),
        (&anonymous, Method::GET, "/api/me", 401),
        (&cem, Method::GET, "/api/vaults/nope", 400),
        (&dan, Method::GET, "/api/vaults/clx123abc456def", 403),
        (&ana, Method::GET, "/nowhere", 404),
        (&ana, Method::PUT, "/api/me", 405),
        (&ana, Method::POST, "/api/vaults", 413),
        (&ana, Method::GET, handshake, 200),
        (&ana, Method::GET, handshake, 429),
        (
            &ana,
            Method::GET,
            "/socket.io/?EIO=3&transport=polling",
            400,
        ),
        (
            &ana,
            Method::GET,
            "/socket.io/?EIO=4&transport=polling&sid=x",
            400,
        ),
        (&ana, Method::OPTIONS, "/api/vaults", 405),
    ] {
        let mut request = user.request(method.clone(), path).header("Origin", ALLOWED);
        if method == Method::POST {
            request = request.json(&json!({ "name": "a".repeat(100) }));
        }
        let response = send(request).await;
        assert_eq!(response.status, status, "{method} {path} {}", response.text);
        assert_eq!(
            response.header("access-control-allow-origin"),
            Some(ALLOWED)
        );
        assert_eq!(
            response.header("access-control-allow-credentials"),
            Some("true")
        );
        let exposed = response.header("access-control-expose-headers").unwrap();
        for name in ["X-Vault-Seq", "ETag", "Retry-After", "X-Request-Id"] {
            assert!(
                exposed.split(", ").any(|exposed| exposed == name),
                "{exposed}"
            );
        }
    }
}

#[actix_web::test]
async fn preflight_of_an_allowed_origin_allows_the_methods_and_whatever_headers_it_asks_for() {
    let service = start_with_allowed_origin().await;
    let anonymous = service.anonymous();
    for path in [
        "/api/vaults",
        "/api/sources/clx123abc456def",
        "/socket.io/?EIO=4&transport=polling",
    ] {
        let preflight = |origin: &str, headers: &str| {
            let request = anonymous.request(Method::OPTIONS, path);
            let request = request.header("Origin", origin);
            let request = request.header("Access-Control-Request-Method", "PATCH");
            send(request.header("Access-Control-Request-Headers", headers))
        };
        for (requested, allowed) in [
            ("if-match,idempotency-key", "if-match, idempotency-key"),
            ("x-my-header", "x-my-header"),
            ("authorization, <script>, x-trace", "authorization, x-trace"),
        ] {
            let response = preflight(ALLOWED, requested).await;
            response.assert_status(204);
            for (name, value) in [
                ("access-control-allow-origin", ALLOWED),
                ("access-control-allow-credentials", "true"),
                ("access-control-allow-headers", allowed),
                (
                    "access-control-allow-methods",
                    "GET, HEAD, POST, PATCH, DELETE",
                ),
                ("access-control-max-age", "600"),
            ] {
                assert_eq!(response.header(name), Some(value), "{path}");
            }
            assert_eq!(
                response.header("access-control-allow-private-network"),
                None
            );
            let vary: Vec<_> = response.headers.get_all("vary").iter().collect();
            let list = vary.iter().map(|line| line.to_str().unwrap());
            let list = list.collect::<Vec<_>>().join(", ");
            assert!(list.contains("Origin") && list.contains("Access-Control-Request-Headers"));
        }
        let refused = preflight("https://evil.example", "x-my-header").await;
        refused.assert_refused(403, "ORIGIN_NOT_ALLOWED");
        assert_eq!(refused.header("access-control-allow-headers"), None);
    }
    // Without `Access-Control-Request-Method` OPTIONS is an ordinary request.
    let refused = send_from(&anonymous, ALLOWED, Method::OPTIONS, "/api/vaults").await;
    refused.assert_refused(405, "METHOD_NOT_ALLOWED");
}

#[actix_web::test]
async fn websocket_opens_for_allowed_origins_only() {
    let service = start_with_allowed_origin().await;
    let own = format!("http://{}", service.addr());
    let upgrade = |origin: Option<&str>| {
        let origin = origin
            .map(|origin| format!("Origin: {origin}\r\n"))
            .unwrap_or_default();
        format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\n{origin}\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            service.addr()
        )
    };
    let own_as_websocket = format!("ws://{}", service.addr());
    for origin in [None, Some(ALLOWED), Some(&*own), Some(&*own_as_websocket)] {
        let response = service.raw(upgrade(origin).as_bytes()).await;
        assert!(
            response.starts_with("HTTP/1.1 101 "),
            "{origin:?}: {response}"
        );
    }
    for origin in [
        "null",
        "file://",
        "https://evil.example",
        "ws://127.0.0.1:1",
    ] {
        let response = service.raw(upgrade(Some(origin)).as_bytes()).await;
        assert!(
            response.starts_with("HTTP/1.1 403 "),
            "{origin}: {response}"
        );
        assert!(response.contains("ORIGIN_NOT_ALLOWED"), "{response}");
    }
}

#[actix_web::test]
async fn forwarded_headers_of_trusted_proxies_are_used() {
    let origin = "https://vaults.example";
    let status = async |service: &TestService, headers: &[(&str, &str)]| {
        let mut request = service
            .user("ana")
            .request(Method::GET, "/api/me")
            .header("Origin", origin);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        send(request).await.status
    };
    let forwarded = [
        ("X-Forwarded-Host", "vaults.example"),
        ("X-Forwarded-Proto", "https"),
    ];
    let direct = TestService::start().await;
    assert_eq!(status(&direct, &forwarded).await, 403);
    let behind_proxy = TestService::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    assert_eq!(status(&behind_proxy, &forwarded).await, 200);
    assert_eq!(status(&behind_proxy, &forwarded[1..]).await, 403);
    assert_eq!(
        status(&behind_proxy, &[("Host", "vaults.example"), forwarded[1]]).await,
        200
    );
    assert_eq!(
        status(&behind_proxy, &[("Host", "vaults.example")]).await,
        403
    );
}
