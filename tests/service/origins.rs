//! Pages of other origins: refused at every door, unless they are allowed.

use reqwest::Method;
use serde_json::json;

use crate::common::app::{Answer, TestApp, User, hear};

const APP: &str = "https://app.example";

async fn allowing() -> TestApp {
    TestApp::start_with(|config| config.server.allowed_origins = vec![APP.parse().unwrap()]).await
}

async fn from(user: &User, origin: &str, method: Method, path: &str) -> Answer {
    hear(user.ask(method, path).header("Origin", origin)).await
}

#[actix_web::test]
async fn a_page_of_another_origin_is_refused_whatever_it_asks() {
    let app = allowing().await;
    let ana = app.user("ana");
    let port = app.addr().port();
    let other_port = format!("http://127.0.0.1:{}", port - 1);
    let other_host = format!("http://localhost:{port}");
    for origin in [
        "null",
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil",
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
            let answer = from(&ana, origin, method.clone(), path).await;
            assert_eq!(answer.status, 403, "{origin} {method} {path}");
            if method != Method::HEAD {
                let problem = answer.refused(403, "ORIGIN_NOT_ALLOWED");
                assert_eq!(problem["message"], "Origin not allowed");
            }
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    let made = ana
        .ask(Method::POST, "/api/vaults")
        .header("Origin", "null");
    hear(made.json(&json!({ "name": "Forged" })))
        .await
        .refused(403, "ORIGIN_NOT_ALLOWED");
    assert_eq!(
        ana.get("/api/vaults").await.is(200),
        json!({ "vaults": [] })
    );
}

#[actix_web::test]
async fn a_page_of_the_services_own_origin_is_answered_and_so_is_who_is_no_page() {
    let app = allowing().await;
    let ana = app.user("ana");
    let own = format!("http://{}", app.addr());
    let answer = from(&ana, &own, Method::GET, "/api/me").await;
    answer.is(200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("vary"), Some("Origin"));
    ana.get("/api/me").await.is(200);
}

#[actix_web::test]
async fn a_page_of_an_allowed_origin_reads_answers_and_refusals_alike() {
    let app = allowing().await;
    for (user, path, status) in [
        (app.user("ana"), "/api/me", 200),
        (app.nobody(), "/api/me", 401),
        (app.user("ana"), "/api/vaults/nope", 400),
        (app.user("ana"), "/nowhere", 404),
    ] {
        let answer = from(&user, APP, Method::GET, path).await;
        answer.is(status);
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for name in ["X-Vault-Seq", "ETag", "Retry-After", "X-Request-Id"] {
            assert!(
                exposed.split(", ").any(|exposed| exposed == name),
                "{exposed}"
            );
        }
    }
}

#[actix_web::test]
async fn a_browser_that_asks_first_is_told_what_it_may_send() {
    let app = allowing().await;
    let nobody = app.nobody();
    for path in [
        "/api/vaults",
        "/api/sources/clx123abc456def",
        "/socket.io/?EIO=4&transport=polling",
    ] {
        let ask = |origin: &str| {
            let request = nobody.ask(Method::OPTIONS, path).header("Origin", origin);
            let request = request.header("Access-Control-Request-Method", "PATCH");
            hear(request.header("Access-Control-Request-Headers", "if-match,idempotency-key"))
        };
        let answer = ask(APP).await;
        answer.is(204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            Some("true")
        );
        let headers = answer.header("access-control-allow-headers").unwrap();
        assert_eq!(
            headers,
            "Authorization, Content-Type, Idempotency-Key, If-Match"
        );
        let methods = answer.header("access-control-allow-methods").unwrap();
        assert_eq!(methods, "GET, HEAD, POST, PATCH, DELETE");
        ask("https://evil.example")
            .await
            .refused(403, "ORIGIN_NOT_ALLOWED");
    }
    // Without its question it is a request like any other.
    let plain = from(&nobody, APP, Method::OPTIONS, "/api/vaults").await;
    plain.refused(405, "METHOD_NOT_ALLOWED");
}

#[actix_web::test]
async fn a_websocket_opens_for_pages_that_may_and_for_no_other() {
    let app = allowing().await;
    let own = format!("http://{}", app.addr());
    let upgrade = |origin: Option<&str>| {
        let origin = origin
            .map(|origin| format!("Origin: {origin}\r\n"))
            .unwrap_or_default();
        format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {}\r\n{origin}\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            app.addr()
        )
    };
    for origin in [None, Some(APP), Some(own.as_str())] {
        let heard = app.raw(upgrade(origin).as_bytes()).await;
        assert!(heard.starts_with("HTTP/1.1 101 "), "{origin:?}: {heard}");
    }
    for origin in ["null", "https://evil.example", "http://127.0.0.1:1"] {
        let heard = app.raw(upgrade(Some(origin)).as_bytes()).await;
        assert!(heard.starts_with("HTTP/1.1 403 "), "{origin}: {heard}");
        assert!(heard.contains("ORIGIN_NOT_ALLOWED"), "{heard}");
    }
}

#[actix_web::test]
async fn what_a_proxy_says_counts_when_it_is_trusted() {
    let page = "https://vaults.example";
    let ask = async |app: &TestApp, headers: &[(&str, &str)]| {
        let mut request = app
            .user("ana")
            .ask(Method::GET, "/api/me")
            .header("Origin", page);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        hear(request).await.status
    };
    let said = [
        ("X-Forwarded-Host", "vaults.example"),
        ("X-Forwarded-Proto", "https"),
    ];
    let direct = TestApp::start().await;
    assert_eq!(ask(&direct, &said).await, 403);
    let behind = TestApp::start_with(|config| {
        config.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await;
    assert_eq!(ask(&behind, &said).await, 200);
    assert_eq!(ask(&behind, &said[1..]).await, 403);
    assert_eq!(
        ask(&behind, &[("Host", "vaults.example"), said[1]]).await,
        200
    );
    assert_eq!(ask(&behind, &[("Host", "vaults.example")]).await, 403);
}
