//! Who calls: a request without a good session gets nowhere, and a user is who his session says.

use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::json;
use vaultcast::{
    app::{Mode, Service},
    auth::Secrets,
    config::Config,
    domain::{Principal, UserId},
};

use crate::common::{
    app::{TestApp, hear, token, tokens},
    socket::Socket,
};

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
async fn the_cookie_has_the_name_that_is_configured_and_no_other() {
    let app = TestApp::start_with(|config| {
        config.auth.cookies = vec!["__Host-app.sid".parse().unwrap()];
    })
    .await;
    let me = async |name: &str| {
        let request = app.nobody().ask(Method::GET, "/api/me");
        let cookie = format!("{name}={}", token("ben"));
        hear(request.header("Cookie", cookie)).await
    };
    assert_eq!(me("__Host-app.sid").await.is(200)["id"], "ben");
    me("authjs.session-token")
        .await
        .refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn signed_tokens_are_taken_only_where_they_are_accepted_and_only_for_their_audience() {
    let encrypted_only = TestApp::start_with(|config| {
        config.auth.accept = ["next-auth", "authjs"]
            .map(|kind| kind.parse().unwrap())
            .into();
    })
    .await;
    let refused = encrypted_only.user("ana").get("/api/me").await;
    refused.refused(401, "UNAUTHORIZED");

    let for_vaults = || "vaults".parse().ok();
    let app = TestApp::start_with(|config| config.auth.jwt_audience = for_vaults()).await;
    app.user("ana")
        .get("/api/me")
        .await
        .refused(401, "UNAUTHORIZED");
    let ana = Principal {
        id: UserId::new("ana").unwrap(),
        name: None,
        email: None,
    };
    let tokens = tokens().for_audience(for_vaults());
    let token = tokens.issue(&ana, SystemTime::now(), Duration::from_secs(60));
    app.bearer("ana", Some(token)).get("/api/me").await.is(200);
}

#[actix_web::test]
async fn who_a_socket_is_was_decided_by_the_request_that_opened_its_session() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let id = vault.trim_start_matches("/api/vaults/");
    let path = "/socket.io/?EIO=4&transport=polling";
    let with = |method, path: &str, who: &str| {
        let cookie = format!("authjs.session-token={}", token(who));
        app.nobody().ask(method, path).header("Cookie", cookie)
    };
    let text = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.text().await.unwrap()
    };

    // Ana opens it; everything after that comes with the cookie of Ben, who is no member.
    let opened = text(with(Method::GET, path, "ana")).await;
    let opened: serde_json::Value = serde_json::from_str(&opened[1..]).unwrap();
    let path = format!("{path}&sid={}", opened["sid"].as_str().unwrap());
    text(with(Method::POST, &path, "ben").body("40")).await;
    assert!(
        text(with(Method::GET, &path, "ben"))
            .await
            .starts_with("40")
    );
    let join = format!("420{}", json!(["vault:join", id]));
    text(with(Method::POST, &path, "ben").body(join)).await;
    let joined = text(with(Method::GET, &path, "ben")).await;
    assert!(joined.contains(r#""role":"owner""#), "{joined}");
}

#[actix_web::test]
async fn at_the_end_of_its_session_a_socket_hears_nothing_more_and_its_token_opens_no_other() {
    let app = TestApp::start().await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &ben, "viewer").await;
    // It ended twelve seconds ago: three are left of the tolerance.
    let begun = SystemTime::now() - Duration::from_secs(60);
    let id = UserId::new("ben").unwrap();
    let (name, email) = (None, None);
    let token = tokens().issue(
        &Principal { id, name, email },
        begun,
        Duration::from_secs(48),
    );
    let bearer = format!("Bearer {token}");
    let mut socket = Socket::connect(app.addr(), &[("authorization", &bearer)]).await;
    socket.join(&vault).await;
    ana.adds_source(&vault, "In time").await;
    let heard = socket.until_closed().await;
    assert_eq!(heard.len(), 1, "the source and nothing else: {heard:?}");
    ana.adds_source(&vault, "Too late").await;
    let auth = json!({ "token": token });
    let mut again = Socket::knock(app.addr(), &[], Some(auth)).await;
    assert_eq!(again.refusal().await, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_short_secret_keeps_the_service_on_this_machine() {
    let start = async |bind: [u8; 4], secrets: &str| {
        let database = crate::common::database::TestDatabase::fresh().await;
        let mut config = Config::default();
        config.server.bind = (bind, 0).into();
        config.admin.bind = None;
        config.database.url = database.url.parse().unwrap();
        let secrets = Secrets::from_list(secrets).unwrap();
        match Service::start(&config, &secrets, Mode::Serve).await {
            Ok(service) => {
                service.stop().await;
                None
            }
            Err(error) => Some(error.to_string()),
        }
    };
    let (everywhere, here) = ([0, 0, 0, 0], [127, 0, 0, 1]);
    let long = "0123456789abcdef0123456789abcdef";
    let short = &long[1..];
    assert_eq!(start(everywhere, long).await, None);
    assert_eq!(start(here, short).await, None);
    for secrets in [short.to_owned(), format!("{long},{short}")] {
        let refused = start(everywhere, &secrets).await.unwrap();
        let expected = "server.bind: 0.0.0.0:0 is not a loopback address, and with a secret of fewer \
                        than 32 bytes the service listens to nothing else";
        assert!(refused.starts_with(expected), "{refused}");
        assert!(!refused.contains(short), "{refused}");
    }
}

#[actix_web::test]
async fn health_is_told_to_everybody() {
    let app = TestApp::start().await;
    app.nobody().get("/healthz").await.is(200);
    app.nobody().get("/readyz").await.is(200);
}
