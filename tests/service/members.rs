//! Members: adding and removing them, their roles, and the rule that a vault always has an owner.

use reqwest::Method;
use serde_json::json;
use url::form_urlencoded;
use vaultcast::domain::{Principal, UserId};

use crate::common::service::{TestService, TestUser, source};

#[actix_web::test]
async fn member_is_added_by_an_unknown_id_or_a_known_email() {
    let service = TestService::start().await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = ana.create_vault().await;
    let members = format!("{vault}/members");

    let added = ana
        .post(&members, json!({ "userId": "later", "role": "viewer" }))
        .await;
    assert_eq!(added.seq(), 1);
    let later = added.assert_status(201);
    assert_eq!(
        (&later["userName"], &later["email"]),
        (&json!("later"), &json!(null))
    );
    let fields: Vec<_> = later.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["createdAt", "email", "role", "userId", "userName"]);
    assert_eq!(
        service.user("later").get(&vault).await.assert_status(200)["role"],
        "viewer"
    );

    let by_email = json!({ "email": " BEN@example.com ", "role": "contributor" });
    ana.post(&members, by_email.clone())
        .await
        .assert_refused(404, "NOT_FOUND");
    ben.get("/api/me").await.assert_status(200);
    let added = ana.post(&members, by_email).await.assert_status(201);
    assert_eq!(
        (&added["userId"], &added["userName"]),
        (&json!("ben"), &json!("Ben"))
    );

    let listed = ben.get(&members).await.assert_status(200);
    let names: Vec<_> = listed["members"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["userName"])
        .collect();
    assert_eq!(names, ["Ana", "Later", "Ben"]);
    assert_eq!(listed["seq"], 2);
    assert!(listed["epoch"].is_string());
}

#[actix_web::test]
async fn adding_a_member_twice_or_by_an_ambiguous_email_is_a_conflict() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let members = format!("{vault}/members");
    for id in ["twin1", "twin2"] {
        let email = Some("twin@example.com".to_owned());
        let (name, id) = (None, UserId::new(id).unwrap());
        service
            .principal(Principal { id, name, email })
            .get("/api/me")
            .await
            .assert_status(200);
    }
    let twin = json!({ "email": "twin@example.com", "role": "viewer" });
    ana.post(&members, twin)
        .await
        .assert_refused(409, "CONFLICT");
    for existing in [
        json!({ "userId": "ana", "role": "viewer" }),
        json!({ "email": "ana@example.com", "role": "owner" }),
    ] {
        ana.post(&members, existing)
            .await
            .assert_refused(409, "CONFLICT");
    }
    assert_eq!(ana.get(&vault).await.assert_status(200)["seq"], 0);
}

#[actix_web::test]
async fn new_member_needs_a_role_and_either_an_id_or_an_email() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let members = format!("{}/members", ana.create_vault().await);
    let longest_id = "x".repeat(128);
    ana.post(&members, json!({ "userId": longest_id, "role": "viewer" }))
        .await
        .assert_status(201);
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
            json!({ "email": "no-at-sign", "role": "viewer" }),
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
        assert_eq!(refused.invalid_fields(), fields, "{body}");
    }
}

#[actix_web::test]
async fn role_change_by_an_owner_applies_at_once() {
    let service = TestService::start().await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &ben, "viewer").await;
    let ben_path = format!("{vault}/members/ben");

    ben.patch(&ben_path, json!({ "role": "owner" }))
        .await
        .assert_refused(403, "INSUFFICIENT_PERMISSIONS");
    let sources = format!("{vault}/sources");
    let body = source("Mine");
    ben.post(&sources, body.clone())
        .await
        .assert_refused(403, "INSUFFICIENT_PERMISSIONS");
    let changed = ana.patch(&ben_path, json!({ "role": "contributor" })).await;
    assert_eq!(
        (changed.seq(), changed.assert_status(200)["role"].clone()),
        (2, json!("contributor"))
    );
    ben.post(&sources, body).await.assert_status(201);

    for invalid in [
        json!({}),
        json!({ "role": null }),
        json!({ "role": "admin" }),
        json!({ "name": "x" }),
    ] {
        assert_eq!(
            ana.patch(&ben_path, invalid).await.invalid_fields(),
            ["role"]
        );
    }
    let unknown = format!("{vault}/members/unknown");
    ana.patch(&unknown, json!({ "role": "viewer" }))
        .await
        .assert_refused(404, "NOT_FOUND");
}

#[actix_web::test]
async fn last_owner_can_be_neither_demoted_nor_removed() {
    let service = TestService::start().await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &ben, "contributor").await;
    let (ana_path, ben_path) = (
        format!("{vault}/members/ana"),
        format!("{vault}/members/ben"),
    );

    for role in ["contributor", "viewer"] {
        ana.patch(&ana_path, json!({ "role": role }))
            .await
            .assert_refused(409, "LAST_OWNER");
    }
    ana.delete(&ana_path)
        .await
        .assert_refused(409, "LAST_OWNER");
    ana.patch(&ana_path, json!({ "role": "owner" }))
        .await
        .assert_status(200);

    ana.patch(&ben_path, json!({ "role": "owner" }))
        .await
        .assert_status(200);
    ana.delete(&ana_path).await.assert_status(204);
    ana.get(&vault).await.assert_refused(403, "ACCESS_DENIED");
    ben.delete(&ben_path)
        .await
        .assert_refused(409, "LAST_OWNER");
}

#[actix_web::test]
async fn two_owners_demoting_each_other_leave_one_owner() {
    let service = TestService::start().await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    for _ in 0..5 {
        let vault = ana.create_vault().await;
        ana.add_member(&vault, &ben, "owner").await;
        let (ana_path, ben_path) = (
            format!("{vault}/members/ana"),
            format!("{vault}/members/ben"),
        );
        let viewer = json!({ "role": "viewer" });
        let (ben_demoted, ana_demoted) = futures_util::join!(
            ana.patch(&ben_path, viewer.clone()),
            ben.patch(&ana_path, viewer)
        );
        let mut statuses = [ben_demoted.status, ana_demoted.status];
        statuses.sort();
        assert_eq!(statuses, [200, 403]);
        let listed = ana
            .get(&format!("{vault}/members"))
            .await
            .assert_status(200);
        let roles = listed["members"].as_array().unwrap().iter();
        assert_eq!(roles.filter(|member| member["role"] == "owner").count(), 1);
    }
}

#[actix_web::test]
async fn member_may_leave_but_only_an_owner_removes_others() {
    let service = TestService::start().await;
    let (ana, ben, eva) = (
        service.user("ana"),
        service.user("ben"),
        service.user("eva"),
    );
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &ben, "contributor").await;
    ana.add_member(&vault, &eva, "viewer").await;
    let member_path = |id: &str| format!("{vault}/members/{id}");

    ben.delete(&member_path("eva"))
        .await
        .assert_refused(403, "INSUFFICIENT_PERMISSIONS");
    ben.delete(&member_path("unknown"))
        .await
        .assert_refused(403, "INSUFFICIENT_PERMISSIONS");
    ana.delete(&member_path("unknown"))
        .await
        .assert_refused(404, "NOT_FOUND");
    let left = eva.delete(&member_path("eva")).await;
    left.assert_status(204);
    assert_eq!(left.seq(), 3);
    eva.get(&vault).await.assert_refused(403, "ACCESS_DENIED");
    eva.delete(&member_path("eva"))
        .await
        .assert_refused(403, "ACCESS_DENIED");
    ana.delete(&member_path("eva"))
        .await
        .assert_refused(404, "NOT_FOUND");
    ana.delete(&member_path("ben")).await.assert_status(204);
    ben.get(&format!("{vault}/sources"))
        .await
        .assert_refused(403, "ACCESS_DENIED");
}

#[actix_web::test]
async fn user_id_with_reserved_characters_works_in_a_path() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let user = service.user("a/b?c#d%2F+e");
    ana.add_member(&vault, &user, "viewer").await;
    let path = format!("{vault}/members/a%2Fb%3Fc%23d%252F%2Be");
    assert_eq!(
        ana.patch(&path, json!({ "role": "contributor" }))
            .await
            .assert_status(200)["userId"],
        user.id
    );
    user.delete(&path).await.assert_status(204);
    for invalid in ["%00", "%ff", "a%20b", "%C3%BC"] {
        let path = format!("{vault}/members/{invalid}");
        ana.delete(&path).await.assert_refused(404, "NOT_FOUND");
    }
}

#[actix_web::test]
async fn every_user_id_can_be_added_changed_and_removed() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let members = format!("{vault}/members");
    let visible = (b'!'..=b'~').map(|byte| char::from(byte).to_string());
    let others = [
        "..", "...", "/", "//", "/../", "%2e%2e", "%2E", "a/../b", "%%", "a+b",
    ];
    let ids = visible
        .chain(others.map(str::to_owned))
        .chain(["%".repeat(128)]);
    for id in ids {
        let encoded: String = form_urlencoded::byte_serialize(id.as_bytes()).collect();
        let mut paths = vec![format!("{members}?userId={encoded}")];
        if ![".", ".."].contains(&id.as_str()) {
            paths.push(format!("{members}/{encoded}"));
        }
        for path in paths {
            let added = json!({ "userId": id, "role": "viewer" });
            ana.post(&members, added).await.assert_status(201);
            let changed = ana.patch(&path, json!({ "role": "contributor" })).await;
            assert_eq!(changed.assert_status(200)["userId"], json!(id), "{path}");
            ana.delete(&path).await.assert_status(204);
        }
    }
    for (query, status, code) in [
        ("userId=nobody", 404, "NOT_FOUND"),
        ("userId=", 404, "NOT_FOUND"),
        ("userId=ana&userId=ben", 400, "VALIDATION_FAILED"),
        ("user=ana", 405, "METHOD_NOT_ALLOWED"),
    ] {
        let refused = ana.delete(&format!("{members}?{query}")).await;
        refused.assert_refused(status, code);
    }
    let listed = ana.get(&format!("{members}?userId=ana")).await;
    listed.assert_status(200);
}

#[actix_web::test]
async fn path_whose_dot_segments_were_removed_changes_nothing() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    // A URL parser makes the first two of …/members/. and …/members/..
    for path in ["/members/", "/", "/members/%2e%2e", "/members/%2E"] {
        let target = format!("{vault}{path}");
        for method in ["DELETE", "PATCH"] {
            let response = raw(&service, &ana, method, &target).await;
            assert!(
                response.starts_with("HTTP/1.1 404 "),
                "{method} {target}: {response}"
            );
        }
    }
    ana.get(&vault).await.assert_status(200);
}

/// Sends a request whose target no URL parser changes.
async fn raw(service: &TestService, user: &TestUser, method: &str, target: &str) -> String {
    let authorized = user.request(Method::GET, "/").build().unwrap();
    let authorization = authorized.headers()["authorization"].to_str().unwrap();
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: {authorization}\r\n\
         Content-Type: application/json\r\nContent-Length: 17\r\n\r\n",
        service.addr()
    );
    service
        .raw(format!("{head}{{\"role\":\"viewer\"}}").as_bytes())
        .await
}
