//! Who is speaking: from the headers of a request, or the auth payload of a socket, to a
//! [`Session`].
//!
//! [`Credentials`] finds the token, without judging it. A token of the application beside us proves itself by the
//! [`Secrets`] that both share (`verifier.rs`: encrypted sessions of NextAuth and Auth.js, signed JWTs), or it is the
//! key of a row in the application's database (`table.rs`). The first token that is present decides: one that is bad
//! is refused, whatever else was sent with it. [`Gate`] is what both doors ask: it also records users at first sight,
//! and knows when a session is over.
//!
//! Time is always an argument. A session says itself when it ends, so that a socket can be let go
//! at the very moment from which it would not be let in.

mod claims;
mod credentials;
mod gate;
mod jwe;
mod keyring;
mod lookups;
mod secrets;
mod table;
mod token;
#[cfg(test)]
mod vectors;
mod verifier;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_web::http::header::HeaderMap;

use crate::config::{self, CookieName, DatabaseUrl, Strategy};
use crate::domain::Principal;

use lookups::Lookups;
use table::Table;
use verifier::Verifier;

pub use claims::{CLOCK_TOLERANCE, TokenError};
pub use credentials::{Credentials, Source};
pub use gate::Gate;
pub use secrets::{Secrets, SecretsError};
pub use table::TableError;
pub use token::Tokens;

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

/// Who is speaking, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// On whose behalf.
    pub principal: Principal,
    /// The moment from which the session is refused: its end and the tolerance after it.
    pub expires_at: SystemTime,
    /// Where it was looked up, if it was.
    lookup: Option<Lookup>,
}

impl Session {
    fn new(principal: Principal, expires_at: SystemTime) -> Self {
        Self {
            principal,
            expires_at,
            lookup: None,
        }
    }
}

/// How a session was looked up, to do so again.
#[derive(Clone, PartialEq)]
struct Lookup {
    token: Arc<str>,
    at: SystemTime,
    believed_for: Duration,
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Checks sessions. Cheap to clone.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    cookies: Vec<CookieName>,
    tokens: Tokens,
    judge: Judge,
}

/// Whatever `auth.strategy` says.
enum Judge {
    Verifier(Box<Verifier>),
    Lookups(Box<Lookups>),
}

impl Auth {
    /// Checks sessions as the configuration says: by these secrets, or in the database that it names, else in
    /// `database`.
    ///
    /// # Errors
    /// When sessions are to be looked up and cannot be read.
    pub async fn open(
        config: &config::Auth,
        secrets: &Secrets,
        database: &DatabaseUrl,
    ) -> Result<Self, TableError> {
        let database = config.database_url.as_ref().unwrap_or(database);
        match config.strategy {
            Strategy::Jwt => Ok(Self::by_secrets(config, secrets)),
            Strategy::Database => {
                let table = Table::open(config, database).await?;
                let judge = Judge::Lookups(Box::new(Lookups::new(table, config.recheck)));
                Ok(Self::with(config, secrets, |_| judge))
            }
        }
    }

    /// Checks sessions by these secrets.
    fn by_secrets(config: &config::Auth, secrets: &Secrets) -> Self {
        let verifier = |tokens| Box::new(Verifier::new(config, secrets, tokens));
        Self::with(config, secrets, |tokens| Judge::Verifier(verifier(tokens)))
    }

    fn with(config: &config::Auth, secrets: &Secrets, judge: impl FnOnce(Tokens) -> Judge) -> Self {
        let tokens = Tokens::new(secrets).for_audience(config.jwt_audience.clone());
        Self(Arc::new(Inner {
            cookies: config.cookies.clone(),
            judge: judge(tokens.clone()),
            tokens,
        }))
    }

    /// What a request's headers bring to show.
    pub fn credentials(&self, headers: &HeaderMap) -> Credentials {
        Credentials::of(headers, &self.0.cookies)
    }

    /// The session that the credentials stand for at `now`.
    ///
    /// # Errors
    /// When it is not a good one, or it cannot be known whether it is.
    pub async fn session(
        &self,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Result<Session, AuthError> {
        let (source, token) = credentials.found().ok_or(AuthError::Unauthorized)?;
        match &self.0.judge {
            Judge::Verifier(verifier) => {
                let cookie = match source {
                    Source::Cookie(place) => Some(place),
                    Source::Bearer | Source::Payload => None,
                };
                verifier.session(token, cookie, now).map_err(|reason| {
                    tracing::debug!(?source, %reason, "session refused");
                    AuthError::Unauthorized
                })
            }
            Judge::Lookups(lookups) => lookups.session(token, now).await,
        }
    }

    /// The session of a token that was looked up before, as it is now.
    async fn look_up(&self, token: &str, now: SystemTime) -> Result<Session, AuthError> {
        match &self.0.judge {
            Judge::Verifier(_) => Err(AuthError::Unauthorized),
            Judge::Lookups(lookups) => lookups.look_up(token, now).await,
        }
    }

    /// Signs single tokens.
    pub fn tokens(&self) -> &Tokens {
        &self.0.tokens
    }
}
