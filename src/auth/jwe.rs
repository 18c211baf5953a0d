//! Parses and decrypts an encrypted token: a compact JWE with a shared key (`"alg": "dir"`, RFC 7516 and 7518), the
//! session format of NextAuth 4 and Auth.js 5.
//!
//! A token has five parts separated by dots: header, encrypted key (empty), initialisation vector, ciphertext and tag.
//! A [`Jwe`] has a known header and parts of the required lengths; a shortened tag, which could be guessed, is rejected.
//! Nothing is decrypted before the whole tag is verified, in constant time. The tag covers the header as it was sent.

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

use super::session_refusal::SessionRefusal;

/// A parsed token, not decrypted yet.
pub(super) struct Jwe<'a> {
    /// The header as it was sent, which the tag authenticates.
    authenticated: &'a str,
    kid: Option<String>,
    cipher: JweCipher,
    ciphertext: Vec<u8>,
}

/// The encryption of a token, with its parameters.
enum JweCipher {
    /// `A256GCM`.
    Gcm { iv: [u8; 12], tag: [u8; 16] },
    /// `A256CBC-HS512`.
    CbcHs512 { iv: [u8; 16], tag: [u8; 32] },
}

/// The members of a header that are checked; others are ignored.
#[derive(Deserialize)]
struct JweHeader {
    alg: String,
    enc: String,
    kid: Option<String>,
    /// Whether the header requires extensions. None is supported.
    #[serde(default, deserialize_with = "is_present")]
    crit: bool,
    /// Whether the payload is compressed. It is rejected, because it may be a decompression bomb.
    #[serde(default, deserialize_with = "is_present")]
    zip: bool,
}

impl<'a> Jwe<'a> {
    /// Parses a token.
    pub(super) fn parse(token: &'a str) -> Result<Self, SessionRefusal> {
        let mut parts = token.split('.');
        let mut part = || parts.next().ok_or(SessionRefusal::Malformed);
        let [header, key, iv, ciphertext, tag] = [part()?, part()?, part()?, part()?, part()?];
        if parts.next().is_some() || !key.is_empty() {
            return Err(SessionRefusal::Malformed);
        }
        let authenticated = header;
        let header: JweHeader =
            serde_json::from_slice(&decode(header)?).map_err(|_| SessionRefusal::Malformed)?;
        if header.alg != "dir" || header.crit || header.zip {
            return Err(SessionRefusal::AlgorithmNotAllowed);
        }
        let cipher = match header.enc.as_str() {
            "A256GCM" => JweCipher::Gcm {
                iv: decode_exact(iv)?,
                tag: decode_exact(tag)?,
            },
            "A256CBC-HS512" => JweCipher::CbcHs512 {
                iv: decode_exact(iv)?,
                tag: decode_exact(tag)?,
            },
            _ => return Err(SessionRefusal::AlgorithmNotAllowed),
        };
        Ok(Self {
            authenticated,
            kid: header.kid,
            cipher,
            ciphertext: decode(ciphertext)?,
        })
    }

    /// Returns the identifier of the key, if the token has one.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns whether the token needs a key of 64 bytes instead of 32.
    pub(super) fn is_cbc(&self) -> bool {
        matches!(self.cipher, JweCipher::CbcHs512 { .. })
    }

    /// Returns the payload, if it is encrypted with `A256GCM` and this key.
    pub(super) fn decrypt_gcm(&self, key: &[u8; 32]) -> Option<Vec<u8>> {
        let JweCipher::Gcm { iv, tag } = &self.cipher else {
            return None;
        };
        let mut text = self.ciphertext.clone();
        // This verifies the tag first, and does not change the buffer if it is wrong.
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

    /// Returns the payload, if it is encrypted with `A256CBC-HS512` and this key.
    pub(super) fn decrypt_cbc(&self, key: &[u8; 64]) -> Option<Vec<u8>> {
        let JweCipher::CbcHs512 { iv, tag } = &self.cipher else {
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
        // The tag is exactly the first half of the code; its array type ensures the length.
        mac.verify_truncated_left(tag).ok()?;
        cbc::Decryptor::<Aes256>::new(cipher_key.into(), iv.into())
            .decrypt_padded_vec::<Pkcs7>(&self.ciphertext)
            .ok()
    }
}

/// Reads a member of any value, `null` included, as `true`.
fn is_present<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(from).map(|_| true)
}

/// Decodes base64url in its canonical form: without padding and without trailing bits.
fn decode(text: &str) -> Result<Vec<u8>, SessionRefusal> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| SessionRefusal::Malformed)
}

/// Decodes base64url to exactly `N` bytes.
fn decode_exact<const N: usize>(text: &str) -> Result<[u8; N], SessionRefusal> {
    decode(text)?
        .try_into()
        .map_err(|_| SessionRefusal::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GCM: &str = r#"{"alg":"dir","enc":"A256GCM"}"#;

    fn parse(header: &str, rest: &str) -> Option<SessionRefusal> {
        let token = format!("{}{rest}", URL_SAFE_NO_PAD.encode(header));
        Jwe::parse(&token).err()
    }

    /// Returns an initialisation vector of 12 bytes, a ciphertext of 3 and a tag of 16, encoded.
    fn parts() -> String {
        let [iv, tag] = [[0; 12].as_slice(), &[0; 16]].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        format!("..{iv}.AAAA.{tag}")
    }

    proptest! {
        #[test]
        fn arbitrary_input_is_rejected_without_a_panic(
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
        fn no_key_decrypts_an_unauthenticated_token(cbc: bool, length in 0_usize..100, byte: u8) {
            let enc = if cbc { "A256CBC-HS512" } else { "A256GCM" };
            let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"dir","enc":"{enc}"}}"#));
            let (iv, tag) = if cbc { (16, 32) } else { (12, 16) };
            let [iv, text, tag] = [iv, length, tag].map(|n| URL_SAFE_NO_PAD.encode(vec![byte; n]));
            let token = format!("{header}..{iv}.{text}.{tag}");
            let jwe = Jwe::parse(&token).unwrap();
            prop_assert_eq!(jwe.decrypt_gcm(&[byte; 32]), None);
            prop_assert_eq!(jwe.decrypt_cbc(&[byte; 64]), None);
        }
    }

    #[test]
    fn unknown_header_members_are_ignored() {
        assert_eq!(parse(GCM, &parts()), None);
        let more = r#"{"typ":"JWT","alg":"dir","kid":"k","enc":"A256GCM","x":[1]}"#;
        assert_eq!(parse(more, &parts()), None);
    }

    #[test]
    fn header_with_a_duplicate_member_is_rejected() {
        for twice in [
            r#"{"alg":"dir","enc":"A256GCM","alg":"dir"}"#,
            r#"{"alg":"none","enc":"A256GCM","alg":"dir"}"#,
            r#"{"alg":"dir","enc":"A256GCM","kid":"a","kid":"b"}"#,
        ] {
            assert_eq!(
                parse(twice, &parts()),
                Some(SessionRefusal::Malformed),
                "{twice}"
            );
        }
    }

    #[test]
    fn compression_and_extensions_are_rejected_even_as_null() {
        for more in [
            r#""zip":"DEF""#,
            r#""zip":null"#,
            r#""crit":["x"]"#,
            r#""crit":null"#,
        ] {
            let header = format!(r#"{{"alg":"dir","enc":"A256GCM",{more}}}"#);
            assert_eq!(
                parse(&header, &parts()),
                Some(SessionRefusal::AlgorithmNotAllowed),
                "{more}"
            );
        }
    }

    #[test]
    fn key_identifier_must_be_a_string() {
        let header = r#"{"alg":"dir","enc":"A256GCM","kid":7}"#;
        assert_eq!(parse(header, &parts()), Some(SessionRefusal::Malformed));
    }

    #[test]
    fn part_of_a_wrong_length_is_rejected() {
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
            assert_eq!(
                parse(GCM, &wrong),
                Some(SessionRefusal::Malformed),
                "{wrong}"
            );
        }
    }
}
