//! Sessions as real libraries made and judged them (`tests/vectors/nextauth-sessions.json`), put to [`Auth`] with the
//! headers that a browser would send.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::{Auth, AuthError, Credentials, Secrets, Session};
use crate::config;

const VECTORS: &str = include_str!("../../tests/vectors/nextauth-sessions.json");

/// A case without a time of its own holds from 2026 until 2100.
const ANY_TIME: u64 = 1_800_000_000;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    family: String,
    cookie_name: String,
    secrets: Vec<String>,
    cookie_header: Option<String>,
    authorization_header: Option<String>,
    now: Option<u64>,
    expect: Expect,
    divergence: Option<Divergence>,
}

#[derive(Deserialize)]
struct Expect {
    valid: bool,
    #[serde(default)]
    claims: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Divergence {
    recommended: String,
}

impl Case {
    /// Whether the session is to be taken, where we differ from the library with the reason for it.
    fn is_good(&self) -> bool {
        match self.name.as_str() {
            // The library reads the header only when there is no cookie. With us the Bearer decides.
            "v4-cookie-wins-over-bearer" => true,
            // Authentic, so the library takes it, but it names no user.
            "v4-missing-sub-and-id" | "v5-missing-sub-and-id" | "jws-missing-sub-and-id" => false,
            // It names its user where `auth.id_claims` does not look by default.
            "v4-nested-user" => false,
            // Of the cases in which either would do:
            // of two cookies with one name the first counts, as for the library;
            "v4-duplicate-last-valid" => false,
            // every secret is tried, so that NextAuth's can be replaced too;
            "v4-secret-list-unsupported" | "v5-no-kid-second-secret" => true,
            // a whole cookie goes before its chunks, and decides also when it is bad;
            "v4-stale-whole-cookie-and-chunks" | "v5-stale-whole-cookie-and-chunks" => false,
            // the cookie is looked for under each of its names;
            "v4-other-scheme-cookie-only" => true,
            // a key that a token asks for by name is the only one that opens it;
            "v5-wrong-kid" => false,
            // quotes around a cookie's value are taken off;
            "v5-quoted-value" => true,
            // a session without an end is refused;
            "jws-no-exp" => false,
            // the tolerance is the same everywhere, 15 seconds;
            "jws-expiry-first-invalid-second" => true,
            // one algorithm is enough.
            "jws-hs512" => false,
            name => match self.divergence.as_ref().map(|d| d.recommended.as_str()) {
                None => self.expect.valid,
                Some("valid") => true,
                Some("invalid") => false,
                Some(_) => panic!("{name}: either would do, and none is chosen"),
            },
        }
    }

    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.now.unwrap_or(ANY_TIME))
    }

    /// What the application of the case has set.
    fn config(&self) -> config::Auth {
        let mut config = config::Auth::default();
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

    async fn judge(&self, config: config::Auth) -> Result<Session, AuthError> {
        let secrets = Secrets::from_list(&self.secrets.join(",")).unwrap();
        let credentials = Credentials::from_headers(
            self.authorization_header.as_deref().map(str::as_bytes),
            self.cookie_header.as_deref().map(str::as_bytes),
            &config.cookies,
        );
        let auth = Auth::by_secrets(&config, &secrets);
        auth.session(&credentials, self.now()).await
    }
}

fn cases() -> Vec<Case> {
    serde_json::from_str::<Vectors>(VECTORS).unwrap().cases
}

fn case(name: &str) -> Case {
    let mut cases = cases().into_iter();
    cases.find(|case| case.name == name).unwrap()
}

#[tokio::test]
async fn every_session_is_judged_as_the_libraries_judge_it() {
    let cases = cases();
    assert_eq!(cases.len(), 178);
    let (mut good, mut bad) = (0, 0);
    for case in cases {
        let name = &case.name;
        let session = case.judge(case.config()).await;
        assert_eq!(session.is_ok(), case.is_good(), "{name}: {session:?}");
        match session.is_ok() {
            true => good += 1,
            false => bad += 1,
        }
        // Of a session that only we take, the file does not say what is in it.
        let (Ok(session), true) = (session, case.expect.valid) else {
            continue;
        };
        let text = |claim| case.expect.claims.get(claim).and_then(|text| text.as_str());
        let principal = session.principal;
        let id = text("id").or(text("sub"));
        assert_eq!(Some(principal.id.as_str()), id, "{name}");
        assert_eq!(principal.name.as_deref(), text("name"), "{name}");
        assert_eq!(principal.email.as_deref(), text("email"), "{name}");
        let end = session.expires_at.duration_since(UNIX_EPOCH).unwrap();
        let exp = case.expect.claims.get("exp").and_then(|exp| exp.as_f64());
        assert_eq!(Some(end.as_secs_f64()), exp.map(|exp| exp + 15.0), "{name}");
    }
    assert_eq!((good, bad), (63, 115));
}

#[tokio::test]
async fn the_judgement_does_not_depend_on_what_else_is_accepted() {
    for case in cases() {
        let mut config = case.config();
        config.accept = config::Auth::default().accept;
        let good = case.judge(config).await.is_ok();
        // What is one family's refusal because it is the other's session.
        let of_another_family = [
            "v4-given-v5-token",
            "v4-given-jws-hs256",
            "v5-given-v4-token",
            "v5-given-jws-hs256",
            "jws-given-v4-jwe",
        ];
        let is_good = case.is_good() || of_another_family.contains(&case.name.as_str());
        assert_eq!(good, is_good, "{}", case.name);
    }
}

#[tokio::test]
async fn a_user_inside_an_object_is_found_where_the_configuration_looks() {
    let case = case("v4-nested-user");
    let mut config = case.config();
    config.id_claims = vec!["user.id".parse().unwrap()];
    let session = case.judge(config).await.unwrap();
    assert_eq!(session.principal.id.as_str(), "user_42");
}

#[tokio::test]
async fn a_session_that_comes_in_no_cookie_is_tried_with_the_names_of_all() {
    let names = [
        ("v4-default", 4),
        ("v4-secure", 4),
        ("v5-default", 4),
        ("v5-secure", 4),
        ("v5-legacy-cookie-name", 4),
        ("v5-custom-cookie-name", 1),
        ("v5-a256gcm-with-kid", 4),
    ];
    for (name, known) in names {
        let mut case = case(name);
        let header = case.cookie_header.take().unwrap();
        let (_, token) = header.split_once('=').unwrap();
        case.authorization_header = Some(format!("Bearer {token}"));
        let config = case.config();
        assert_eq!(config.cookies.len(), known, "{name}");
        assert!(case.judge(config.clone()).await.is_ok(), "{name}");

        let credentials = Credentials::default().with_payload(Some(token));
        let secrets = Secrets::from_list(&case.secrets.join(",")).unwrap();
        let auth = Auth::by_secrets(&config, &secrets);
        assert!(auth.session(&credentials, case.now()).await.is_ok());
    }
}

#[tokio::test]
async fn a_changed_letter_anywhere_makes_a_session_worthless() {
    for name in ["v4-default", "v5-default", "v5-a256gcm-no-kid", "jws-hs256"] {
        let mut case = case(name);
        let header = case.cookie_header.clone().unwrap();
        let start = header.find('=').unwrap() + 1;
        for at in start..header.len() {
            let other = match &header[at..=at] {
                "A" => "B",
                _ => "A",
            };
            let mut changed = header.clone();
            changed.replace_range(at..=at, other);
            case.cookie_header = Some(changed);
            let refused = case.judge(case.config()).await;
            assert_eq!(refused, Err(AuthError::Unauthorized), "{name} at {at}");
        }
    }
}
