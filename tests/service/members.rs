//! Members: who is let in, in which role, and that a vault never loses its last owner.

use serde_json::json;
use vaultcast::domain::{Principal, UserId};

use crate::common::app::TestApp;

#[actix_web::test]
async fn a_member_is_added_by_id_before_he_was_ever_seen_or_by_the_email_of_his_session() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    let vault = ana.makes_vault().await;
    let members = format!("{vault}/members");

    let later = ana
        .post(&members, json!({ "userId": "later", "role": "viewer" }))
        .await;
    assert_eq!(later.seq(), 1);
    let later = later.is(201);
    assert_eq!(
        (&later["userName"], &later["email"]),
        (&json!("later"), &json!(null))
    );
    let fields: Vec<_> = later.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["createdAt", "email", "role", "userId", "userName"]);
    assert_eq!(
        app.user("later").get(&vault).await.is(200)["role"],
        "viewer"
    );

    let by_email = json!({ "email": " BEN@example.com ", "role": "contributor" });
    ana.post(&members, by_email.clone())
        .await
        .refused(404, "NOT_FOUND");
    ben.get("/api/me").await.is(200);
    let added = ana.post(&members, by_email).await.is(201);
    assert_eq!(
        (&added["userId"], &added["userName"]),
        (&json!("ben"), &json!("Ben"))
    );

    let listed = ben.get(&members).await.is(200);
    let names: Vec<_> = listed["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["userName"])
        .collect();
    assert_eq!(names, ["Ana", "Later", "Ben"]);
    assert_eq!(listed["seq"], 2);
    assert!(listed["epoch"].is_string());
}

#[actix_web::test]
async fn nobody_is_added_twice_nor_by_an_email_that_several_have() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let members = format!("{vault}/members");
    for id in ["twin1", "twin2"] {
        let email = Some("twin@example.com".to_owned());
        let (name, id) = (None, UserId::new(id).unwrap());
        app.principal(Principal { id, name, email })
            .get("/api/me")
            .await
            .is(200);
    }
    let twin = json!({ "email": "twin@example.com", "role": "viewer" });
    ana.post(&members, twin).await.refused(409, "CONFLICT");
    for again in [
        json!({ "userId": "ana", "role": "viewer" }),
        json!({ "email": "ana@example.com", "role": "owner" }),
    ] {
        ana.post(&members, again).await.refused(409, "CONFLICT");
    }
    assert_eq!(ana.get(&vault).await.is(200)["seq"], 0);
}

#[actix_web::test]
async fn a_member_needs_a_role_and_one_name() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let members = format!("{}/members", ana.makes_vault().await);
    let long = "x".repeat(128);
    ana.post(&members, json!({ "userId": long, "role": "viewer" }))
        .await
        .is(201);
    for (body, fields) in [
        (json!({}), vec!["role", "userId"]),
        (json!({ "role": "viewer" }), vec!["userId"]),
        (json!({ "userId": "ben" }), vec!["role"]),
        (json!({ "userId": "ben", "role": "admin" }), vec!["role"]),
        (json!({ "userId": "ben", "role": "Owner" }), vec!["role"]),
        (json!({ "userId": "ben", "role": ["owner"] }), vec!["role"]),
        (json!({ "userId": "", "role": "viewer" }), vec!["userId"]),
        (json!({ "userId": "a b", "role": "viewer" }), vec!["userId"]),
        (
            json!({ "userId": "ünal", "role": "viewer" }),
            vec!["userId"],
        ),
        (
            json!({ "userId": "x".repeat(129), "role": "viewer" }),
            vec!["userId"],
        ),
        (json!({ "userId": 7, "role": "viewer" }), vec!["userId"]),
        (
            json!({ "email": "nobody", "role": "viewer" }),
            vec!["email"],
        ),
        (
            json!({ "email": "a\u{0}@b.c", "role": "viewer" }),
            vec!["email"],
        ),
        (
            json!({ "userId": "ben", "email": "b@c.d", "role": "viewer" }),
            vec!["email"],
        ),
    ] {
        let refused = ana.post(&members, body.clone()).await;
        assert_eq!(refused.wrong_fields(), fields, "{body}");
    }
}

#[actix_web::test]
async fn a_role_is_changed_by_an_owner_and_counts_at_once() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &ben, "viewer").await;
    let him = format!("{vault}/members/ben");

    ben.patch(&him, json!({ "role": "owner" }))
        .await
        .refused(403, "INSUFFICIENT_PERMISSIONS");
    let sources = format!("{vault}/sources");
    let body = crate::common::app::source("Mine");
    ben.post(&sources, body.clone())
        .await
        .refused(403, "INSUFFICIENT_PERMISSIONS");
    let changed = ana.patch(&him, json!({ "role": "contributor" })).await;
    assert_eq!(
        (changed.seq(), changed.is(200)["role"].clone()),
        (2, json!("contributor"))
    );
    ben.post(&sources, body).await.is(201);

    for wrong in [
        json!({}),
        json!({ "role": null }),
        json!({ "role": "king" }),
        json!({ "name": "x" }),
    ] {
        assert_eq!(ana.patch(&him, wrong).await.wrong_fields(), ["role"]);
    }
    let unknown = format!("{vault}/members/unknown");
    ana.patch(&unknown, json!({ "role": "viewer" }))
        .await
        .refused(404, "NOT_FOUND");
}

#[actix_web::test]
async fn the_last_owner_can_neither_step_down_nor_leave() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &ben, "contributor").await;
    let (her, him) = (
        format!("{vault}/members/ana"),
        format!("{vault}/members/ben"),
    );

    for role in ["contributor", "viewer"] {
        ana.patch(&her, json!({ "role": role }))
            .await
            .refused(409, "LAST_OWNER");
    }
    ana.delete(&her).await.refused(409, "LAST_OWNER");
    ana.patch(&her, json!({ "role": "owner" })).await.is(200);

    ana.patch(&him, json!({ "role": "owner" })).await.is(200);
    ana.delete(&her).await.is(204);
    ana.get(&vault).await.refused(403, "ACCESS_DENIED");
    ben.delete(&him).await.refused(409, "LAST_OWNER");
}

#[actix_web::test]
async fn two_owners_who_demote_each_other_at_once_leave_one_owner() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    for _ in 0..5 {
        let vault = ana.makes_vault().await;
        ana.admits(&vault, &ben, "owner").await;
        let (her, him) = (
            format!("{vault}/members/ana"),
            format!("{vault}/members/ben"),
        );
        let viewer = json!({ "role": "viewer" });
        let (of_ben, of_ana) =
            futures_util::join!(ana.patch(&him, viewer.clone()), ben.patch(&her, viewer));
        let mut outcomes = [of_ben.status, of_ana.status];
        outcomes.sort();
        assert_eq!(outcomes, [200, 403]);
        let listed = ana.get(&format!("{vault}/members")).await.is(200);
        let roles = listed["members"].as_array().unwrap().iter();
        assert_eq!(roles.filter(|member| member["role"] == "owner").count(), 1);
    }
}

#[actix_web::test]
async fn everybody_may_leave_but_only_an_owner_sends_away() {
    let app = TestApp::start().await;
    let (ana, ben, eva) = (app.user("ana"), app.user("ben"), app.user("eva"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &ben, "contributor").await;
    ana.admits(&vault, &eva, "viewer").await;
    let at = |id: &str| format!("{vault}/members/{id}");

    ben.delete(&at("eva"))
        .await
        .refused(403, "INSUFFICIENT_PERMISSIONS");
    ben.delete(&at("unknown"))
        .await
        .refused(403, "INSUFFICIENT_PERMISSIONS");
    ana.delete(&at("unknown")).await.refused(404, "NOT_FOUND");
    let left = eva.delete(&at("eva")).await;
    left.is(204);
    assert_eq!(left.seq(), 3);
    eva.get(&vault).await.refused(403, "ACCESS_DENIED");
    eva.delete(&at("eva")).await.refused(403, "ACCESS_DENIED");
    ana.delete(&at("eva")).await.refused(404, "NOT_FOUND");
    ana.delete(&at("ben")).await.is(204);
    ben.get(&format!("{vault}/sources"))
        .await
        .refused(403, "ACCESS_DENIED");
}

#[actix_web::test]
async fn a_users_id_may_hold_what_a_path_may_not() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let odd = app.user("a/b?c#d%2F+e");
    ana.admits(&vault, &odd, "viewer").await;
    let him = format!("{vault}/members/a%2Fb%3Fc%23d%252F%2Be");
    assert_eq!(
        ana.patch(&him, json!({ "role": "contributor" }))
            .await
            .is(200)["userId"],
        odd.id
    );
    odd.delete(&him).await.is(204);
    for wrong in ["%00", "%ff", "a%20b", "%C3%BC"] {
        let path = format!("{vault}/members/{wrong}");
        ana.delete(&path).await.refused(404, "NOT_FOUND");
    }
}
