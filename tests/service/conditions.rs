//! `ETag` and `If-Match`: who changes a source can say which state of it he has seen.

use reqwest::Method;
use serde_json::json;

use crate::common::app::{Answer, TestApp, User, hear};

async fn retitle(user: &User, path: &str, tags: &[&str]) -> Answer {
    let mut request = user
        .ask(Method::PATCH, path)
        .json(&json!({ "title": "New" }));
    for tag in tags {
        request = request.header("If-Match", *tag);
    }
    hear(request).await
}

async fn delete(user: &User, path: &str, tag: &str) -> Answer {
    hear(user.ask(Method::DELETE, path).header("If-Match", tag)).await
}

#[actix_web::test]
async fn of_two_who_saw_the_same_state_only_one_changes_it() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let path = ana.adds_source(&vault, "Old").await;
    let seen = ana.get(&path).await;
    let tag = seen.header("etag").unwrap();
    let tags = [tag];

    let (one, other) =
        futures_util::join!(retitle(&ana, &path, &tags), retitle(&ana, &path, &tags));
    let (won, lost) = if one.status == 200 {
        (one, other)
    } else {
        (other, one)
    };
    assert_eq!((won.seq(), won.header("etag")), (2, Some("\"2\"")));
    lost.refused(412, "PRECONDITION_FAILED");
    delete(&ana, &path, tag)
        .await
        .refused(412, "PRECONDITION_FAILED");
    delete(&ana, &path, "\"2\"").await.is(204);
    delete(&ana, &path, "*").await.refused(404, "NOT_FOUND");
    let (events, _) = ana.events(&vault).await;
    assert_eq!(events.len(), 3);
}

#[actix_web::test]
async fn if_match_takes_any_a_list_and_several_lines() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let path = ana.adds_source(&vault, "Old").await;
    for (seq, tags) in [
        (2, vec!["*"]),
        (3, vec![r#""7", "2" ,"9""#]),
        (4, vec![r#"W/"3", "3""#]),
        (5, vec![r#""9""#, r#""4""#]),
    ] {
        assert_eq!(retitle(&ana, &path, &tags).await.seq(), seq, "{tags:?}");
    }
}

#[actix_web::test]
async fn a_weak_or_malformed_tag_matches_nothing() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let path = ana.adds_source(&vault, "Old").await;
    for tag in [
        r#"W/"1""#, "1", "", r#""01""#, r#""+1""#, r#""1"#, "\"1\"x", "\"ü\"", "\"\"", "'1'",
    ] {
        let refused = retitle(&ana, &path, &[tag]).await;
        refused.refused(412, "PRECONDITION_FAILED");
        delete(&ana, &path, tag)
            .await
            .refused(412, "PRECONDITION_FAILED");
    }
    assert_eq!(ana.get(&path).await.header("etag"), Some("\"1\""));
}

#[actix_web::test]
async fn permission_goes_before_the_condition() {
    let app = TestApp::start().await;
    let (ana, eva, zoe) = (app.user("ana"), app.user("eva"), app.user("zoe"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &eva, "viewer").await;
    let path = ana.adds_source(&vault, "Old").await;
    retitle(&eva, &path, &["\"9\""])
        .await
        .refused(403, "INSUFFICIENT_PERMISSIONS");
    retitle(&zoe, &path, &["\"9\""])
        .await
        .refused(404, "NOT_FOUND");
    retitle(&zoe, &path, &["*"]).await.refused(404, "NOT_FOUND");
}

#[actix_web::test]
async fn a_sources_tag_follows_its_own_events_not_the_vaults() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let path = ana.adds_source(&vault, "Mine").await;
    let other = ana.adds_source(&vault, "Other").await;
    ana.patch(&other, json!({ "title": "Newer" })).await.is(200);
    assert_eq!(ana.get(&path).await.header("etag"), Some("\"1\""));
    assert_eq!(ana.get(&other).await.header("etag"), Some("\"3\""));
    let head = hear(ana.ask(Method::HEAD, &other)).await;
    assert_eq!(
        (head.status, head.header("etag"), head.text.as_str()),
        (200, Some("\"3\""), "")
    );
}
