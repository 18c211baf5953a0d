//! The keys of encrypted sessions, derived from the secrets once, at the start.
//!
//! NextAuth 4 has one key for each secret. Auth.js 5 has one for each secret and each name of its cookie, which is the
//! salt; its tokens name their key by a fingerprint (`kid`). A token that did not come in a cookie does not say which
//! name it was made for, so that all of them are tried.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use sha2::{Digest, Sha256, Sha512};

use super::{Secrets, claims::TokenError, jwe::Jwe};
use crate::config::{CookieName, TokenKind};

/// Keys that open encrypted sessions. They never show themselves.
pub(super) struct Keyring {
    next_auth: Vec<[u8; 32]>,
    /// For each name of the cookie, in the order of the configuration, the keys of all secrets.
    authjs: Vec<Vec<AuthjsKey>>,
}

/// A key of Auth.js: all of it for `A256CBC-HS512`, its first half for the `A256GCM` of earlier versions.
struct AuthjsKey {
    key: [u8; 64],
    kid_cbc: String,
    kid_gcm: String,
}

impl Keyring {
    /// The keys of all kinds that are accepted.
    pub(super) fn new(secrets: &Secrets, cookies: &[CookieName], accept: &[TokenKind]) -> Self {
        let next_auth = |secret| derived(secret, "", "NextAuth.js Generated Encryption Key");
        let authjs = |cookie: &CookieName| {
            let keys = secrets.iter().map(|secret| AuthjsKey::new(secret, cookie));
            keys.collect()
        };
        Self {
            next_auth: match accept.contains(&TokenKind::NextAuth) {
                true => secrets.iter().map(next_auth).collect(),
                false => Vec::new(),
            },
            authjs: match accept.contains(&TokenKind::Authjs) {
                true => cookies.iter().map(authjs).collect(),
                false => Vec::new(),
            },
        }
    }

    /// What is inside the token, which came in the cookie with this place among the names, or in none.
    pub(super) fn open(&self, token: &str, cookie: Option<usize>) -> Result<Vec<u8>, TokenError> {
        let jwe = Jwe::parse(token)?;
        let salted = match cookie {
            Some(place) => self.authjs.get(place..=place).unwrap_or_default(),
            None => &self.authjs,
        };
        let salted = salted.iter().flatten().filter(|key| key.fits(&jwe));
        let opened = match jwe.is_cbc() {
            true => salted.into_iter().find_map(|key| jwe.open_cbc(&key.key)),
            // NextAuth does not look at a key's name.
            false => (self.next_auth.iter())
                .chain(salted.filter_map(|key| key.key.first_chunk()))
                .find_map(|key| jwe.open_gcm(key)),
        };
        opened.ok_or(TokenError::Forged)
    }
}

impl AuthjsKey {
    fn new(secret: &str, cookie: &CookieName) -> Self {
        let cookie = cookie.as_str();
        let info = format!("Auth.js Generated Encryption Key ({cookie})");
        let key: [u8; 64] = derived(secret, cookie, &info);
        Self {
            kid_cbc: URL_SAFE_NO_PAD.encode(Sha512::digest(public_form(&key))),
            kid_gcm: URL_SAFE_NO_PAD.encode(Sha256::digest(public_form(&key[..32]))),
            key,
        }
    }

    /// Whether the token asks for this key, or for none.
    fn fits(&self, jwe: &Jwe) -> bool {
        let kid = match jwe.is_cbc() {
            true => &self.kid_cbc,
            false => &self.kid_gcm,
        };
        jwe.kid().is_none_or(|asked| asked == kid)
    }
}

/// The key as RFC 7638 has it fingerprinted.
fn public_form(key: &[u8]) -> String {
    format!(r#"{{"k":"{}","kty":"oct"}}"#, URL_SAFE_NO_PAD.encode(key))
}

fn derived<const N: usize>(secret: &str, salt: &str, info: &str) -> [u8; N] {
    let mut key = [0; N];
    Hkdf::<Sha256>::new(Some(salt.as_bytes()), secret.as_bytes())
        .expand(info.as_bytes(), &mut key)
        .expect("two digests' length is far within what HKDF gives");
    key
}
