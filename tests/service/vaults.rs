//! Vaults: made, listed, renamed and deleted, by whom it is permitted.

use serde_json::{Value, json};

use crate::common::app::TestApp;

#[actix_web::test]
async fn who_makes_a_vault_owns_it_and_it_stands_at_zero() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let made = ana
        .post("/api/vaults", json!({ "name": "  Plans \n" }))
        .await;
    let vault = made.is(201);
    assert_eq!(made.seq(), 0);
    assert_eq!(vault["name"], "Plans");
    assert_eq!(vault["role"], "owner");
    assert_eq!(vault["seq"], 0);
    assert_eq!(vault["createdAt"], vault["updatedAt"]);
    is_a_time(&vault["createdAt"]);
    let fields: Vec<_> = vault.as_object().unwrap().keys().collect();
    assert_eq!(
        fields,
        ["createdAt", "id", "name", "role", "seq", "updatedAt"]
    );

    let path = format!("/api/vaults/{}", vault["id"].as_str().unwrap());
    assert_eq!(ana.get(&path).await.is(200), vault);
    assert_eq!(
        ana.get("/api/vaults").await.is(200),
        json!({ "vaults": [vault] })
    );
}

fn is_a_time(time: &Value) {
    let text = time.as_str().unwrap();
    let shape: String = text
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
}

#[actix_web::test]
async fn a_vaults_name_has_1_to_200_characters_after_trimming() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    for good in [
        "x".to_owned(),
        "ü".repeat(200),
        format!(" {} ", "🚀".repeat(200)),
    ] {
        let body = json!({ "name": good });
        ana.post("/api/vaults", body.clone()).await.is(201);
        assert_eq!(ana.patch(&vault, body).await.is(200)["name"], good.trim());
    }
    let nul = "a\u{0}b".to_owned();
    for bad in [
        json!(""),
        json!(" \t "),
        json!("ü".repeat(201)),
        json!(nul),
        json!(7),
        json!(null),
    ] {
        let body = json!({ "name": bad });
        assert_eq!(
            ana.post("/api/vaults", body.clone()).await.wrong_fields(),
            ["name"]
        );
        assert_eq!(ana.patch(&vault, body).await.wrong_fields(), ["name"]);
    }
    assert_eq!(
        ana.patch(&vault, json!({ "title": "x" }))
            .await
            .wrong_fields(),
        ["name"]
    );
}

#[actix_web::test]
async fn only_an_owner_renames_or_deletes_a_vault() {
    let app = TestApp::start().await;
    let (ana, ben, eva) = (app.user("ana"), app.user("ben"), app.user("eva"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &ben, "contributor").await;
    ana.admits(&vault, &eva, "viewer").await;
    for member in [&ben, &eva] {
        let renamed = member.patch(&vault, json!({ "name": "Mine" })).await;
        let problem = renamed.refused(403, "INSUFFICIENT_PERMISSIONS");
        assert_eq!(problem["message"], "Insufficient permissions");
        let deleted = member.delete(&vault).await;
        deleted.refused(403, "INSUFFICIENT_PERMISSIONS");
    }
    let renamed = ana.patch(&vault, json!({ "name": "Ours" })).await;
    assert_eq!(
        (renamed.seq(), renamed.is(200)["seq"].as_u64()),
        (3, Some(3))
    );
    let seen = ben.get(&vault).await.is(200);
    assert_eq!(
        (&seen["name"], &seen["role"]),
        (&json!("Ours"), &json!("contributor"))
    );
}

#[actix_web::test]
async fn a_deleted_vault_answers_as_one_that_never_was() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &ben, "contributor").await;
    let source = ben.adds_source(&vault, "Soon gone").await;

    let deleted = ana.delete(&vault).await;
    deleted.is(204);
    assert_eq!((deleted.seq(), deleted.text.as_str()), (3, ""));

    let never = "/api/vaults/cneverwas0000000000000000";
    for user in [&ana, &ben] {
        assert_eq!(
            user.get("/api/vaults").await.is(200),
            json!({ "vaults": [] })
        );
        for below in ["", "/members", "/sources", "/events?since=0"] {
            let gone = user.get(&format!("{vault}{below}")).await;
            let known = user.get(&format!("{never}{below}")).await;
            assert_eq!(
                gone.refused(403, "ACCESS_DENIED")["message"],
                "Access denied to vault"
            );
            assert_eq!(gone.told(), known.told());
        }
        let (again, unknown) = (user.delete(&vault).await, user.delete(never).await);
        assert_eq!(again.told(), unknown.told());
        user.get(&source).await.refused(404, "NOT_FOUND");
        user.delete(&source).await.refused(404, "NOT_FOUND");
        let back = json!({ "userId": user.id, "role": "owner" });
        let members = format!("{vault}/members");
        user.post(&members, back)
            .await
            .refused(403, "ACCESS_DENIED");
    }
}
