//! Each bound on both sides, each field with what it may not be.

use serde_json::json;

use super::{check::MAX_SAFE_INTEGER, *};

fn fields(value: Value) -> Fields {
    value.as_object().unwrap().clone()
}

fn source(field: &str, value: Value) -> Result<NewSource, Problem> {
    let mut all = fields(json!({ "title": "T", "fileUrl": "https://example.com/a.pdf" }));
    all.insert(field.to_owned(), value);
    new_source(&all)
}

#[test]
fn a_source_needs_a_title_and_an_url_and_gets_the_default_type() {
    let made = new_source(&fields(json!({
        "title": "  Title ", "fileUrl": "http://example.com/x", "other": 1, "fileKey": null
    })))
    .unwrap();
    assert_eq!(made.title, "Title");
    assert_eq!(made.mime_type, "application/pdf");
    assert_eq!((made.file_key, made.file_size), (None, None));

    let problem = new_source(&Fields::new()).unwrap_err();
    assert_eq!(
        problem.details,
        Some(json!([
            { "field": "title", "message": "is required" },
            { "field": "fileUrl", "message": "is required" },
        ]))
    );
}

#[test]
fn every_bound_holds_on_both_sides() {
    let long = |n: usize| json!("ü".repeat(n));
    let url = |n: usize| json!(format!("https://e.org/{}", "a".repeat(n - 14)));
    assert!(source("title", long(500)).is_ok());
    assert!(source("title", long(501)).is_err());
    assert!(source("title", json!("   ")).is_err());
    assert!(source("title", json!("a\u{0}b")).is_err());
    assert!(source("title", json!(7)).is_err());
    assert!(source("fileUrl", url(2048)).is_ok());
    assert!(source("fileUrl", url(2049)).is_err());
    assert!(source("fileKey", long(512)).is_ok());
    assert!(source("fileKey", long(513)).is_err());
    assert!(source("fileSize", json!(0)).is_ok());
    assert!(source("fileSize", json!(MAX_SAFE_INTEGER)).is_ok());
    assert!(source("fileSize", json!(MAX_SAFE_INTEGER + 1)).is_err());
    assert!(source("fileSize", json!(5.0)).is_ok());
    for wrong in [json!(-1), json!(1.5), json!("5"), json!(1e300)] {
        assert!(source("fileSize", wrong).is_err());
    }
}

#[test]
fn a_file_url_is_absolute_and_http_or_https() {
    for good in ["http://localhost:3000", "HTTPS://example.com/a?b#c"] {
        assert!(source("fileUrl", json!(good)).is_ok(), "{good}");
    }
    for bad in [
        "",
        "/a.pdf",
        "ftp://example.com/a",
        "https:example.com",
        " https://example.com",
        "https://exa mple.com",
        "https://example.com/a\u{0}",
        "javascript:alert(1)",
        "https://",
        "https:///example.com",
        "https:\\\\example.com",
    ] {
        assert!(source("fileUrl", json!(bad)).is_err(), "{bad}");
    }
}

#[test]
fn a_mime_type_is_a_type_and_a_subtype() {
    for good in ["text/plain", "application/vnd.ms-excel", "image/svg+xml"] {
        assert!(source("mimeType", json!(good)).is_ok(), "{good}");
    }
    for bad in [
        "",
        "text",
        "text/",
        "/plain",
        "text/plain; charset=utf-8",
        "a/b/c",
    ] {
        assert!(source("mimeType", json!(bad)).is_err(), "{bad}");
    }
}

#[test]
fn a_patch_changes_what_it_names_and_null_clears_what_may_be_absent() {
    let patch = source_patch(&fields(json!({ "fileKey": null, "title": " New " }))).unwrap();
    assert_eq!(patch.title.as_deref(), Some("New"));
    assert_eq!(patch.file_key, Some(None));
    assert_eq!(patch.file_size, None);
    assert!(source_patch(&fields(json!({ "title": null }))).is_err());
    assert!(source_patch(&fields(json!({ "other": 1 }))).is_err());
}

#[test]
fn a_member_is_named_by_id_or_by_email() {
    assert!(new_member(&fields(json!({ "userId": "u1", "role": "viewer" }))).is_ok());
    assert!(new_member(&fields(json!({ "email": "a@b.c", "role": "owner" }))).is_ok());
    for wrong in [
        json!({ "role": "viewer" }),
        json!({ "userId": "u1" }),
        json!({ "userId": "u 1", "role": "viewer" }),
        json!({ "userId": "u1", "email": "a@b.c", "role": "viewer" }),
        json!({ "email": "nobody", "role": "viewer" }),
        json!({ "userId": "u1", "role": "admin" }),
    ] {
        assert!(new_member(&fields(wrong.clone())).is_err(), "{wrong}");
    }
}

#[test]
fn an_idempotency_key_tells_one_request_from_another() {
    let key = |key: &str, asked: &str| idempotency_key("key", key, "/p".into(), &asked);
    assert_eq!(key("k", "a"), key("k", "a"));
    assert_ne!(key("k", "a"), key("k", "b"));
    assert!(key("", "a").is_err());
    assert!(key("a b", "a").is_err());
    assert!(key(&"x".repeat(255), "a").is_ok());
    assert!(key(&"x".repeat(256), "a").is_err());
}
