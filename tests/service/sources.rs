//! Sources: added, read, changed and deleted, with every bound of their fields.

use serde_json::{Value, json};

use crate::common::app::{TestApp, source};

#[actix_web::test]
async fn a_source_is_answered_whole_with_its_place_and_what_it_leaves_out_is_absent() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let sources = format!("{vault}/sources");

    let added = ana
        .post(
            &sources,
            json!({ "title": " A ", "fileUrl": "http://a.example", "fileKey": null, "size": 3 }),
        )
        .await;
    let plain = added.is(201);
    assert_eq!((added.seq(), added.header("etag")), (1, Some("\"1\"")));
    let fields: Vec<_> = plain.as_object().unwrap().keys().collect();
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
        (&plain["title"], &plain["mimeType"]),
        (&json!("A"), &json!("application/pdf"))
    );
    assert_eq!(
        format!("/api/vaults/{}", plain["vaultId"].as_str().unwrap()),
        vault
    );

    let full = json!({
        "title": "B", "fileUrl": "https://b.example/x?y#z", "fileKey": "k", "fileSize": 0, "mimeType": "text/plain"
    });
    let second = ana.post(&sources, full.clone()).await.is(201);
    for (field, value) in full.as_object().unwrap() {
        assert_eq!(&second[field], value);
    }
    let path = format!("/api/sources/{}", second["id"].as_str().unwrap());
    let read = ana.get(&path).await;
    assert_eq!(read.is(200), second);
    assert_eq!(read.header("etag"), Some("\"2\""));
    let listed = ana.get(&sources).await.is(200);
    assert_eq!(listed["sources"], json!([second, plain]));
    assert_eq!(
        (&listed["seq"], listed.get("nextCursor")),
        (&json!(2), None)
    );
}

#[actix_web::test]
async fn a_patch_changes_what_it_names_and_null_clears_what_may_be_absent() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let body = json!({
        "title": "A", "fileUrl": "https://a.example", "fileKey": "k", "fileSize": 5, "mimeType": "text/plain"
    });
    let first = ana.post(&format!("{vault}/sources"), body).await.is(201);
    let path = format!("/api/sources/{}", first["id"].as_str().unwrap());

    let renamed = ana
        .patch(
            &path,
            json!({ "title": " New ", "id": "mine", "vaultId": 3 }),
        )
        .await;
    assert_eq!((renamed.seq(), renamed.header("etag")), (2, Some("\"2\"")));
    let renamed = renamed.is(200);
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
        .is(200);
    assert_eq!(
        (cleared.get("fileKey"), cleared.get("fileSize")),
        (None, None)
    );
    assert_eq!(ana.get(&path).await.is(200), cleared);

    for (wrong, field) in [
        (json!({}), "source"),
        (json!({ "unknown": 1 }), "source"),
        (json!({ "title": null }), "title"),
        (json!({ "fileUrl": null }), "fileUrl"),
        (json!({ "mimeType": null }), "mimeType"),
    ] {
        assert_eq!(
            ana.patch(&path, wrong.clone()).await.wrong_fields(),
            [field],
            "{wrong}"
        );
    }
    assert_eq!(ana.get(&vault).await.is(200)["seq"], 3);
}

#[actix_web::test]
async fn every_field_has_its_bounds_and_each_that_is_wrong_is_named() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let sources = format!("{vault}/sources");
    let path = ana.adds_source(&vault, "To be changed").await;
    let url = |n: usize| json!(format!("https://e.org/{}", "a".repeat(n - 14)));
    let most: u64 = (1 << 53) - 1;
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
                url(2048),
                json!("http://localhost:3000"),
                json!("HTTPS://example.com/ü"),
            ],
            vec![
                url(2049),
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
            vec![json!(0), json!(most), json!(1e3)],
            vec![
                json!(-1),
                json!(most + 1),
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
            ],
            vec![
                json!(""),
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
    for (field, good, bad) in bounds {
        for value in good {
            let mut body = source("T");
            body[field] = value.clone();
            ana.post(&sources, body).await.is(201);
            ana.patch(&path, json!({ field: value })).await.is(200);
        }
        for value in bad {
            let mut body = source("T");
            body[field] = value.clone();
            let added = ana.post(&sources, body).await;
            assert_eq!(added.wrong_fields(), [field], "{value}");
            let changed = ana.patch(&path, json!({ field: value })).await;
            assert_eq!(changed.wrong_fields(), [field], "{value}");
        }
    }
    let all = json!({ "fileKey": 1, "fileSize": -1, "mimeType": "x", "title": " " });
    let wrong = ana.post(&sources, all).await.wrong_fields();
    assert_eq!(
        wrong,
        ["title", "fileUrl", "fileKey", "fileSize", "mimeType"]
    );
}

#[actix_web::test]
async fn a_viewer_reads_and_changes_nothing() {
    let app = TestApp::start().await;
    let (ana, eva) = (app.user("ana"), app.user("eva"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &eva, "viewer").await;
    let path = ana.adds_source(&vault, "Read me").await;
    assert_eq!(eva.get(&path).await.is(200)["title"], "Read me");
    for refused in [
        eva.post(&format!("{vault}/sources"), source("Mine")).await,
        eva.patch(&path, json!({ "title": "Mine" })).await,
        eva.delete(&path).await,
    ] {
        let problem = refused.refused(403, "INSUFFICIENT_PERMISSIONS");
        assert_eq!(problem["message"], "Insufficient permissions");
    }
    assert_eq!(eva.get(&vault).await.is(200)["seq"], 2);
}

#[actix_web::test]
async fn a_deleted_source_is_gone_and_its_deletion_is_an_event() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let path = ana.adds_source(&vault, "Short-lived").await;
    let deleted = ana.delete(&path).await;
    deleted.is(204);
    assert_eq!((deleted.seq(), deleted.text.as_str()), (2, ""));
    for again in [
        ana.get(&path).await,
        ana.delete(&path).await,
        ana.patch(&path, json!({ "title": "x" })).await,
    ] {
        again.refused(404, "NOT_FOUND");
    }
    let (events, seq) = ana.events(&vault).await;
    let told: Vec<_> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!((told, seq), (vec!["source:created", "source:deleted"], 2));
    assert_eq!(events[1]["payload"]["seq"], 2);
    assert!(path.ends_with(events[1]["payload"]["sourceId"].as_str().unwrap()));
}
