//! Preconditions: `ETag` identifies a version of a source, and a mutation with `If-Match` succeeds only for that version.

use reqwest::Method;
use serde_json::json;

use crate::common::service::{TestResponse, TestService, TestUser, send};

async fn change_title(user: &TestUser, path: &str, etags: &[&str]) -> TestResponse {
    let mut request = user
        .request(Method::PATCH, path)
        .json(&json!({ "title": "New" }));
    for etag in etags {
        request = request.header("If-Match", *etag);
    }
    send(request).await
}

async fn delete(user: &TestUser, path: &str, etag: &str) -> TestResponse {
    send(user.request(Method::DELETE, path).header("If-Match", etag)).await
}

#[actix_web::test]
async fn only_one_of_two_updates_with_the_same_etag_succeeds() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "Old").await;
    let read = ana.get(&path).await;
    let etag = read.header("etag").unwrap();

    let etags = [etag];
    let (first, second) = futures_util::join!(
        change_title(&ana, &path, &etags),
        change_title(&ana, &path, &etags)
    );
    let (succeeded, refused) = if first.status == 200 {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(
        (succeeded.seq(), succeeded.header("etag")),
        (2, Some("\"2\""))
    );
    refused.assert_refused(412, "PRECONDITION_FAILED");
    delete(&ana, &path, etag)
        .await
        .assert_refused(412, "PRECONDITION_FAILED");
    delete(&ana, &path, "\"2\"").await.assert_status(204);
    delete(&ana, &path, "*")
        .await
        .assert_refused(404, "NOT_FOUND");
    let (events, _) = ana.events(&vault).await;
    assert_eq!(events.len(), 3);
}

#[actix_web::test]
async fn if_match_accepts_a_wildcard_a_list_and_several_header_lines() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "Old").await;
    for (seq, etags) in [
        (2, vec!["*"]),
        (3, vec![r#""7", "2" ,"9""#]),
        (4, vec![r#"W/"3", "3""#]),
        (5, vec![r#""9""#, r#""4""#]),
    ] {
        assert_eq!(
            change_title(&ana, &path, &etags).await.seq(),
            seq,
            "{etags:?}"
        );
    }
}

#[actix_web::test]
async fn etag_that_a_compressing_proxy_changed_names_the_same_version() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "Old").await;
    for stale in [r#"W/"2""#, r#""2-gzip""#, r#"W/"2", "3-br""#] {
        let refused = change_title(&ana, &path, &[stale]).await;
        refused.assert_refused(412, "PRECONDITION_FAILED");
    }
    for (seq, etag) in [(2, r#"W/"1""#), (3, r#""2-gzip""#), (4, r#"W/"9", W/"3""#)] {
        let changed = change_title(&ana, &path, &[etag]).await;
        assert_eq!(changed.seq(), seq, "{etag}");
    }
    delete(&ana, &path, r#"W/"4""#).await.assert_status(204);
}

#[actix_web::test]
async fn malformed_if_match_is_refused_with_what_is_accepted() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "Old").await;
    for etag in ["1", "", r#""1"#, "\"1\"x", "'1'", "undefined"] {
        let updated = change_title(&ana, &path, &[etag]).await;
        for refused in [updated, delete(&ana, &path, etag).await] {
            let problem = refused.assert_refused(412, "PRECONDITION_FAILED");
            let message = problem["message"].as_str().unwrap();
            assert!(message.contains("quotes included"), "{etag}: {message}");
        }
    }
    for etag in [r#""01""#, r#""+1""#, "\"ü\"", "\"\""] {
        let refused = change_title(&ana, &path, &[etag]).await;
        let problem = refused.assert_refused(412, "PRECONDITION_FAILED");
        let message = problem["message"].as_str().unwrap();
        assert!(!message.contains("quotes included"), "{etag}: {message}");
    }
    assert_eq!(ana.get(&path).await.header("etag"), Some("\"1\""));
}

#[actix_web::test]
async fn if_match_with_etags_is_refused_where_there_are_none() {
    let service = TestService::start().await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let vault = ana.create_vault().await;
    let ben = format!("{vault}/members/ben");
    ana.add_member(&vault, &service.user("ben"), "viewer").await;
    let send_with = |user: &TestUser, method: &Method, path: &str, etag: &'static str| {
        let body = json!({ "name": "New", "role": "contributor" });
        let request = user.request(method.clone(), path).json(&body);
        send(request.header("If-Match", etag))
    };
    for (method, path) in [
        (Method::PATCH, &ben),
        (Method::DELETE, &ben),
        (Method::PATCH, &vault),
        (Method::DELETE, &vault),
    ] {
        for etag in ["\"1\"", "1"] {
            let refused = send_with(&ana, &method, path, etag).await;
            let problem = refused.assert_refused(412, "PRECONDITION_FAILED");
            assert!(
                problem["message"]
                    .as_str()
                    .unwrap()
                    .contains("only sources")
            );
        }
        send_with(&zoe, &method, path, "\"1\"")
            .await
            .assert_refused(403, "ACCESS_DENIED");
        if method == Method::PATCH {
            let invalid = ana.request(method.clone(), path).json(&json!({}));
            send(invalid.header("If-Match", "\"1\""))
                .await
                .assert_refused(400, "VALIDATION_FAILED");
        }
        let met = send_with(&ana, &method, path, "*").await;
        assert!(met.status < 300, "{met:?}");
    }
}

#[actix_web::test]
async fn read_of_a_known_version_is_not_modified() {
    let service = TestService::start().await;
    let (ana, zoe) = (service.user("ana"), service.user("zoe"));
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "Old").await;
    let read = |user: &TestUser, method: Method, etag: &'static str| {
        send(user.request(method, &path).header("If-None-Match", etag))
    };
    for known in [r#""1""#, r#"W/"1""#, r#""7", "1-gzip""#, "*"] {
        for method in [Method::GET, Method::HEAD] {
            let answer = read(&ana, method, known).await;
            assert_eq!((answer.status, answer.text.as_str()), (304, ""), "{known}");
            assert_eq!(answer.header("etag"), Some("\"1\""));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        read(&zoe, Method::GET, known)
            .await
            .assert_refused(404, "NOT_FOUND");
    }
    for other in [r#""2""#, "1", "", r#""1"x"#] {
        let answer = read(&ana, Method::GET, other).await;
        assert_eq!(answer.assert_status(200)["title"], "Old", "{other}");
    }
}

#[actix_web::test]
async fn permission_is_checked_before_the_precondition() {
    let service = TestService::start().await;
    let (ana, eva, zoe) = (
        service.user("ana"),
        service.user("eva"),
        service.user("zoe"),
    );
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &eva, "viewer").await;
    let path = ana.create_source(&vault, "Old").await;
    change_title(&eva, &path, &["\"9\""])
        .await
        .assert_refused(403, "INSUFFICIENT_PERMISSIONS");
    change_title(&zoe, &path, &["\"9\""])
        .await
        .assert_refused(404, "NOT_FOUND");
    change_title(&zoe, &path, &["*"])
        .await
        .assert_refused(404, "NOT_FOUND");
}

#[actix_web::test]
async fn etag_of_a_source_follows_its_own_events_only() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "Mine").await;
    let other = ana.create_source(&vault, "Other").await;
    ana.patch(&other, json!({ "title": "Newer" }))
        .await
        .assert_status(200);
    assert_eq!(ana.get(&path).await.header("etag"), Some("\"1\""));
    assert_eq!(ana.get(&other).await.header("etag"), Some("\"3\""));
    let head = send(ana.request(Method::HEAD, &other)).await;
    assert_eq!(
        (head.status, head.header("etag"), head.text.as_str()),
        (200, Some("\"3\""), "")
    );
}
