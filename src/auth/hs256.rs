//! HMAC-SHA-256 for jsonwebtoken, by the crates hmac and sha2.
//!
//! The providers that come with jsonwebtoken support every algorithm of JWT: one builds a large C library, the other depends
//! on an RSA implementation with an open advisory. The service needs HS256 alone ([RFC 7518 §3.2]), and hmac and sha2 for
//! encrypted sessions anyway.
//!
//! [RFC 7518 §3.2]: https://www.rfc-editor.org/rfc/rfc7518#section-3.2

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use sha2::Sha256;
use signature::{Error, Signer, Verifier};

/// A provider of HS256. Other algorithms and keys of other algorithms are refused.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key: &EncodingKey| {
        require_hs256(*algorithm, key.family())?;
        Ok(Box::new(Hs256::new(key.as_bytes())?))
    },
    verifier_factory: |algorithm, key: &DecodingKey| {
        require_hs256(*algorithm, key.family())?;
        Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes jsonwebtoken use this provider in the whole process.
pub(super) fn install() {
    // An error means that a provider is already installed; this is the only one of the process.
    let _ = PROVIDER.install_default();
}

/// A keyed HMAC-SHA-256 before its first byte.
struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> Result<Self> {
        let mac = Hmac::new_from_slice(key).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self(mac))
    }

    fn over(&self, message: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(message)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(self.over(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    /// Compares in constant time.
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        self.over(message)
            .verify_slice(signature)
            .map_err(Error::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

fn require_hs256(algorithm: Algorithm, family: AlgorithmFamily) -> Result<()> {
    if algorithm != Algorithm::HS256 {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    if family != AlgorithmFamily::Hmac {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    use jsonwebtoken::crypto;

    use super::*;

    /// The example of [RFC 7515 A.1](https://www.rfc-editor.org/rfc/rfc7515#appendix-A.1).
    const MESSAGE: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const KEY: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

    fn verify(signature: &str, message: &str) -> Result<bool> {
        install();
        let key = DecodingKey::from_secret(&URL_SAFE_NO_PAD.decode(KEY).unwrap());
        crypto::verify(signature, message.as_bytes(), &key, Algorithm::HS256)
    }

    #[test]
    fn example_of_the_standard_is_signed_and_verified() {
        install();
        let key = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(KEY).unwrap());
        let signature = crypto::sign(MESSAGE.as_bytes(), &key, Algorithm::HS256);
        assert_eq!(signature, Ok(SIGNATURE.to_owned()));
        assert_eq!(verify(SIGNATURE, MESSAGE), Ok(true));
    }

    #[test]
    fn changed_message_and_changed_or_shortened_signature_are_refused() {
        assert_eq!(verify(SIGNATURE, &MESSAGE[1..]), Ok(false));
        assert_eq!(verify(&SIGNATURE.replace('d', "e"), MESSAGE), Ok(false));
        assert_eq!(verify("", MESSAGE), Ok(false));
        assert_eq!(
            verify("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_w", MESSAGE),
            Ok(false)
        );
    }

    #[test]
    fn other_algorithms_and_keys_are_refused() {
        install();
        let secret = DecodingKey::from_secret(b"secret");
        let other = crypto::verify(SIGNATURE, MESSAGE.as_bytes(), &secret, Algorithm::HS512);
        assert_eq!(*other.unwrap_err().kind(), ErrorKind::InvalidAlgorithm);
        let public_key = DecodingKey::from_ed_der(b"a public key");
        let other = crypto::verify(SIGNATURE, MESSAGE.as_bytes(), &public_key, Algorithm::HS256);
        assert_eq!(*other.unwrap_err().kind(), ErrorKind::InvalidKeyFormat);
    }
}
