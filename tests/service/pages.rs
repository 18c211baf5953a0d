//! The pages for browsers: where they are served, and with which headers.

use reqwest::Method;

use crate::{
    common::service::{TestResponse, TestService, TestUser, send},
    support::metrics_client::MonitoredService,
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

async fn start_with_page() -> TestService {
    TestService::start_with(|config| config.server.page = true).await
}

/// Returns the paths that a page loads.
fn loaded_paths(page: &TestResponse) -> Vec<String> {
    let paths: Vec<_> = page
        .text
        .split('"')
        .filter(|text| text.starts_with('/'))
        .map(str::to_owned)
        .collect();
    assert!(paths.len() >= 3, "{page:?}");
    paths
}

#[track_caller]
fn assert_page(response: &TestResponse) {
    assert_eq!(response.status, 200, "{response:?}");
    let headers = [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("content-security-policy", POLICY),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ];
    for (name, value) in headers {
        let values: Vec<_> = response.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
    assert!(response.header("etag").is_some());
}

async fn assert_files_are_immutable(user: &TestUser, page: &TestResponse) {
    for path in loaded_paths(page) {
        let file = user.get(&path).await;
        assert_eq!(file.status, 200, "{path}");
        let kind = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            other => panic!("{other:?}"),
        };
        assert_eq!(file.header("content-type"), Some(kind));
        let lifetime = "public, max-age=31536000, immutable";
        assert_eq!(file.header("cache-control"), Some(lifetime), "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"));
    }
}

#[actix_web::test]
async fn page_is_off_by_default() {
    let (off, on) = (TestService::start().await, start_with_page().await);
    let page = on.anonymous().get("/").await;
    for path in
        loaded_paths(&page)
            .iter()
            .map(String::as_str)
            .chain(["/", "/test/realtime", "/page.json"])
    {
        for method in [Method::GET, Method::HEAD, Method::POST] {
            let response = send(off.anonymous().request(method, path)).await;
            assert_eq!(response.status, 404, "{path}");
            assert_eq!(response.header("content-security-policy"), None);
        }
        off.anonymous()
            .get(path)
            .await
            .assert_refused(404, "NOT_FOUND");
    }
}

#[actix_web::test]
async fn page_and_its_files_have_their_headers() {
    let service = start_with_page().await;
    let user = service.anonymous();
    let page = user.get("/").await;
    assert_page(&page);
    let with_vault = user.get("/test/realtime?vaultId=cphysics01").await;
    assert_page(&with_vault);
    assert_eq!(with_vault.text, page.text);
    assert_files_are_immutable(&user, &page).await;
    let facts = user.get("/page.json").await;
    assert_eq!(facts.header("cache-control"), Some("no-store"));
    assert_eq!(facts.text, r#"{"demo":null}"#);
}

#[actix_web::test]
async fn known_page_is_not_sent_again() {
    let service = start_with_page().await;
    let user = service.anonymous();
    let page = user.get("/").await;
    let tag = page.header("etag").unwrap();
    let again = user.request(Method::GET, "/").header("If-None-Match", tag);
    let again = send(again).await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));
    assert_eq!(again.header("etag"), Some(tag));
    assert_eq!(again.header("content-security-policy"), Some(POLICY));
    let other = user
        .request(Method::GET, "/")
        .header("If-None-Match", "\"other\"");
    assert_page(&send(other).await);
}

#[actix_web::test]
async fn head_has_the_headers_without_the_body() {
    let service = start_with_page().await;
    let user = service.anonymous();
    let page = user.get("/").await;
    for path in loaded_paths(&page).iter().map(String::as_str).chain(["/"]) {
        let full = user.get(path).await;
        let head = send(user.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), full.header("content-length"));
        assert_eq!(head.header("etag"), full.header("etag"));
        let refused = send(user.request(Method::POST, path)).await;
        refused.assert_refused(405, "METHOD_NOT_ALLOWED");
    }
}

#[actix_web::test]
async fn unknown_file_is_not_found() {
    let service = start_with_page().await;
    for path in [
        "/assets/",
        "/assets/unknown.js",
        "/assets/..%2Findex.html",
        "/assets/%2e%2e/index.html",
        "/index.html",
        "/operators.html",
        "/test",
        "/test/realtime/",
    ] {
        let response = service.anonymous().get(path).await;
        response.assert_refused(404, "NOT_FOUND");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[actix_web::test]
async fn reload_turns_the_page_on_and_off() {
    let mut service = TestService::start().await;
    assert_eq!(service.anonymous().get("/").await.status, 404);
    let reloaded = service.reload(|config| config.server.page = true).unwrap();
    assert_eq!(reloaded.applied.len(), 1, "{reloaded:?}");
    assert_page(&service.anonymous().get("/").await);
    service.reload(|config| config.server.page = false).unwrap();
    assert_eq!(service.anonymous().get("/").await.status, 404);
}

#[actix_web::test]
async fn page_is_for_its_own_origin_only() {
    let service = start_with_page().await;
    let from = |origin: &str| {
        let request = service.anonymous().request(Method::GET, "/");
        request.header("Origin", origin)
    };
    assert_page(&send(from(&format!("http://{}", service.addr()))).await);
    let refused = send(from("https://evil.example")).await;
    refused.assert_refused(403, "ORIGIN_NOT_ALLOWED");
}

#[actix_web::test]
async fn admin_listener_serves_the_operators_page() {
    let monitored = MonitoredService::start().await;
    let operator = monitored.metrics.user();
    let page = operator.get("/").await;
    assert_page(&page);
    assert!(page.text.contains("operators"), "{page:?}");
    assert_files_are_immutable(operator, &page).await;
    let unknown = operator.get("/test/realtime").await;
    unknown.assert_refused(404, "NOT_FOUND");
}
