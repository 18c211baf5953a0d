//! Requests that are wrong before anybody asks what they are about: paths, methods, ids and bodies.

use reqwest::Method;
use serde_json::json;

use crate::common::app::{Answer, TestApp, User, hear, source};

const JSON: &str = "application/json";

async fn post(user: &User, path: &str, kind: &str, body: impl Into<reqwest::Body>) -> Answer {
    let request = user.ask(Method::POST, path).header("Content-Type", kind);
    hear(request.body(body)).await
}

#[actix_web::test]
async fn a_path_that_there_is_not_is_not_found() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/vaults/",
        "/api/me/x",
        "/api/vaults//sources",
        "/api/sources",
        "/demo/sign-in",
        "/metrics",
        "/actors",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let answer = hear(ana.ask(method, path)).await;
            answer.refused(404, "NOT_FOUND");
        }
    }
}

#[actix_web::test]
async fn a_method_that_a_path_does_not_have_is_told_which_it_has() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let at = |below: &str| format!("{vault}{below}");
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ];
    for (path, allow) in [
        ("/api/me".to_owned(), "GET, HEAD"),
        ("/api/vaults".to_owned(), "GET, HEAD, POST"),
        (at(""), "GET, HEAD, PATCH, DELETE"),
        (at("/members"), "GET, HEAD, POST"),
        (at("/members/ben"), "PATCH, DELETE"),
        (at("/sources"), "GET, HEAD, POST"),
        (at("/events"), "GET, HEAD"),
        (
            "/api/sources/clx123abc456def".to_owned(),
            "GET, HEAD, PATCH, DELETE",
        ),
        ("/healthz".to_owned(), "GET, HEAD"),
        ("/readyz".to_owned(), "GET, HEAD"),
    ] {
        for method in &methods {
            if allow.split(", ").any(|known| known == method.as_str()) {
                continue;
            }
            let answer = hear(ana.ask(method.clone(), &path)).await;
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
            if *method != Method::HEAD {
                answer.refused(405, "METHOD_NOT_ALLOWED");
            }
        }
    }
}

#[actix_web::test]
async fn head_tells_what_get_would_without_the_body() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    for path in [
        "/api/me",
        "/api/vaults",
        &vault,
        &format!("{vault}/events"),
        "/api/vaults/nope",
        "/healthz",
    ] {
        let (get, head) = (ana.get(path).await, hear(ana.ask(Method::HEAD, path)).await);
        let ((status, headers, _), (of_head, and_headers, text)) = (get.told(), head.told());
        assert_eq!(
            (status, headers, ""),
            (of_head, and_headers, text),
            "{path}"
        );
    }
}

#[actix_web::test]
async fn an_id_is_the_same_however_it_is_spelled_and_what_is_none_is_refused() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let spelled = vault.replacen("/c", "/%63", 1);
    assert_eq!(
        ana.get(&spelled).await.is(200),
        ana.get(&vault).await.is(200)
    );
    let long = "c".repeat(33);
    for id in [
        "x",
        "cshort12",
        "dlx123abc456def",
        "CLX123ABC456DEF",
        "clx123abc456de%C3%A9",
        "clx123abc%00",
        "clx123abc%ff",
        "clx123abc%2Fdef",
        "c%25",
        &long,
    ] {
        for below in ["", "/members", "/sources", "/events"] {
            let path = format!("/api/vaults/{id}{below}");
            let problem = ana.get(&path).await.refused(400, "INVALID_VAULT_ID");
            assert_eq!(problem["message"], "Invalid vault ID", "{path}");
        }
        ana.post(&format!("/api/vaults/{id}/sources"), json!({}))
            .await
            .refused(400, "INVALID_VAULT_ID");
        ana.patch(&format!("/api/vaults/{id}/members/ben"), json!({}))
            .await
            .refused(400, "INVALID_VAULT_ID");
        ana.get(&format!("/api/sources/{id}"))
            .await
            .refused(404, "NOT_FOUND");
    }
}

#[actix_web::test]
async fn a_body_is_json_and_says_so() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let sources = format!("{vault}/sources");
    let good = source("T").to_string();
    for kind in [
        JSON,
        "Application/JSON; charset=utf-8",
        "application/json ;charset=utf-8",
    ] {
        post(&ana, &sources, kind, good.clone()).await.is(201);
    }
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/ld+json",
        "json",
        "",
    ] {
        post(&ana, &sources, kind, good.clone())
            .await
            .refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let untold = hear(ana.ask(Method::POST, &sources).body(good)).await;
    untold.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let patched = ana
        .ask(Method::PATCH, &vault)
        .header("Content-Type", "text/plain");
    hear(patched.body("{}"))
        .await
        .refused(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[actix_web::test]
async fn what_is_no_json_is_invalid_json_and_what_is_no_object_fails_validation() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let sources = format!("{}/sources", ana.makes_vault().await);
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let nested = format!(
        r#"{{"title":{}1{}}}"#,
        r#"{"a":"#.repeat(10_000),
        "}".repeat(10_000)
    );
    for body in [
        Vec::new(),
        b"{".to_vec(),
        b"{} {}".to_vec(),
        b"{'title': 1}".to_vec(),
        b"{\"title\": \"\xff\xfe\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        br#"{"title": "\ud800"}"#.to_vec(),
        b"{\"title\": \"a\nb\"}".to_vec(),
        b"NaN".to_vec(),
        deep.into_bytes(),
        nested.into_bytes(),
    ] {
        post(&ana, &sources, JSON, body)
            .await
            .refused(400, "INVALID_JSON");
    }
    for body in ["null", "[]", "7", "\"text\"", "true"] {
        let refused = post(&ana, &sources, JSON, body).await;
        assert_eq!(refused.wrong_fields(), ["body"], "{body}");
    }
}

#[actix_web::test]
async fn a_body_may_be_as_long_as_is_configured_and_no_longer() {
    let app = TestApp::start_with(|config| config.server.max_body = 2000).await;
    let ana = app.user("ana");
    let sources = format!("{}/sources", ana.makes_vault().await);
    let body = |length: usize| {
        let text = source("T").to_string();
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    post(&ana, &sources, JSON, body(2000)).await.is(201);
    for length in [2001, 1_000_000, 10_000_000] {
        let refused = post(&ana, &sources, JSON, body(length)).await;
        refused.refused(413, "PAYLOAD_TOO_LARGE");
    }
    let small = app.nobody();
    post(&small, &sources, JSON, body(2001))
        .await
        .refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_body_that_only_says_it_is_too_large_is_refused_before_it_comes() {
    let app = TestApp::start().await;
    let heard = app.raw(&raw_post(&app, "Content-Length: 5000000")).await;
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert!(heard.contains("PAYLOAD_TOO_LARGE"), "{heard}");
}

#[actix_web::test]
async fn a_body_in_chunks_is_counted_as_it_comes() {
    let app = TestApp::start_with(|config| config.server.max_body = 100).await;
    let chunks = |count: usize| {
        let mut request = raw_post(&app, "Transfer-Encoding: chunked");
        request.extend_from_slice(b"e\r\n{\"name\": \"A\" }\r\n");
        request.extend_from_slice(b"a\r\n          \r\n".repeat(count).as_slice());
        request.extend_from_slice(b"0\r\n\r\n");
        request
    };
    let heard = app.raw(&chunks(8)).await;
    assert!(heard.starts_with("HTTP/1.1 201 "), "{heard}");
    let heard = app.raw(&chunks(9)).await;
    assert!(heard.starts_with("HTTP/1.1 413 "), "{heard}");
    assert!(heard.contains("PAYLOAD_TOO_LARGE"), "{heard}");
}

/// The head of a request that makes a vault, with one more header.
fn raw_post(app: &TestApp, header: &str) -> Vec<u8> {
    let request = app
        .user("ana")
        .ask(Method::POST, "/api/vaults")
        .build()
        .unwrap();
    let token = request.headers()["authorization"].to_str().unwrap();
    format!(
        "POST /api/vaults HTTP/1.1\r\nHost: {}\r\nAuthorization: {token}\r\n\
         Content-Type: application/json\r\n{header}\r\n\r\n",
        app.addr()
    )
    .into_bytes()
}

#[actix_web::test]
async fn a_request_keeps_the_name_that_it_came_with() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let named = |path: &str, name: &str| {
        let request = ana.ask(Method::GET, path);
        hear(request.header("X-Request-Id", name))
    };
    for (path, status) in [
        ("/api/me", 200),
        ("/api/nothing", 404),
        ("/healthz", 200),
        ("/socket.io/?EIO=4&transport=polling", 200),
        ("/socket.io/?EIO=4&transport=polling&sid=nobody", 400),
        ("/socket.io/?EIO=3&transport=polling", 400),
    ] {
        let answer = named(path, "from-the-proxy/1=2").await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(
            answer.header("x-request-id"),
            Some("from-the-proxy/1=2"),
            "{answer:?}"
        );
    }
    for wrong in ["", "two words", "a\"quote", "<b>", &"a".repeat(129)] {
        let given = named("/api/me", wrong)
            .await
            .header("x-request-id")
            .map(str::to_owned);
        let given = given.unwrap();
        assert!(
            given != wrong && given.starts_with('c') && given.len() == 25,
            "{given}"
        );
    }
}

#[actix_web::test]
async fn a_request_of_the_admin_listener_keeps_its_name_too() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let bind = free.local_addr().unwrap();
    drop(free);
    let app = TestApp::start_with(|config| config.admin.bind = Some(bind)).await;
    for (path, status) in [("healthz", 200), ("nothing", 404)] {
        let request = reqwest::Client::new().get(format!("http://{bind}/{path}"));
        let answer = hear(request.header("X-Request-Id", "mine")).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("x-request-id"), Some("mine"));
    }
    app.stop().await;
}
