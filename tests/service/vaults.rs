//! Vaults: creating, listing, renaming and deleting them, and the roles that may do so.

use serde_json::{Value, json};

use crate::common::service::TestService;

#[actix_web::test]
async fn creator_owns_the_new_vault_whose_seq_is_zero() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let created = ana
        .post("/api/vaults", json!({ "name": "  Plans \n" }))
        .await;
    let vault = created.assert_status(201);
    assert_eq!(created.seq(), 0);
    assert_eq!(vault["name"], "Plans");
    assert_eq!(vault["role"], "owner");
    assert_eq!(vault["seq"], 0);
    assert_eq!(vault["createdAt"], vault["updatedAt"]);
    assert_timestamp(&vault["createdAt"]);
    let fields: Vec<_> = vault.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["createdAt", "id", "name", "role", "seq", "updatedAt"]
    );

    let path = format!("/api/vaults/{}", vault["id"].as_str().unwrap());
    assert_eq!(ana.get(&path).await.assert_status(200), vault);
    assert_eq!(
        ana.get("/api/vaults").await.assert_status(200),
        json!({ "vaults": [vault] })
    );
}

/// Asserts an RFC 3339 timestamp in UTC with milliseconds.
fn assert_timestamp(time: &Value) {
    let text = time.as_str().unwrap();
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
}

#[actix_web::test]
async fn a_vaults_name_has_1_to_200_characters_after_trimming() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    for valid in [
        "x".to_owned(),
        "ü".repeat(200),
        format!(" {} ", "🚀".repeat(200)),
    ] {
        let body = json!({ "name": valid });
        ana.post("/api/vaults", body.clone())
            .await
            .assert_status(201);
        assert_eq!(
            ana.patch(&vault, body).await.assert_status(200)["name"],
            valid.trim()
        );
    }
    let with_nul = "a\u{0}b".to_owned();
    for invalid in [
        json!(""),
        json!(" \t "),
        json!("ü".repeat(201)),
        json!(with_nul),
        json!(7),
        json!(null),
    ] {
        let body = json!({ "name": invalid });
        assert_eq!(
            ana.post("/api/vaults", body.clone()).await.invalid_fields(),
            ["name"]
        );
        assert_eq!(ana.patch(&vault, body).await.invalid_fields(), ["name"]);
    }
    assert_eq!(
        ana.patch(&vault, json!({ "title": "x" }))
            .await
            .invalid_fields(),
        ["name"]
    );
}

#[actix_web::test]
async fn only_an_owner_may_rename_or_delete_a_vault() {
    let service = TestService::start().await;
    let (ana, ben, eva) = (
        service.user("ana"),
        service.user("ben"),
        service.user("eva"),
    );
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &ben, "contributor").await;
    ana.add_member(&vault, &eva, "viewer").await;
    for member in [&ben, &eva] {
        let renamed = member.patch(&vault, json!({ "name": "Mine" })).await;
        let problem = renamed.assert_refused(403, "INSUFFICIENT_PERMISSIONS");
        assert_eq!(problem["message"], "Insufficient permissions");
        let deleted = member.delete(&vault).await;
        deleted.assert_refused(403, "INSUFFICIENT_PERMISSIONS");
    }
    let renamed = ana.patch(&vault, json!({ "name": "Ours" })).await;
    assert_eq!(
        (renamed.seq(), renamed.assert_status(200)["seq"].as_u64()),
        (3, Some(3))
    );
    let vault = ben.get(&vault).await.assert_status(200);
    assert_eq!(
        (&vault["name"], &vault["role"]),
        (&json!("Ours"), &json!("contributor"))
    );
}

#[actix_web::test]
async fn deleted_vault_answers_like_an_unknown_one() {
    let service = TestService::start().await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &ben, "contributor").await;
    let source = ben.create_source(&vault, "Deleted with the vault").await;

    let deleted = ana.delete(&vault).await;
    deleted.assert_status(204);
    assert_eq!((deleted.seq(), deleted.text.as_str()), (3, ""));

    let never_created = "/api/vaults/cneverwas0000000000000000";
    for user in [&ana, &ben] {
        assert_eq!(
            user.get("/api/vaults").await.assert_status(200),
            json!({ "vaults": [] })
        );
        for subpath in ["", "/members", "/sources", "/events?since=0"] {
            let for_deleted = user.get(&format!("{vault}{subpath}")).await;
            let for_unknown = user.get(&format!("{never_created}{subpath}")).await;
            assert_eq!(
                for_deleted.assert_refused(403, "ACCESS_DENIED")["message"],
                "Access denied to vault"
            );
            assert_eq!(
                for_deleted.observable_parts(),
                for_unknown.observable_parts()
            );
        }
        let (for_deleted, for_unknown) =
            (user.delete(&vault).await, user.delete(never_created).await);
        assert_eq!(
            for_deleted.observable_parts(),
            for_unknown.observable_parts()
        );
        user.get(&source).await.assert_refused(404, "NOT_FOUND");
        user.delete(&source).await.assert_refused(404, "NOT_FOUND");
        let new_member = json!({ "userId": user.id, "role": "owner" });
        let members = format!("{vault}/members");
        user.post(&members, new_member)
            .await
            .assert_refused(403, "ACCESS_DENIED");
    }
}
