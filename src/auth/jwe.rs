//! An encrypted token: a compact JWE whose key both sides have (`"alg": "dir"`, RFC 7516 and 7518), as NextAuth 4 and
//! Auth.js 5 write their sessions.
//!
//! Five parts stand between dots: header, encrypted key (empty, as both sides have it), initialisation vector,
//! ciphertext and tag. A [`Jwe`] that exists has a header that we know and parts of the lengths that belong to it; a
//! shortened tag, which would be guessed soon, is none. Nothing is decrypted before the whole tag was
//! found right, in constant time, and the header counts letter by letter, as the tag covers it.

use aes::Aes256;
use aes_gcm::{
    Aes256Gcm,
    aead::{AeadInOut, KeyInit},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cbc::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::Pkcs7};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Deserializer, de::IgnoredAny};
use sha2::Sha512;

use super::claims::TokenError;

/// A token of which only the key is missing.
pub(super) struct Jwe<'a> {
    /// The header as it was sent.
    authenticated: &'a str,
    kid: Option<String>,
    cipher: Cipher,
    ciphertext: Vec<u8>,
}

/// How a token is encrypted, with what that takes beside the key.
enum Cipher {
    /// `A256GCM`.
    Gcm { iv: [u8; 12], tag: [u8; 16] },
    /// `A256CBC-HS512`.
    CbcHs512 { iv: [u8; 16], tag: [u8; 32] },
}

/// What is asked of a header; whatever else stands in it has no meaning here.
#[derive(Deserialize)]
struct Header {
    alg: String,
    enc: String,
    kid: Option<String>,
    /// Extensions that must be understood. None is.
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    /// A compressed payload, which may be a bomb.
    #[serde(default, deserialize_with = "present")]
    zip: bool,
}

impl<'a> Jwe<'a> {
    /// Takes a token apart.
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        let mut parts = token.split('.');
        let mut part = || parts.next().ok_or(TokenError::Malformed);
        let [header, key, iv, ciphertext, tag] = [part()?, part()?, part()?, part()?, part()?];
        if parts.next().is_some() || !key.is_empty() {
            return Err(TokenError::Malformed);
        }
        let authenticated = header;
        let header: Header =
            serde_json::from_slice(&decoded(header)?).map_err(|_| TokenError::Malformed)?;
        if header.alg != "dir" || header.crit || header.zip {
            return Err(TokenError::Algorithm);
        }
        let cipher = match header.enc.as_str() {
            "A256GCM" => Cipher::Gcm {
                iv: exactly(iv)?,
                tag: exactly(tag)?,
            },
            "A256CBC-HS512" => Cipher::CbcHs512 {
                iv: exactly(iv)?,
                tag: exactly(tag)?,
            },
            _ => return Err(TokenError::Algorithm),
        };
        Ok(Self {
            authenticated,
            kid: header.kid,
            cipher,
            ciphertext: decoded(ciphertext)?,
        })
    }

    /// Which key it asks for, if it does.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it takes a key of 64 bytes, not of 32.
    pub(super) fn is_cbc(&self) -> bool {
        matches!(self.cipher, Cipher::CbcHs512 { .. })
    }

    /// What is inside, if it is encrypted with `A256GCM` and this key.
    pub(super) fn open_gcm(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        let Cipher::Gcm { iv, tag } = &self.cipher else {
            return None;
        };
        let mut text = self.ciphertext.clone();
        // This compares the tag first, and leaves the buffer alone when it is wrong.
        Aes256Gcm::new(key.into())
            .decrypt_inout_detached(
                iv.into(),
                self.authenticated.as_bytes(),
                text.as_mut_slice().into(),
                tag.into(),
            )
            .ok()?;
        Some(text)
    }

    /// What is inside, if it is encrypted with `A256CBC-HS512` and this key.
    pub(super) fn open_cbc(&self, key: &[u8; 64]) -> Option<Vec<u8>> {
        let Cipher::CbcHs512 { iv, tag } = &self.cipher else {
            return None;
        };
        let (mac_key, cipher_key) = key.split_first_chunk::<32>()?;
        let cipher_key = cipher_key.first_chunk::<32>()?;
        let bits = self.authenticated.len() as u64 * 8;
        let mut mac = Hmac::<Sha512>::new_from_slice(mac_key).ok()?;
        mac.update(self.authenticated.as_bytes());
        mac.update(iv);
        mac.update(&self.ciphertext);
        mac.update(&bits.to_be_bytes());
        // The tag is the first half of the code, all of it, as its type says.
        mac.verify_truncated_left(tag).ok()?;
        cbc::Decryptor::<Aes256>::new(cipher_key.into(), iv.into())
            .decrypt_padded_vec::<Pkcs7>(&self.ciphertext)
            .ok()
    }
}

/// Whether a member is there at all, `null` included.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(from).map(|_| true)
}

/// Bytes from base64url, in its one spelling: no padding, no bits left over.
fn decoded(text: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| TokenError::Malformed)
}

/// Likewise, where there must be so many.
fn exactly<const N: usize>(text: &str) -> Result<[u8; N], TokenError> {
    decoded(text)?.try_into().map_err(|_| TokenError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GCM: &str = r#"{"alg":"dir","enc":"A256GCM"}"#;

    fn parse(header: &str, rest: &str) -> Option<TokenError> {
        let token = format!("{}{rest}", URL_SAFE_NO_PAD.encode(header));
        Jwe::parse(&token).err()
    }

    /// An initialisation vector of 12 bytes, a ciphertext of 3, a tag of 16.
    fn parts() -> String {
        let [iv, tag] = [[0; 12].as_slice(), &[0; 16]].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        format!("..{iv}.AAAA.{tag}")
    }

    proptest! {
        #[test]
        fn whatever_comes_is_refused_and_nothing_breaks(
            cbc: bool,
            lengths in prop::array::uniform3(0_usize..40),
            noise in "[A-Za-z0-9_.=-]{0,200}",
        ) {
            prop_assert!(Jwe::parse(&noise).is_err());
            let enc = if cbc { "A256CBC-HS512" } else { "A256GCM" };
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"dir","enc":"{enc}"}}"#));
            let [iv, text, tag] = lengths.map(|n| URL_SAFE_NO_PAD.encode(vec![7; n]));
            let token = format!("{header}..{iv}.{text}.{tag}");
            let [iv, _, tag] = lengths;
            let fits = if cbc { (iv, tag) == (16, 32) } else { (iv, tag) == (12, 16) };
            prop_assert_eq!(Jwe::parse(&token).is_ok(), fits);
        }

        #[test]
        fn no_key_opens_what_nobody_sealed(cbc: bool, length in 0_usize..100, byte: u8) {
            let enc = if cbc { "A256CBC-HS512" } else { "A256GCM" };
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"dir","enc":"{enc}"}}"#));
            let (iv, tag) = if cbc { (16, 32) } else { (12, 16) };
            let [iv, text, tag] = [iv, length, tag].map(|n| URL_SAFE_NO_PAD.encode(vec![byte; n]));
            let token = format!("{header}..{iv}.{text}.{tag}");
            let jwe = Jwe::parse(&token).unwrap();
            prop_assert_eq!(jwe.open_gcm(&[byte; 32]), None);
            prop_assert_eq!(jwe.open_cbc(&[byte; 64]), None);
        }
    }

    #[test]
    fn a_header_is_taken_with_whatever_else_it_says() {
        assert_eq!(parse(GCM, &parts()), None);
        let more = r#"{"typ":"JWT","alg":"dir","kid":"k","enc":"A256GCM","x":[1]}"#;
        assert_eq!(parse(more, &parts()), None);
    }

    #[test]
    fn a_header_that_says_something_twice_is_none() {
        for twice in [
            r#"{"alg":"dir","enc":"A256GCM","alg":"dir"}"#,
            r#"{"alg":"none","enc":"A256GCM","alg":"dir"}"#,
            r#"{"alg":"dir","enc":"A256GCM","kid":"a","kid":"b"}"#,
        ] {
            assert_eq!(
                parse(twice, &parts()),
                Some(TokenError::Malformed),
                "{twice}"
            );
        }
    }

    #[test]
    fn compression_and_extensions_are_refused_also_as_null() {
        for more in [
            r#""zip":"DEF""#,
            r#""zip":null"#,
            r#""crit":["x"]"#,
            r#""crit":null"#,
        ] {
            let header = format!(r#"{{"alg":"dir","enc":"A256GCM",{more}}}"#);
            assert_eq!(
                parse(&header, &parts()),
                Some(TokenError::Algorithm),
                "{more}"
            );
        }
    }

    #[test]
    fn a_key_identifier_is_a_text() {
        let header = r#"{"alg":"dir","enc":"A256GCM","kid":7}"#;
        assert_eq!(parse(header, &parts()), Some(TokenError::Malformed));
    }

    #[test]
    fn no_part_may_be_longer_or_shorter_than_it_is() {
        for wrong in [
            parts().replacen("..", ".AAAA.", 1),
            parts() + "AAAA",
            parts() + "=",
            parts() + ".",
            parts().replace(".AAAA.", ".AAA=."),
            parts().replace(".AAAA.", ".AAB."),
            parts().replace(".AAAA.", ".AA+A."),
            parts().replace(".AAAA.", ".A A."),
            parts().replace("..", "..AAAA"),
        ] {
            assert_eq!(parse(GCM, &wrong), Some(TokenError::Malformed), "{wrong}");
        }
    }
}
