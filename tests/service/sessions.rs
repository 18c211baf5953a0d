//! User sessions: how a request carries its token, which tokens are valid, and when a socket ends with its session.

use std::time::{Duration, SystemTime};

use reqwest::Method;
use serde_json::json;
use vaultcast::{
    auth::Secrets,
    config::Config,
    domain::{Principal, UserId},
    server::{Mode, Service},
};

use crate::{
    common::{
        database::TestDatabase,
        raw_socket::RawSocket,
        service::{TestService, TestUser, send, token, tokens},
    },
    support::metrics_client::MonitoredService,
};

#[actix_web::test]
async fn me_returns_the_user_of_the_session() {
    let service = TestService::start().await;
    let ana = service.user("ana").get("/api/me").await.assert_status(200);
    assert_eq!(
        ana,
        json!({ "id": "ana", "name": "Ana", "email": "ana@example.com" })
    );

    let nameless = service.principal(Principal {
        id: UserId::new("nameless").unwrap(),
        name: None,
        email: None,
    });
    let nameless = nameless.get("/api/me").await.assert_status(200);
    assert_eq!(
        nameless,
        json!({ "id": "nameless", "name": null, "email": null })
    );
}

#[actix_web::test]
async fn name_that_cannot_be_stored_is_dropped_and_the_user_admitted() {
    let service = TestService::start().await;
    let user = service.principal(Principal {
        id: UserId::new("invalid-name").unwrap(),
        name: Some("With\u{0}NUL".into()),
        email: Some("user@example.com".into()),
    });
    let me = user.get("/api/me").await.assert_status(200);
    assert_eq!(
        me,
        json!({ "id": "invalid-name", "name": null, "email": "user@example.com" })
    );
    user.create_vault().await;
}

#[actix_web::test]
async fn invalid_session_is_refused_before_any_other_error() {
    let service = TestService::start().await;
    let expired = tokens().issue(
        &Principal {
            id: UserId::new("ana").unwrap(),
            name: None,
            email: None,
        },
        SystemTime::now() - Duration::from_secs(3600),
        Duration::from_secs(60),
    );
    for user in [
        service.anonymous(),
        service.bearer("ana", Some("not.a.token".into())),
        service.bearer("ana", Some(expired)),
    ] {
        for response in [
            user.get("/api/me").await,
            user.get("/api/vaults").await,
            user.get("/api/vaults/not-an-id").await,
            user.get("/api/vaults/clx123abc456def/sources?limit=0&limit=1")
                .await,
            user.post("/api/vaults", json!({ "name": "" })).await,
            user.patch("/api/sources/nope", json!(7)).await,
            user.delete("/api/vaults/clx123abc456def").await,
        ] {
            let problem = response.assert_refused(401, "UNAUTHORIZED");
            assert_eq!(problem["message"], "UNAUTHORIZED");
            assert_eq!(response.header("www-authenticate"), Some("Bearer"));
        }
    }
}

#[actix_web::test]
async fn authorization_header_takes_precedence_over_the_cookie() {
    let service = TestService::start().await;
    let cookie = |id| format!("theme=dark; authjs.session-token={}", token(id));
    let me = |user: TestUser, id| {
        send(
            user.request(Method::GET, "/api/me")
                .header("Cookie", cookie(id)),
        )
    };
    assert_eq!(
        me(service.anonymous(), "ben").await.assert_status(200)["id"],
        "ben"
    );
    assert_eq!(
        me(service.user("ana"), "ben").await.assert_status(200)["id"],
        "ana"
    );
}

/// A session of Auth.js 5 (`A256CBC-HS512`) with another secret, as another project on the same host has left it.
const STALE_AUTHJS: &str = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2Q0JDLUhTNTEyIn0..AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[actix_web::test]
async fn stale_cookie_of_a_kind_that_is_not_accepted_is_passed_over_by_both_doors() {
    let service = TestService::start_with(|config| {
        config.auth.accept = ["jwt", "next-auth"]
            .map(|kind| kind.parse().unwrap())
            .into();
    })
    .await;
    let good = format!("next-auth.session-token={}", token("ben"));
    let all_kinds = TestService::start().await;
    for stale in [
        format!("authjs.session-token={STALE_AUTHJS}"),
        format!("__Secure-authjs.session-token={STALE_AUTHJS}"),
        format!("next-auth.session-token={STALE_AUTHJS}"),
        format!(
            "authjs.session-token.0={}; authjs.session-token.1=x",
            &STALE_AUTHJS[..60]
        ),
        "authjs.session-token.1=x".to_owned(),
        "authjs.session-token=0f8fad5b-d9cb-469f-a165-70867728950e".to_owned(),
    ] {
        let cookies = format!("{stale}; {good}");
        let me = |service: &TestService| {
            let request = service.anonymous().request(Method::GET, "/api/me");
            send(request.header("Cookie", &cookies))
        };
        assert_eq!(
            me(&service).await.assert_status(200)["id"],
            "ben",
            "{stale}"
        );
        let mut socket =
            RawSocket::send_connect(service.addr(), &[("Cookie", &cookies)], None).await;
        assert!(socket.connect_answer().await.starts_with("40"), "{stale}");
        me(&all_kinds).await.assert_refused(401, "UNAUTHORIZED");
        let mut socket =
            RawSocket::send_connect(all_kinds.addr(), &[("Cookie", &cookies)], None).await;
        assert_eq!(socket.connect_error().await, "UNAUTHORIZED");
    }
}

#[actix_web::test]
async fn refused_sessions_are_counted_by_reason() {
    let MonitoredService { service, metrics } = MonitoredService::start_with(|config| {
        config.auth.accept = vec!["next-auth".parse().unwrap()];
    })
    .await;
    let refused = async |cookie: &str, reason: &str| {
        let request = service.anonymous().request(Method::GET, "/api/me");
        send(request.header("Cookie", cookie))
            .await
            .assert_refused(401, "UNAUTHORIZED");
        let name = format!("vaultcast_user_sessions_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(metrics.value(&name).await, Some(1.0), "{reason}");
    };
    refused("theme=dark", "missing").await;
    refused(
        &format!("authjs.session-token={STALE_AUTHJS}"),
        "kind not accepted",
    )
    .await;
    refused("next-auth.session-token=text", "malformed").await;
    let gcm = "next-auth.session-token=eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
    refused(gcm, "not authentic").await;
    let signed = service.user("ana").get("/api/me").await;
    signed.assert_refused(401, "UNAUTHORIZED");
    let name = "vaultcast_user_sessions_refused_total{reason=\"algorithm not allowed\"}";
    assert_eq!(metrics.value(name).await, Some(1.0));
}

#[actix_web::test]
async fn session_cookie_must_have_a_configured_name() {
    let service = TestService::start_with(|config| {
        config.auth.cookies = vec!["__Host-service.sid".parse().unwrap()];
    })
    .await;
    let me = async |name: &str| {
        let request = service.anonymous().request(Method::GET, "/api/me");
        let cookie = format!("{name}={}", token("ben"));
        send(request.header("Cookie", cookie)).await
    };
    assert_eq!(
        me("__Host-service.sid").await.assert_status(200)["id"],
        "ben"
    );
    me("authjs.session-token")
        .await
        .assert_refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn signed_tokens_are_accepted_only_if_enabled_and_for_their_audience() {
    let encrypted_only = TestService::start_with(|config| {
        config.auth.accept = ["next-auth", "authjs"]
            .map(|kind| kind.parse().unwrap())
            .into();
    })
    .await;
    let refused = encrypted_only.user("ana").get("/api/me").await;
    refused.assert_refused(401, "UNAUTHORIZED");

    let for_vaults = || "vaults".parse().ok();
    let service = TestService::start_with(|config| config.auth.jwt_audience = for_vaults()).await;
    service
        .user("ana")
        .get("/api/me")
        .await
        .assert_refused(401, "UNAUTHORIZED");
    let ana = Principal {
        id: UserId::new("ana").unwrap(),
        name: None,
        email: None,
    };
    let tokens = tokens().for_audience(for_vaults());
    let token = tokens.issue(&ana, SystemTime::now(), Duration::from_secs(60));
    service
        .bearer("ana", Some(token))
        .get("/api/me")
        .await
        .assert_status(200);
}

#[actix_web::test]
async fn user_of_a_socket_comes_from_the_handshake_request() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let id = vault.trim_start_matches("/api/vaults/");
    let path = "/socket.io/?EIO=4&transport=polling";
    let request_as = |user: &str, method, path: &str| {
        let cookie = format!("authjs.session-token={}", token(user));
        service
            .anonymous()
            .request(method, path)
            .header("Cookie", cookie)
    };
    let response_text = async |request: reqwest::RequestBuilder| {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.text().await.unwrap()
    };

    // The handshake has the cookie of Ana, an owner. All later requests have the cookie of Ben, a non-member.
    let opened = response_text(request_as("ana", Method::GET, path)).await;
    let opened: serde_json::Value = serde_json::from_str(&opened[1..]).unwrap();
    let path = format!("{path}&sid={}", opened["sid"].as_str().unwrap());
    response_text(request_as("ben", Method::POST, &path).body("40")).await;
    assert!(
        response_text(request_as("ben", Method::GET, &path))
            .await
            .starts_with("40")
    );
    let join = format!("420{}", json!(["vault:join", id]));
    response_text(request_as("ben", Method::POST, &path).body(join)).await;
    let joined = response_text(request_as("ben", Method::GET, &path)).await;
    assert!(joined.contains(r#""role":"owner""#), "{joined}");
}

#[actix_web::test]
async fn socket_receives_nothing_after_its_session_ends() {
    let service = TestService::start().await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &ben, "viewer").await;
    // The session expired twelve seconds ago. The tolerance is 15 seconds, so the socket may stay open for three.
    let issued_at = SystemTime::now() - Duration::from_secs(60);
    let id = UserId::new("ben").unwrap();
    let (name, email) = (None, None);
    let token = tokens().issue(
        &Principal { id, name, email },
        issued_at,
        Duration::from_secs(48),
    );
    let bearer = format!("Bearer {token}");
    let mut socket = RawSocket::connect(service.addr(), &[("authorization", &bearer)]).await;
    socket.join(&vault).await;
    ana.create_source(&vault, "In time").await;
    let received = socket.receive_until_closed().await;
    assert_eq!(received.len(), 1, "only the created source: {received:?}");
    ana.create_source(&vault, "Too late").await;
    let auth = json!({ "token": token });
    let mut reconnected = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
    assert_eq!(reconnected.connect_error().await, "UNAUTHORIZED");
}

#[actix_web::test]
async fn short_secret_restricts_the_service_to_loopback() {
    let start = async |bind: [u8; 4], secrets: &str| {
        let database = TestDatabase::create().await;
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
    let (any_address, loopback) = ([0, 0, 0, 0], [127, 0, 0, 1]);
    let long = "0123456789abcdef0123456789abcdef";
    let short = &long[1..];
    assert_eq!(start(any_address, long).await, None);
    assert_eq!(start(loopback, short).await, None);
    // The short part of a list is not a secret of its own.
    let list = format!("{long},{short}");
    assert_eq!(start(any_address, &list).await, None);
    let refused = start(any_address, short).await.unwrap();
    let expected = "server.bind: 0.0.0.0:0 is not a loopback address, and a service with a secret \
                    of fewer than 32 bytes listens only on loopback";
    assert!(refused.starts_with(expected), "{refused}");
    assert!(!refused.contains(short), "{refused}");
}

#[actix_web::test]
async fn health_checks_need_no_session() {
    let service = TestService::start().await;
    service.anonymous().get("/healthz").await.assert_status(200);
    service.anonymous().get("/readyz").await.assert_status(200);
}

#[actix_web::test]
async fn session_cookie_among_large_cookies_connects_a_socket() {
    let service = TestService::start().await;
    let junk = "j".repeat(30_000);
    let cookies = format!("a={junk}; authjs.session-token={}; b={junk}", token("ana"));
    let headers = [("cookie", cookies.as_str()), ("x-large", junk.as_str())];
    RawSocket::connect(service.addr(), &headers).await;
}

#[actix_web::test]
async fn handshake_with_credentials_over_16_kib_is_refused() {
    let service = TestService::start().await;
    let handshake = async |name: &str, value: String| {
        let path = "/socket.io/?EIO=4&transport=polling";
        let request = service.anonymous().request(Method::GET, path);
        send(request.header(name, value)).await.status
    };
    for (bytes, status) in [(16_000, 200), (17_000, 431)] {
        let token = "t".repeat(bytes);
        let chunks = format!("authjs.session-token.0={token}");
        assert_eq!(handshake("cookie", chunks).await, status);
        let bearer = format!("Bearer {token}");
        assert_eq!(handshake("authorization", bearer).await, status);
    }
}
