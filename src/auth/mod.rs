//! Authenticates requests and sockets: from their headers, or the auth payload of a CONNECT, to a [`UserSession`].
//!
//! [`Credentials`] finds the tokens without verifying them. The first one that is of an accepted kind decides: if it is
//! invalid, the request is refused, whatever else it carries. [`UserSessionVerifier`] verifies the token in one of two
//! ways: by the [`Secrets`] that are shared with the application (`token_verifier.rs`: encrypted sessions of NextAuth
//! and Auth.js, signed JWTs), or by a row in the application's database (`user_session_cache.rs`, `user_session_lookups.rs`,
//! `user_session_table.rs`).
//! [`Authenticator`] is the entry point for HTTP and sockets: it also records users and checks whether sessions have ended.
//!
//! Verification takes the time as an argument. A session holds the time of its expiry, so that a socket is closed at
//! the same moment from which the credential is refused.

mod authenticator;
mod claims;
mod cookie_jar;
mod cookie_kind;
mod credentials;
mod hs256;
mod jwe;
mod jwt;
mod keyring;
mod metrics;
mod recorded_users;
mod secret_file;
mod secret_value;
mod secrets;
mod session;
mod session_expiry;
mod session_refusal;
mod token_verifier;
mod user_recorder;
mod user_session_cache;
mod user_session_expiry;
mod user_session_lookups;
mod user_session_principal;
mod user_session_query;
mod user_session_record;
mod user_session_table;
#[cfg(test)]
mod user_session_vectors;
mod user_session_verifier;
mod verified_tokens;

pub use authenticator::Authenticator;
pub use claims::CLOCK_TOLERANCE;
pub use credentials::{CredentialSource, Credentials, credential_part};
pub use jwt::JwtKeys;
pub use metrics::AuthMetrics;
pub use secret_file::SecretsError;
pub use secrets::{Secrets, SecretsOrigin};
pub use session::{AuthError, UserSession};
pub use session_expiry::{SessionExpiry, SessionStatus};
pub use session_refusal::SessionRefusal;
pub use user_session_expiry::parse_stored_time;
pub use user_session_record::UserSessionTableError;
pub use user_session_verifier::UserSessionVerifier;
