//! Test vectors: sessions that the real libraries created, with their verdicts (`tests/vectors/nextauth-sessions.json`).
//! Each is verified by [`UserSessionVerifier`] from the headers that a browser would send.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::session_refusal::SessionError;
use super::{Credentials, Secrets, UserSession, UserSessionVerifier};
use crate::config::AuthConfig;

const VECTORS: &str = include_str!("../../tests/vectors/nextauth-sessions.json");

/// The time of a vector without a given time. Such a session is valid from 2026 until 2100.
const DEFAULT_NOW: u64 = 1_800_000_000;

#[derive(Deserialize)]
struct VectorFile {
    cases: Vec<UserSessionVector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserSessionVector {
    name: String,
    family: String,
    cookie_name: String,
    secrets: Vec<String>,
    cookie_header: Option<String>,
    authorization_header: Option<String>,
    now: Option<u64>,
    expect: LibraryVerdict,
    divergence: Option<LibraryDivergence>,
}

#[derive(Deserialize)]
struct LibraryVerdict {
    valid: bool,
    #[serde(default)]
    claims: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct LibraryDivergence {
    recommended: String,
}

impl UserSessionVector {
    /// Returns whether the session must be accepted. Each deviation from the library has its reason beside it.
    fn must_be_accepted(&self) -> bool {
        match self.name.as_str() {
            // The library reads the header only without a cookie. Here the Bearer token takes precedence.
            "v4-cookie-wins-over-bearer" => true,
            // The token is authentic, so the library accepts it, but it has no user id.
            "v4-missing-sub-and-id" | "v5-missing-sub-and-id" | "jws-missing-sub-and-id" => false,
            // The user id is in a claim that is not in the default `auth.id_claims`.
            "v4-nested-user" => false,
            // The vector file allows either verdict for the following vectors.
            // The first of two cookies with one name is used, as by the library.
            "v4-duplicate-last-valid" => false,
            // Every secret is tried, so that the secret of NextAuth can be rotated too.
            "v4-secret-list-unsupported" | "v5-no-kid-second-secret" => true,
            // A whole cookie takes precedence over its chunks, even if it is invalid.
            "v4-stale-whole-cookie-and-chunks" | "v5-stale-whole-cookie-and-chunks" => false,
            // Every cookie name is tried.
            "v4-other-scheme-cookie-only" => true,
            // A token with a `kid` is decrypted only by that key.
            "v5-wrong-kid" => false,
            // Quotes around the value of a cookie are removed.
            "v5-quoted-value" => true,
            // A session without an expiry is refused.
            "jws-no-exp" => false,
            // The clock tolerance is 15 seconds for every kind of token.
            "jws-expiry-first-invalid-second" => true,
            // HS256 is the only accepted signature algorithm.
            "jws-hs512" => false,
            name => match self.divergence.as_ref().map(|d| d.recommended.as_str()) {
                None => self.expect.valid,
                Some("valid") => true,
                Some("invalid") => false,
                Some(_) => panic!("{name}: either verdict is allowed, and none is chosen"),
            },
        }
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.now.unwrap_or(DEFAULT_NOW))
    }

    /// Returns the configuration for the application that created the session.
    fn config(&self) -> AuthConfig {
        let mut config = AuthConfig::default();
        let accept = match self.family.as_str() {
            "next-auth@4" => "next-auth",
            "next-auth@5" => "authjs",
            _ => "jwt",
        };
        config.accept = vec![accept.parse().unwrap()];
        if !(config.cookies.iter()).any(|cookie| cookie.as_str() == self.cookie_name) {
            config.cookies = vec![self.cookie_name.parse().unwrap()];
        }
        config
    }

    async fn verify(&self, config: AuthConfig) -> Result<UserSession, SessionError> {
        let secrets = Secrets::from_list(&self.secrets.join(",")).unwrap();
        let credentials = Credentials::from_headers(
            self.authorization_header.as_deref().map(str::as_bytes),
            self.cookie_header.as_deref().map(str::as_bytes),
            &config.cookies,
        );
        let verifier = UserSessionVerifier::with_secrets(&config, &secrets);
        verifier.session(&credentials, self.now()).await
    }
}

fn vectors() -> Vec<UserSessionVector> {
    serde_json::from_str::<VectorFile>(VECTORS).unwrap().cases
}

fn vector(name: &str) -> UserSessionVector {
    let mut vectors = vectors().into_iter();
    vectors.find(|vector| vector.name == name).unwrap()
}

#[tokio::test]
async fn every_session_gets_the_verdict_of_the_library() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 178);
    let (mut accepted, mut refused) = (0, 0);
    for vector in vectors {
        let name = &vector.name;
        let session = vector.verify(vector.config()).await;
        assert_eq!(
            session.is_ok(),
            vector.must_be_accepted(),
            "{name}: {session:?}"
        );
        match session.is_ok() {
            true => accepted += 1,
            false => refused += 1,
        }
        // The file has the claims only of sessions that the library accepts.
        let (Ok(session), true) = (session, vector.expect.valid) else {
            continue;
        };
        let text = |claim| {
            vector
                .expect
                .claims
                .get(claim)
                .and_then(|text| text.as_str())
        };
        let principal = session.principal;
        let id = text("id").or(text("sub"));
        assert_eq!(Some(principal.id.as_str()), id, "{name}");
        assert_eq!(principal.name.as_deref(), text("name"), "{name}");
        assert_eq!(principal.email.as_deref(), text("email"), "{name}");
        let expires_at = session.expires_at.duration_since(UNIX_EPOCH).unwrap();
        let exp = vector.expect.claims.get("exp").and_then(|exp| exp.as_f64());
        assert_eq!(
            Some(expires_at.as_secs_f64()),
            exp.map(|exp| exp + 15.0),
            "{name}"
        );
    }
    assert_eq!((accepted, refused), (63, 115));
}

#[tokio::test]
async fn verdict_does_not_depend_on_other_accepted_kinds() {
    for vector in vectors() {
        let mut config = vector.config();
        config.accept = AuthConfig::default().accept;
        let is_accepted = vector.verify(config).await.is_ok();
        // These are refused only because they belong to another family.
        let sessions_of_other_families = [
            "v4-given-v5-token",
            "v4-given-jws-hs256",
            "v5-given-v4-token",
            "v5-given-jws-hs256",
            "jws-given-v4-jwe",
        ];
        let expected =
            vector.must_be_accepted() || sessions_of_other_families.contains(&vector.name.as_str());
        assert_eq!(is_accepted, expected, "{}", vector.name);
    }
}

#[tokio::test]
async fn user_id_is_read_from_the_configured_nested_claim() {
    let vector = vector("v4-nested-user");
    let mut config = vector.config();
    config.id_claims = vec!["user.id".parse().unwrap()];
    let session = vector.verify(config).await.unwrap();
    assert_eq!(session.principal.id.as_str(), "user_42");
}

#[tokio::test]
async fn token_from_a_header_or_payload_is_tried_with_every_cookie_name() {
    let names = [
        ("v4-default", 4),
        ("v4-secure", 4),
        ("v5-default", 4),
        ("v5-secure", 4),
        ("v5-legacy-cookie-name", 4),
        ("v5-custom-cookie-name", 1),
        ("v5-a256gcm-with-kid", 4),
    ];
    for (name, cookie_count) in names {
        let mut vector = vector(name);
        let header = vector.cookie_header.take().unwrap();
        let (_, token) = header.split_once('=').unwrap();
        vector.authorization_header = Some(format!("Bearer {token}"));
        let config = vector.config();
        assert_eq!(config.cookies.len(), cookie_count, "{name}");
        assert!(vector.verify(config.clone()).await.is_ok(), "{name}");

        let credentials = Credentials::default().with_payload(Some(token));
        let secrets = Secrets::from_list(&vector.secrets.join(",")).unwrap();
        let verifier = UserSessionVerifier::with_secrets(&config, &secrets);
        assert!(verifier.session(&credentials, vector.now()).await.is_ok());
    }
}

#[tokio::test]
async fn session_with_any_changed_character_is_refused() {
    for name in ["v4-default", "v5-default", "v5-a256gcm-no-kid", "jws-hs256"] {
        let mut vector = vector(name);
        let header = vector.cookie_header.clone().unwrap();
        let start = header.find('=').unwrap() + 1;
        for at in start..header.len() {
            let other = match &header[at..=at] {
                "A" => "B",
                _ => "A",
            };
            let mut changed = header.clone();
            changed.replace_range(at..=at, other);
            vector.cookie_header = Some(changed);
            let refused = vector.verify(vector.config()).await;
            assert!(
                matches!(refused, Err(SessionError::Refused(_))),
                "{name} at {at}"
            );
        }
    }
}

#[tokio::test]
async fn stale_session_of_a_library_that_is_not_accepted_does_not_hide_a_good_one() {
    const V4: &str = "next-auth.session-token";
    const V5: &str = "authjs.session-token";
    const SECURE_V4: &str = "__Secure-next-auth.session-token";
    const SECURE_V5: &str = "__Secure-authjs.session-token";
    let token = |name: &str| {
        let header = vector(name).cookie_header.unwrap();
        header.split_once('=').unwrap().1.to_owned()
    };
    for (good, good_name, stale, stale_names) in [
        (
            "v4-default",
            V4,
            "v5-default",
            [SECURE_V5, V5, SECURE_V4, V4].as_slice(),
        ),
        ("v4-default", V5, "v5-default", &[SECURE_V5, V5]),
        ("v5-legacy-cookie-name", V4, "v4-default", &[SECURE_V4]),
        ("v5-default", V5, "v4-default", &[V4, SECURE_V4]),
        ("jws-hs256", V4, "v4-default", &[SECURE_V4, V5, SECURE_V5]),
        (
            "jws-hs256",
            V4,
            "v5-default",
            &[SECURE_V4, V4, V5, SECURE_V5],
        ),
    ] {
        for stale_name in stale_names {
            let mut vector = vector(good);
            let cookies = format!("{stale_name}={}; {good_name}={}", token(stale), token(good));
            vector.cookie_header = Some(cookies);
            let session = vector.verify(vector.config()).await;
            assert!(
                session.is_ok(),
                "{good} beside {stale} as {stale_name}: {session:?}"
            );
        }
    }
}
