//! Who is speaking: from the headers of a request, or the auth payload of a socket, to a
//! [`Session`].
//!
//! [`Credentials`] finds the token, without judging it; [`Tokens`] judges it by the [`Secrets`]
//! that the service shares with the application that signs its users in. The first token that is
//! present decides: one that is bad is refused, whatever else was sent with it. [`Gate`] is what both
//! doors ask: it also records users at first sight.
//!
//! Time is always an argument. A session says itself when it ends, so that a socket can be let go
//! at the very moment from which it would not be let in.

mod credentials;
mod gate;
mod secrets;
mod token;
#[cfg(test)]
mod vectors;

use std::time::SystemTime;

pub use credentials::{Credentials, Source};
pub use gate::Gate;
pub use secrets::{Secrets, SecretsError};
pub use token::{CLOCK_TOLERANCE, Session, TokenError, Tokens};

/// Why nobody is speaking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is no session, or not a good one. The client is told no more than that.
    #[error("UNAUTHORIZED")]
    Unauthorized,
    /// The session could not be checked. It may be good, and the client may try again.
    #[error("AUTHENTICATION_FAILED")]
    Unavailable,
}

/// Checks sessions.
#[derive(Clone, Debug)]
pub struct Auth {
    tokens: Tokens,
}

impl Auth {
    /// Checks sessions by these secrets.
    pub fn new(secrets: &Secrets) -> Self {
        Self {
            tokens: Tokens::new(secrets),
        }
    }

    /// The session that the credentials stand for at `now`.
    pub fn session(
        &self,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Session, AuthError> {
        let token = credentials.token().ok_or(AuthError::Unauthorized)?;
        self.tokens.verify(token, now).map_err(|reason| {
            tracing::debug!(source = ?credentials.source(), %reason, "session refused");
            AuthError::Unauthorized
        })
    }

    /// Signs and verifies single tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }
}
