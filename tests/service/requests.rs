//! Checks that do not depend on a vault: paths, methods, ids, bodies and request ids.

use reqwest::Method;
use serde_json::json;

use crate::{
    common::service::{TestResponse, TestService, TestUser, send, source},
    support::metrics_client::MonitoredService,
};

const JSON: &str = "application/json";

async fn post(
    user: &TestUser,
    path: &str,
    content_type: &str,
    body: impl Into<reqwest::Body>,
) -> TestResponse {
    let request = user
        .request(Method::POST, path)
        .header("Content-Type", content_type);
    send(request.body(body)).await
}

#[actix_web::test]
async fn unknown_path_is_not_found() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/vaults/",
        "/api/me/x",
        "/api/vaults//sources",
        "//api/me",
        "/api//me",
        "/api/me/",
        "/API/me",
        "/api/sources",
        "/demo/sign-in",
        "/metrics",
        "/actors",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE] {
            let response = send(ana.request(method, path)).await;
            response.assert_refused(404, "NOT_FOUND");
        }
    }
}

#[actix_web::test]
async fn unsupported_method_is_answered_with_allow() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let vault_path = |subpath: &str| format!("{vault}{subpath}");
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
        (vault_path(""), "GET, HEAD, PATCH, DELETE"),
        (vault_path("/members"), "GET, HEAD, POST"),
        (vault_path("/members/ben"), "PATCH, DELETE"),
        (vault_path("/sources"), "GET, HEAD, POST"),
        (vault_path("/events"), "GET, HEAD"),
        (
            "/api/sources/clx123abc456def".to_owned(),
            "GET, HEAD, PATCH, DELETE",
        ),
        ("/healthz".to_owned(), "GET, HEAD"),
        ("/readyz".to_owned(), "GET, HEAD"),
    ] {
        for method in &methods {
            if allow.split(", ").any(|allowed| allowed == method.as_str()) {
                continue;
            }
            let response = send(ana.request(method.clone(), &path)).await;
            assert_eq!(
                (response.status, response.header("allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
            if *method != Method::HEAD {
                response.assert_refused(405, "METHOD_NOT_ALLOWED");
            }
        }
    }
}

#[actix_web::test]
async fn head_answers_like_get_without_a_body() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    for path in [
        "/api/me",
        "/api/vaults",
        &vault,
        &format!("{vault}/events"),
        "/api/vaults/nope",
        "/healthz",
    ] {
        let (get, head) = (
            ana.get(path).await,
            send(ana.request(Method::HEAD, path)).await,
        );
        let (status, headers, _) = get.observable_parts();
        assert_eq!(head.observable_parts(), (status, headers, ""), "{path}");
    }
}

#[actix_web::test]
async fn percent_encoded_id_is_decoded_and_an_invalid_id_is_refused() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let percent_encoded = vault.replacen("/c", "/%63", 1);
    assert_eq!(
        ana.get(&percent_encoded).await.assert_status(200),
        ana.get(&vault).await.assert_status(200)
    );
    let too_long = "c".repeat(33);
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
        &too_long,
    ] {
        for subpath in ["", "/members", "/sources", "/events"] {
            let path = format!("/api/vaults/{id}{subpath}");
            let problem = ana.get(&path).await.assert_refused(400, "INVALID_VAULT_ID");
            assert_eq!(problem["message"], "Invalid vault ID", "{path}");
        }
        ana.post(&format!("/api/vaults/{id}/sources"), json!({}))
            .await
            .assert_refused(400, "INVALID_VAULT_ID");
        ana.patch(&format!("/api/vaults/{id}/members/ben"), json!({}))
            .await
            .assert_refused(400, "INVALID_VAULT_ID");
        ana.get(&format!("/api/sources/{id}"))
            .await
            .assert_refused(404, "NOT_FOUND");
    }
}

#[actix_web::test]
async fn body_needs_a_json_content_type() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let sources = format!("{vault}/sources");
    let body = source("T").to_string();
    for content_type in [
        JSON,
        "Application/JSON; charset=utf-8",
        "application/json ;charset=utf-8",
    ] {
        post(&ana, &sources, content_type, body.clone())
            .await
            .assert_status(201);
    }
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/ld+json",
        "json",
        "",
    ] {
        post(&ana, &sources, content_type, body.clone())
            .await
            .assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let no_content_type = send(ana.request(Method::POST, &sources).body(body)).await;
    no_content_type.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let patch = ana
        .request(Method::PATCH, &vault)
        .header("Content-Type", "text/plain");
    send(patch.body("{}"))
        .await
        .assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[actix_web::test]
async fn patch_may_be_a_merge_patch() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "Old").await;
    let patch = ana.request(Method::PATCH, &path);
    let patch = patch.header(
        "Content-Type",
        "application/merge-patch+json; charset=utf-8",
    );
    let changed = send(patch.body(r#"{"title":"New"}"#)).await;
    assert_eq!(changed.assert_status(200)["title"], "New");
    let sources = format!("{vault}/sources");
    post(&ana, &sources, "application/merge-patch+json", "{}")
        .await
        .assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
}

#[actix_web::test]
async fn compressed_body_is_refused_by_name() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let sources = format!("{}/sources", ana.create_vault().await);
    let compressed = |coding: &str| {
        let request = ana.request(Method::POST, &sources);
        let request = request.header("Content-Type", JSON);
        send(
            request
                .header("Content-Encoding", coding)
                .body(source("T").to_string()),
        )
    };
    for coding in ["gzip", "br", "x-unknown"] {
        let refused = compressed(coding).await;
        let problem = refused.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
        let message = problem["message"].as_str().unwrap();
        assert!(message.contains("Content-Encoding"), "{message}");
    }
    compressed("identity").await.assert_status(201);
}

#[actix_web::test]
async fn errors_are_counted_by_their_code() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "T").await;
    let stale = ana
        .request(Method::DELETE, &path)
        .header("If-Match", "\"7\"");
    send(stale).await.assert_refused(412, "PRECONDITION_FAILED");
    ana.patch(&path, json!({ "mimeType": "x" }))
        .await
        .assert_status(400);
    ana.get("/nothing").await.assert_status(404);
    send(ana.request(Method::PUT, &path))
        .await
        .assert_status(405);
    for code in [
        "precondition_failed",
        "validation_failed",
        "not_found",
        "method_not_allowed",
    ] {
        let name = format!("vaultcast_http_refusals_total{{code=\"{code}\"}}");
        assert_eq!(metrics.value(&name).await, Some(1.0), "{name}");
    }
}

#[actix_web::test]
async fn expected_continue_and_absolute_request_targets_are_served() {
    let service = TestService::start().await;
    let request = raw_post(&service, "Content-Length: 14\r\nExpect: 100-continue");
    let response = service
        .raw(&[&request[..], b"{\"name\": \"A\" }"].concat())
        .await;
    assert!(response.starts_with("HTTP/1.1 100 "), "{response}");

    let absolute = format!("POST http://{}/api/vaults ", service.addr());
    let request = String::from_utf8(raw_post(&service, "Content-Length: 14")).unwrap();
    let request = request.replacen("POST /api/vaults ", &absolute, 1) + "{\"name\": \"A\" }";
    let response = service.raw(request.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    let options = format!("OPTIONS * HTTP/1.1\r\nHost: {}\r\n\r\n", service.addr());
    let response = service.raw(options.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
}

#[actix_web::test]
async fn malformed_json_is_invalid_json_and_a_non_object_fails_validation() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let sources = format!("{}/sources", ana.create_vault().await);
    let unfinished = "[".repeat(100_000);
    for body in [
        Vec::new(),
        b"{".to_vec(),
        b"{} {}".to_vec(),
        b"{'title': 1}".to_vec(),
        b"{\"title\": \"\xff\xfe\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        br#"{"title": "\ud80"}"#.to_vec(),
        b"{\"title\": \"a\nb\"}".to_vec(),
        b"NaN".to_vec(),
        unfinished.into_bytes(),
    ] {
        post(&ana, &sources, JSON, body)
            .await
            .assert_refused(400, "INVALID_JSON");
    }
    for body in ["null", "[]", "7", "\"text\"", "true"] {
        let refused = post(&ana, &sources, JSON, body).await;
        assert_eq!(refused.invalid_fields(), ["body"], "{body}");
    }
}

#[actix_web::test]
async fn unpaired_surrogates_and_deep_nesting_are_valid_json() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let sources = format!("{}/sources", ana.create_vault().await);
    let arrays = "[".repeat(150) + &"]".repeat(150);
    let objects = r#"{"a":"#.repeat(100_000) + "1" + &"}".repeat(100_000);
    let url = "https://files.example.com/a";
    for ignored in [r#""\ude00""#, r#"{"\ud83d":1}"#, "1e999", &arrays, &objects] {
        let title = r#""x\ud83d""#;
        let body = format!(r#"{{"title":{title},"fileUrl":"{url}","ignored":{ignored}}}"#);
        let created = post(&ana, &sources, JSON, body).await.assert_status(201);
        assert_eq!(created["title"], "x\u{fffd}");
    }
    for (field, value) in [
        ("title", &*arrays),
        ("title", &objects),
        ("fileSize", "1e999"),
    ] {
        let mut body = format!(r#"{{"fileUrl":"{url}","{field}":{value}}}"#);
        if field != "title" {
            body.insert_str(1, r#""title":"T","#);
        }
        let refused = post(&ana, &sources, JSON, body).await;
        assert_eq!(refused.invalid_fields(), [field]);
    }
    let refused = post(&ana, &sources, JSON, arrays).await;
    assert_eq!(refused.invalid_fields(), ["body"]);
}

#[actix_web::test]
async fn body_is_limited_to_max_body() {
    let service = TestService::start_with(|config| config.server.max_body = 2000).await;
    let ana = service.user("ana");
    let sources = format!("{}/sources", ana.create_vault().await);
    let body = |length: usize| {
        let text = source("T").to_string();
        format!("{text}{}", " ".repeat(length - text.len()))
    };
    post(&ana, &sources, JSON, body(2000))
        .await
        .assert_status(201);
    for length in [2001, 1_000_000, 10_000_000] {
        let refused = post(&ana, &sources, JSON, body(length)).await;
        refused.assert_refused(413, "PAYLOAD_TOO_LARGE");
    }
    let anonymous = service.anonymous();
    post(&anonymous, &sources, JSON, body(2001))
        .await
        .assert_refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn body_with_a_too_large_content_length_is_refused_before_it_arrives() {
    let service = TestService::start().await;
    let response = service
        .raw(&raw_post(&service, "Content-Length: 5000000"))
        .await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains("PAYLOAD_TOO_LARGE"), "{response}");
}

#[actix_web::test]
async fn chunked_body_is_counted_while_it_arrives() {
    let service = TestService::start_with(|config| config.server.max_body = 100).await;
    let chunks = |count: usize| {
        let mut request = raw_post(&service, "Transfer-Encoding: chunked");
        request.extend_from_slice(b"e\r\n{\"name\": \"A\" }\r\n");
        request.extend_from_slice(b"a\r\n          \r\n".repeat(count).as_slice());
        request.extend_from_slice(b"0\r\n\r\n");
        request
    };
    let response = service.raw(&chunks(8)).await;
    assert!(response.starts_with("HTTP/1.1 201 "), "{response}");
    let response = service.raw(&chunks(9)).await;
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    assert!(response.contains("PAYLOAD_TOO_LARGE"), "{response}");
}

/// Returns the head of a request that creates a vault, with one more header.
fn raw_post(service: &TestService, header: &str) -> Vec<u8> {
    let request = service
        .user("ana")
        .request(Method::POST, "/api/vaults")
        .build()
        .unwrap();
    let token = request.headers()["authorization"].to_str().unwrap();
    format!(
        "POST /api/vaults HTTP/1.1\r\nHost: {}\r\nAuthorization: {token}\r\n\
         Content-Type: application/json\r\n{header}\r\n\r\n",
        service.addr()
    )
    .into_bytes()
}

#[actix_web::test]
async fn request_id_of_the_client_is_kept() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let get_with_id = |path: &str, id: &str| {
        let request = ana.request(Method::GET, path);
        send(request.header("X-Request-Id", id))
    };
    for (path, status) in [
        ("/api/me", 200),
        ("/api/nothing", 404),
        ("/healthz", 200),
        ("/socket.io/?EIO=4&transport=polling", 200),
        ("/socket.io/?EIO=4&transport=polling&sid=unknown", 400),
        ("/socket.io/?EIO=3&transport=polling", 400),
    ] {
        let response = get_with_id(path, "from-the-proxy/1=2").await;
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(
            response.header("x-request-id"),
            Some("from-the-proxy/1=2"),
            "{response:?}"
        );
    }
    for invalid in ["", "two words", "a\"quote", "<b>", &"a".repeat(129)] {
        let generated = get_with_id("/api/me", invalid)
            .await
            .header("x-request-id")
            .map(str::to_owned);
        let generated = generated.unwrap();
        assert!(
            generated != invalid && generated.starts_with('c') && generated.len() == 25,
            "{generated}"
        );
    }
}

#[actix_web::test]
async fn request_id_of_the_client_is_kept_on_the_admin_listener() {
    let bind = ([127, 0, 0, 1], 0).into();
    let service = TestService::start_with(|config| config.admin.bind = Some(bind)).await;
    let bind = service.admin_addr();
    for (path, status) in [("healthz", 200), ("nothing", 404)] {
        let request = reqwest::Client::new().get(format!("http://{bind}/{path}"));
        let response = send(request.header("X-Request-Id", "from-the-client")).await;
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(response.header("x-request-id"), Some("from-the-client"));
    }
    service.stop().await;
}
