//! The rule that an insecure service listens on loopback addresses only.

use super::effective::Config;
use super::error::ConfigError;

/// Why a service may listen on loopback addresses only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopbackReason {
    /// No secret is set: the service generated one that no other application knows.
    GeneratedSecret,
    /// A secret is so short that an attacker with one session token could find it by brute force.
    ShortSecret,
    /// The demo signs in every visitor.
    Demo,
}

impl LoopbackReason {
    fn explanation(self) -> &'static str {
        match self {
            Self::GeneratedSecret => {
                "a service with a generated secret listens only on loopback: set AUTH_SECRET"
            }
            Self::ShortSecret => {
                "a service with a secret of fewer than 32 bytes listens only on loopback: generate one with `openssl rand -hex 32`"
            }
            Self::Demo => "the demo, which signs in every visitor, listens only on loopback",
        }
    }
}

impl Config {
    /// Checks that both listeners are bound to loopback addresses, as `reason` requires.
    ///
    /// # Errors
    /// [`ConfigError::NotLoopback`] with the key of the first listener that other machines could reach.
    pub fn require_loopback(&self, reason: LoopbackReason) -> Result<(), ConfigError> {
        let listeners = [
            ("server.bind", Some(self.server.bind)),
            ("admin.bind", self.admin.bind),
        ];
        for (key, bind) in listeners {
            if let Some(bind) = bind.filter(|bind| !bind.ip().to_canonical().is_loopback()) {
                let explanation = reason.explanation();
                return Err(ConfigError::NotLoopback {
                    key,
                    bind,
                    explanation,
                });
            }
        }
        Ok(())
    }
}
