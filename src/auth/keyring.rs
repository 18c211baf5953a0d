//! The keys of encrypted sessions, derived from the secrets at startup.
//!
//! NextAuth 4 has one key per secret. Auth.js 5 has one key per secret and cookie name, which is the salt; its tokens
//! identify their key by a fingerprint (`kid`). For a token from a header or payload the cookie name is unknown, so
//! the keys of all names are tried.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use sha2::{Digest, Sha256, Sha512};

use super::{
    credentials::CredentialSource, jwe::Jwe, secrets::Secrets, session_refusal::SessionRefusal,
};
use crate::config::{CookieName, TokenKind};

/// The keys that decrypt sessions. It has no `Debug`, so that keys cannot be logged.
pub(super) struct Keyring {
    next_auth: Vec<[u8; 32]>,
    /// The keys of all secrets for each cookie name, in the order of `auth.cookies`.
    authjs: Vec<Vec<AuthjsKey>>,
}

/// A key of Auth.js: the whole key for `A256CBC-HS512`, its first half for the `A256GCM` of earlier versions.
struct AuthjsKey {
    key: [u8; 64],
    kid_cbc: String,
    kid_gcm: String,
}

impl Keyring {
    /// Derives the keys of the accepted kinds.
    pub(super) fn new(secrets: &Secrets, cookies: &[CookieName], accept: &[TokenKind]) -> Self {
        let next_auth = |secret| derive_key(secret, "", "NextAuth.js Generated Encryption Key");
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

    /// Decrypts a token from this source.
    pub(super) fn decrypt(
        &self,
        token: &str,
        source: CredentialSource,
    ) -> Result<Vec<u8>, SessionRefusal> {
        let jwe = Jwe::parse(token)?;
        let by_cookie = match source {
            CredentialSource::Cookie(index) => self.authjs.get(index..=index).unwrap_or_default(),
            CredentialSource::Bearer | CredentialSource::Payload => &self.authjs,
        };
        let mut authjs = by_cookie.iter().flatten().filter(|key| key.matches(&jwe));
        let decrypted = match jwe.is_cbc() {
            true => authjs.find_map(|key| jwe.decrypt_cbc(&key.key)),
            // NextAuth ignores `kid`.
            false => (self.next_auth.iter())
                .chain(authjs.filter_map(|key| key.key.first_chunk()))
                .find_map(|key| jwe.decrypt_gcm(key)),
        };
        decrypted.ok_or(SessionRefusal::NotAuthentic)
    }
}

impl AuthjsKey {
    fn new(secret: &str, cookie: &CookieName) -> Self {
        let cookie = cookie.as_str();
        let info = format!("Auth.js Generated Encryption Key ({cookie})");
        let key: [u8; 64] = derive_key(secret, cookie, &info);
        Self {
            kid_cbc: URL_SAFE_NO_PAD.encode(Sha512::digest(fingerprint_input(&key))),
            kid_gcm: URL_SAFE_NO_PAD.encode(Sha256::digest(fingerprint_input(&key[..32]))),
            key,
        }
    }

    /// Returns whether the token names this key, or no key.
    fn matches(&self, jwe: &Jwe) -> bool {
        let kid = match jwe.is_cbc() {
            true => &self.kid_cbc,
            false => &self.kid_gcm,
        };
        jwe.kid().is_none_or(|named| named == kid)
    }
}

/// Returns the JSON form of the key whose digest is its fingerprint (RFC 7638).
fn fingerprint_input(key: &[u8]) -> String {
    format!(r#"{{"k":"{}","kty":"oct"}}"#, URL_SAFE_NO_PAD.encode(key))
}

fn derive_key<const N: usize>(secret: &str, salt: &str, info: &str) -> [u8; N] {
    let mut key = [0; N];
    Hkdf::<Sha256>::new(Some(salt.as_bytes()), secret.as_bytes())
        .expand(info.as_bytes(), &mut key)
        .expect("HKDF-SHA256 can derive up to 8160 bytes");
    key
}
