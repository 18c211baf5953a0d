//! Who calls: a request without a good session gets nowhere, and a user is who his session says.

use std::time::{Duration, SystemTime};

use serde_json::json;
use vaultcast::domain::{Principal, UserId};

use crate::common::app::{TestApp, hear, token, tokens};

#[actix_web::test]
async fn everybody_is_told_who_he_is() {
    let app = TestApp::start().await;
    let ana = app.user("ana").get("/api/me").await.is(200);
    assert_eq!(
        ana,
        json!({ "id": "ana", "name": "Ana", "email": "ana@example.com" })
    );

    let shy = app.principal(Principal {
        id: UserId::new("shy").unwrap(),
        name: None,
        email: None,
    });
    let shy = shy.get("/api/me").await.is(200);
    assert_eq!(shy, json!({ "id": "shy", "name": null, "email": null }));
}

#[actix_web::test]
async fn a_name_that_no_database_keeps_is_left_out_and_its_owner_let_in() {
    let app = TestApp::start().await;
    let odd = app.principal(Principal {
        id: UserId::new("odd").unwrap(),
        name: Some("O\u{0}dd".into()),
        email: Some("odd@example.com".into()),
    });
    let me = odd.get("/api/me").await.is(200);
    assert_eq!(
        me,
        json!({ "id": "odd", "name": null, "email": "odd@example.com" })
    );
    odd.makes_vault().await;
}

#[actix_web::test]
async fn without_a_good_session_no_door_opens_whatever_else_is_wrong() {
    let app = TestApp::start().await;
    let ended = tokens().issue(
        &Principal {
            id: UserId::new("ana").unwrap(),
            name: None,
            email: None,
        },
        SystemTime::now() - Duration::from_secs(3600),
        Duration::from_secs(60),
    );
    for somebody in [
        app.nobody(),
        app.bearer("ana", Some("not.a.token".into())),
        app.bearer("ana", Some(ended)),
    ] {
        for answer in [
            somebody.get("/api/me").await,
            somebody.get("/api/vaults").await,
            somebody.get("/api/vaults/not-an-id").await,
            somebody
                .get("/api/vaults/clx123abc456def/sources?limit=0&limit=1")
                .await,
            somebody.post("/api/vaults", json!({ "name": "" })).await,
            somebody.patch("/api/sources/nope", json!(7)).await,
            somebody.delete("/api/vaults/clx123abc456def").await,
        ] {
            let problem = answer.refused(401, "UNAUTHORIZED");
            assert_eq!(problem["message"], "UNAUTHORIZED");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[actix_web::test]
async fn a_session_comes_in_the_header_or_in_the_cookie_and_the_header_goes_first() {
    let app = TestApp::start().await;
    let cookie = |id| format!("theme=dark; authjs.session-token={}", token(id));
    let me = |user: crate::common::app::User, id| {
        hear(
            user.ask(reqwest::Method::GET, "/api/me")
                .header("Cookie", cookie(id)),
        )
    };
    assert_eq!(me(app.nobody(), "ben").await.is(200)["id"], "ben");
    assert_eq!(me(app.user("ana"), "ben").await.is(200)["id"], "ana");
}

#[actix_web::test]
async fn health_is_told_to_everybody() {
    let app = TestApp::start().await;
    app.nobody().get("/healthz").await.is(200);
    app.nobody().get("/readyz").await.is(200);
}
