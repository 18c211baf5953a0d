//! Tests of validation: both sides of each limit, and invalid values of each field.

use serde_json::json;

use crate::{
    contract::problem::{FieldError, ProblemDetails},
    domain::FieldChange,
};

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
fn new_source_needs_title_and_url_and_gets_the_default_type() {
    let source = new_source(&fields(json!({
        "title": "  Title ", "fileUrl": "http://example.com/x", "other": 1, "fileKey": null
    })))
    .unwrap();
    assert_eq!(source.title, "Title");
    assert_eq!(source.mime_type, "application/pdf");
    assert_eq!((source.file_key, source.file_size), (None, None));

    let problem = new_source(&Fields::new()).unwrap_err();
    assert_eq!(
        problem.details,
        Some(ProblemDetails::Fields(vec![
            FieldError {
                field: "title".to_owned(),
                message: "is required".to_owned()
            },
            FieldError {
                field: "fileUrl".to_owned(),
                message: "is required".to_owned()
            },
        ]))
    );
}

#[test]
fn every_limit_is_inclusive() {
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
    for invalid in [json!(-1), json!(1.5), json!("5"), json!(1e300)] {
        assert!(source("fileSize", invalid).is_err());
    }
}

#[test]
fn file_url_is_absolute_and_http_or_https() {
    for valid in ["http://localhost:3000", "HTTPS://example.com/a?b#c"] {
        assert!(source("fileUrl", json!(valid)).is_ok(), "{valid}");
    }
    for invalid in [
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
        "https://example.com/\u{feff}",
        "https://example.com/\u{2028}",
    ] {
        assert!(source("fileUrl", json!(invalid)).is_err(), "{invalid}");
    }
}

#[test]
fn mime_type_is_a_type_and_a_subtype_with_parameters() {
    for valid in [
        "text/plain",
        "application/vnd.ms-excel",
        "image/svg+xml",
        "application/pdf; charset=binary",
        "TEXT/Plain;Charset=UTF-8",
        "text/plain \t;\t charset=utf-8 ; format=flowed",
        "text/plain;",
        "text/plain; ; charset=utf-8 ;",
        "video/webm;codecs=\"vp8, vorbis\"",
        "text/plain; name=\"a \\\"b\\\\ ;ü\t.txt\"",
        "text/plain; name=\"\"",
        "text/plain; x=!#$%&'*+-.^_`|~",
    ] {
        let stored = source("mimeType", json!(valid)).map(|source| source.mime_type);
        assert_eq!(stored.as_deref(), Ok(valid));
    }
    for invalid in [
        "text",
        "text/",
        "/plain",
        "a/b/c",
        "text /plain",
        "text/ plain",
        "*/*",
        "text/plain charset=utf-8",
        "text/plain; charset",
        "text/plain; charset=",
        "text/plain; =utf-8",
        "text/plain; charset =utf-8",
        "text/plain; charset= utf-8",
        "text/plain; charset=utf 8",
        "text/plain; charset=utf-8, text/html",
        "text/plain; charset=ü",
        "text/plain; name=\"a",
        "text/plain; name=\"a\\\"",
        "text/plain; name=\"a\"b",
        "text/plain; name=\"a\nb\"",
        "text/plain; name=\"\u{85}\"",
        "text/plain;\n charset=utf-8",
        "text/plain; name=\"\u{0}\"",
    ] {
        assert!(source("mimeType", json!(invalid)).is_err(), "{invalid}");
    }
    assert!(source("mimeType", json!(7)).is_err());
    let named = |n: usize| json!(format!("text/plain; name=\"{}\"", "ü".repeat(n - 19)));
    assert!(source("mimeType", named(255)).is_ok());
    assert!(source("mimeType", named(256)).is_err());
    let longest = format!("{}/{}", "a".repeat(127), "b".repeat(127));
    assert!(source("mimeType", json!(longest)).is_ok());
    assert!(source("mimeType", json!(format!("{}/b", "a".repeat(128)))).is_err());
}

#[test]
fn mime_type_is_trimmed_and_application_pdf_when_empty() {
    let stored = |value: Value| source("mimeType", value).unwrap().mime_type;
    assert_eq!(stored(json!("\u{feff} text/plain;\n")), "text/plain;");
    let absent = source("title", json!("T")).unwrap();
    for empty in [json!(null), json!(""), json!(" \u{feff}\t")] {
        assert_eq!(source("mimeType", empty.clone()).unwrap(), absent);
        let patch = source_patch(&fields(json!({ "mimeType": empty }))).unwrap();
        assert_eq!(patch.mime_type.as_deref(), Some("application/pdf"));
    }
    let patch = source_patch(&fields(json!({ "title": "T" }))).unwrap();
    assert_eq!(patch.mime_type, None, "an absent field is unchanged");
}

#[test]
fn texts_are_trimmed_as_ecmascript_trims() {
    let name = |name: &str| vault_name(&fields(json!({ "name": name })));
    let title = |title: &str| source("title", json!(title)).map(|source| source.title);
    let new_title = |title: &str| source_patch(&fields(json!({ "title": title })));
    for blank in ["\u{feff}", "\u{a0}\u{2028}", "\u{3000}\u{feff}\u{1680}"] {
        assert!(title(blank).is_err() && name(blank).is_err() && new_title(blank).is_err());
        let padded = format!("{blank}A{blank}B{blank}");
        let trimmed = format!("A{blank}B");
        assert_eq!(title(&padded), Ok(trimmed.clone()));
        assert_eq!(name(&padded), Ok(trimmed.clone()));
        assert_eq!(new_title(&padded).unwrap().title, Some(trimmed));
    }
    assert_eq!(title("\u{85}").as_deref(), Ok("\u{85}"));
    assert_eq!(name("\u{200b}").as_deref(), Ok("\u{200b}"));
    let by_email = fields(json!({ "email": "\u{feff}a@b.c ", "role": "viewer" }));
    let member = new_member(&by_email).unwrap();
    assert_eq!(member.user, UserRef::Email("a@b.c".to_owned()));
}

#[test]
fn patch_changes_present_fields_and_null_clears_optional_ones() {
    let patch = source_patch(&fields(json!({ "fileKey": null, "title": " New " }))).unwrap();
    assert_eq!(patch.title.as_deref(), Some("New"));
    assert_eq!(patch.file_key, FieldChange::Clear);
    assert_eq!(patch.file_size, FieldChange::Unchanged);
    assert!(source_patch(&fields(json!({ "title": null }))).is_err());
    assert!(source_patch(&fields(json!({ "other": 1 }))).is_err());
}

#[test]
fn new_member_is_given_by_id_or_by_email() {
    assert!(new_member(&fields(json!({ "userId": "u1", "role": "viewer" }))).is_ok());
    assert!(new_member(&fields(json!({ "email": "a@b.c", "role": "owner" }))).is_ok());
    for invalid in [
        json!({ "role": "viewer" }),
        json!({ "userId": "u1" }),
        json!({ "userId": "u 1", "role": "viewer" }),
        json!({ "userId": "u1", "email": "a@b.c", "role": "viewer" }),
        json!({ "email": "nobody", "role": "viewer" }),
        json!({ "userId": "u1", "role": "admin" }),
    ] {
        assert!(new_member(&fields(invalid.clone())).is_err(), "{invalid}");
    }
}

#[test]
fn idempotency_key_distinguishes_requests_by_content() {
    let key = |key: &str, request: &str| idempotency_key("key", key, "/p".into(), &request);
    assert_eq!(key("k", "a"), key("k", "a"));
    assert_ne!(key("k", "a"), key("k", "b"));
    assert!(key("", "a").is_err());
    assert!(key("a b", "a").is_err());
    assert!(key(&"x".repeat(255), "a").is_ok());
    assert!(key(&"x".repeat(256), "a").is_err());
}
