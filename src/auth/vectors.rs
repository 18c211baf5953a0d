//! Signed sessions as real libraries made and judged them (`tests/vectors/nextauth-sessions.json`),
//! put to [`Auth`] with the headers that a browser would send.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::Value;

use super::{Auth, Credentials, Secrets, Source};

const VECTORS: &str = include_str!("../../tests/vectors/nextauth-sessions.json");

/// The families whose tokens are signed, not encrypted.
const SIGNED: [&str; 2] = ["jsonwebtoken", "jose"];

/// A case without a time of its own holds from 2026 until 2100.
const ANY_TIME: u64 = 1_800_000_000;

#[derive(Deserialize)]
struct Vectors {
    cases: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
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
    claims: Claims,
}

/// What the library read, without what it is not asked for.
#[derive(Default, Deserialize)]
struct Claims {
    id: Option<String>,
    sub: Option<String>,
    name: Option<String>,
    email: Option<String>,
    exp: Option<f64>,
}

#[derive(Deserialize)]
struct Divergence {
    recommended: String,
}

impl Case {
    /// Whether the session is to be taken, where we differ from the library with the reason for it.
    fn is_good(&self) -> bool {
        match self.name.as_str() {
            // Authentic, so the library takes it, but it names no user.
            "jws-missing-sub-and-id" => false,
            // Either would do: a session without an end is refused.
            "jws-no-exp" => false,
            // Either would do: the tolerance is the same everywhere, 15 seconds.
            "jws-expiry-first-invalid-second" => true,
            // Either would do: one algorithm is enough.
            "jws-hs512" => false,
            name => match self
                .divergence
                .as_ref()
                .map(|divergence| divergence.recommended.as_str())
            {
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
}

fn signed_cases() -> Vec<Case> {
    let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
    let signed = |case: &Value| SIGNED.contains(&case["family"].as_str().unwrap());
    vectors
        .cases
        .into_iter()
        .filter(signed)
        .map(|case| serde_json::from_value(case).unwrap())
        .collect()
}

#[test]
fn signed_sessions_are_judged_as_the_libraries_judge_them() {
    let cases = signed_cases();
    assert_eq!(cases.len(), 34);
    for case in cases {
        let name = &case.name;
        let auth = Auth::new(&Secrets::from_list(&case.secrets.join(",")).unwrap());
        let credentials = Credentials::from_headers(
            case.authorization_header.as_deref().map(str::as_bytes),
            case.cookie_header.as_deref().map(str::as_bytes),
        );
        match credentials.source() {
            Some(Source::Cookie(cookie)) => assert_eq!(cookie, case.cookie_name, "{name}"),
            other => panic!("{name}: found in {other:?}"),
        }
        let session = auth.session(&credentials, case.now());
        assert_eq!(session.is_ok(), case.is_good(), "{name}: {session:?}");
        // Of a session that only we take, the file does not say what is in it.
        let (Ok(session), true) = (session, case.expect.valid) else {
            continue;
        };
        let claims = case.expect.claims;
        assert_eq!(
            Some(session.principal.id.to_string()),
            claims.id.or(claims.sub),
            "{name}"
        );
        assert_eq!(session.principal.name, claims.name, "{name}");
        assert_eq!(session.principal.email, claims.email, "{name}");
        let end = session
            .expires_at
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        assert_eq!(Some(end), claims.exp.map(|exp| exp + 15.0), "{name}");
    }
}
