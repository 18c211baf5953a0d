//! Sources: creating, reading, changing and deleting them, and the bounds of each field.

use serde_json::{Value, json};

use crate::common::service::{TestService, source};

#[actix_web::test]
async fn source_is_returned_whole_with_etag_and_without_unset_fields() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let sources = format!("{vault}/sources");

    let added = ana
        .post(
            &sources,
            json!({ "title": " A ", "fileUrl": "http://a.example", "fileKey": null, "size": 3 }),
        )
        .await;
    let minimal = added.assert_status(201);
    assert_eq!((added.seq(), added.header("etag")), (1, Some("\"1\"")));
    let fields: Vec<_> = minimal.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        [
            "createdAt",
            "fileUrl",
            "id",
            "mimeType",
            "title",
            "updatedAt",
            "vaultId"
        ]
    );
    assert_eq!(
        (&minimal["title"], &minimal["mimeType"]),
        (&json!("A"), &json!("application/pdf"))
    );
    assert_eq!(
        format!("/api/vaults/{}", minimal["vaultId"].as_str().unwrap()),
        vault
    );

    let full = json!({
        "title": "B", "fileUrl": "https://b.example/x?y#z", "fileKey": "k", "fileSize": 0, "mimeType": "text/plain"
    });
    let second = ana.post(&sources, full.clone()).await.assert_status(201);
    for (field, value) in full.as_object().unwrap() {
        assert_eq!(&second[field], value);
    }
    let path = format!("/api/sources/{}", second["id"].as_str().unwrap());
    let read = ana.get(&path).await;
    assert_eq!(read.assert_status(200), second);
    assert_eq!(read.header("etag"), Some("\"2\""));
    let listed = ana.get(&sources).await.assert_status(200);
    assert_eq!(listed["sources"], json!([second, minimal]));
    assert_eq!(
        (&listed["seq"], listed.get("nextCursor")),
        (&json!(2), None)
    );
}

#[actix_web::test]
async fn patch_changes_named_fields_and_null_clears_optional_ones() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let body = json!({
        "title": "A", "fileUrl": "https://a.example", "fileKey": "k", "fileSize": 5, "mimeType": "text/plain"
    });
    let first = ana
        .post(&format!("{vault}/sources"), body)
        .await
        .assert_status(201);
    let path = format!("/api/sources/{}", first["id"].as_str().unwrap());

    let renamed = ana
        .patch(
            &path,
            json!({ "title": " New ", "id": "mine", "vaultId": 3 }),
        )
        .await;
    assert_eq!((renamed.seq(), renamed.header("etag")), (2, Some("\"2\"")));
    let renamed = renamed.assert_status(200);
    for (field, value) in first.as_object().unwrap() {
        match field.as_str() {
            "title" => assert_eq!(renamed[field], "New"),
            "updatedAt" => assert!(renamed[field].as_str() >= value.as_str()),
            _ => assert_eq!(&renamed[field], value),
        }
    }
    let cleared = ana
        .patch(&path, json!({ "fileKey": null, "fileSize": null }))
        .await
        .assert_status(200);
    assert_eq!(
        (cleared.get("fileKey"), cleared.get("fileSize")),
        (None, None)
    );
    assert_eq!(ana.get(&path).await.assert_status(200), cleared);
    for (value, stored) in [
        (
            json!(" Text/HTML; Charset=utf-8;\u{feff}"),
            "Text/HTML; Charset=utf-8;",
        ),
        (json!(null), "application/pdf"),
        (json!("image/png"), "image/png"),
        (json!(""), "application/pdf"),
    ] {
        let changed = ana.patch(&path, json!({ "mimeType": value })).await;
        assert_eq!(changed.assert_status(200)["mimeType"], stored);
    }

    for (invalid, field) in [
        (json!({}), "source"),
        (json!({ "unknown": 1 }), "source"),
        (json!({ "title": null }), "title"),
        (json!({ "fileUrl": null }), "fileUrl"),
        (json!({ "mimeType": "x" }), "mimeType"),
        (json!({ "title": "\u{feff}" }), "title"),
    ] {
        assert_eq!(
            ana.patch(&path, invalid.clone()).await.invalid_fields(),
            [field],
            "{invalid}"
        );
    }
    assert_eq!(ana.get(&vault).await.assert_status(200)["seq"], 7);
}

#[actix_web::test]
async fn every_field_is_validated_and_each_invalid_one_is_named() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let sources = format!("{vault}/sources");
    let path = ana.create_source(&vault, "To be changed").await;
    let url_of_length = |length: usize| json!(format!("https://e.org/{}", "a".repeat(length - 14)));
    let max_size: u64 = (1 << 53) - 1;
    let bounds: [(&str, Vec<Value>, Vec<Value>); 5] = [
        (
            "title",
            vec![
                json!("x"),
                json!("ü".repeat(500)),
                json!(format!(" {}\n", "x".repeat(500))),
            ],
            vec![
                json!(""),
                json!("  "),
                json!("ü".repeat(501)),
                json!("a\u{0}"),
                json!(1),
                json!({}),
            ],
        ),
        (
            "fileUrl",
            vec![
                url_of_length(2048),
                json!("http://localhost:3000"),
                json!("HTTPS://example.com/ü"),
            ],
            vec![
                url_of_length(2049),
                json!(""),
                json!("/a.pdf"),
                json!("ftp://a.example/b"),
                json!("https://"),
                json!("javascript:alert(1)"),
                json!("https://a.example/\u{0}"),
                json!(1),
            ],
        ),
        (
            "fileKey",
            vec![json!("ü".repeat(512)), json!("")],
            vec![json!("ü".repeat(513)), json!("a\u{0}"), json!(1)],
        ),
        (
            "fileSize",
            vec![json!(0), json!(max_size), json!(1e3)],
            vec![
                json!(-1),
                json!(max_size + 1),
                json!(1.5),
                json!("1"),
                json!(true),
                json!(1e300),
            ],
        ),
        (
            "mimeType",
            vec![
                json!("image/svg+xml"),
                json!(format!("a/{}", "b".repeat(127))),
                json!("application/pdf; charset=binary"),
                json!(""),
            ],
            vec![
                json!("text/plain; charset"),
                json!("text"),
                json!("text/"),
                json!("/plain"),
                json!("a/b/c"),
                json!("a b/c"),
                json!(format!("a/{}", "b".repeat(128))),
                json!(1),
            ],
        ),
    ];
    for (field, valid, invalid) in bounds {
        for value in valid {
            let mut body = source("T");
            body[field] = value.clone();
            ana.post(&sources, body).await.assert_status(201);
            ana.patch(&path, json!({ field: value }))
                .await
                .assert_status(200);
        }
        for value in invalid {
            let mut body = source("T");
            body[field] = value.clone();
            let added = ana.post(&sources, body).await;
            assert_eq!(added.invalid_fields(), [field], "{value}");
            let changed = ana.patch(&path, json!({ field: value })).await;
            assert_eq!(changed.invalid_fields(), [field], "{value}");
        }
    }
    let all_invalid = json!({ "fileKey": 1, "fileSize": -1, "mimeType": "x", "title": " " });
    let invalid_fields = ana.post(&sources, all_invalid).await.invalid_fields();
    assert_eq!(
        invalid_fields,
        ["title", "fileUrl", "fileKey", "fileSize", "mimeType"]
    );
}

#[actix_web::test]
async fn viewer_reads_but_cannot_mutate() {
    let service = TestService::start().await;
    let (ana, eva) = (service.user("ana"), service.user("eva"));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &eva, "viewer").await;
    let path = ana.create_source(&vault, "Read me").await;
    assert_eq!(eva.get(&path).await.assert_status(200)["title"], "Read me");
    for refused in [
        eva.post(&format!("{vault}/sources"), source("Mine")).await,
        eva.patch(&path, json!({ "title": "Mine" })).await,
        eva.delete(&path).await,
    ] {
        let problem = refused.assert_refused(403, "INSUFFICIENT_PERMISSIONS");
        assert_eq!(problem["message"], "Insufficient permissions");
    }
    assert_eq!(eva.get(&vault).await.assert_status(200)["seq"], 2);
}

#[actix_web::test]
async fn deleted_source_is_not_found_and_its_deletion_is_an_event() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let path = ana.create_source(&vault, "Short-lived").await;
    let deleted = ana.delete(&path).await;
    deleted.assert_status(204);
    assert_eq!((deleted.seq(), deleted.text.as_str()), (2, ""));
    for response in [
        ana.get(&path).await,
        ana.delete(&path).await,
        ana.patch(&path, json!({ "title": "x" })).await,
    ] {
        response.assert_refused(404, "NOT_FOUND");
    }
    let (events, seq) = ana.events(&vault).await;
    let event_names: Vec<_> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        (event_names, seq),
        (vec!["source:created", "source:deleted"], 2)
    );
    assert_eq!(events[1]["payload"]["seq"], 2);
    assert!(path.ends_with(events[1]["payload"]["sourceId"].as_str().unwrap()));
}
