//! Why a user session is refused. For logs and metrics only: the client receives no details.

use super::session::AuthError;

/// Why a session is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// The request has no credential.
    #[error("missing")]
    Missing,
    /// The request has session cookies, but none of a kind that `auth.accept` names.
    #[error("kind not accepted")]
    KindNotAccepted,
    /// The text is not a token, or its claims are not a JSON object.
    #[error("malformed")]
    Malformed,
    /// The kind of token is not accepted, or its algorithm is not allowed.
    #[error("algorithm not allowed")]
    AlgorithmNotAllowed,
    /// None of the secrets has signed or encrypted the token.
    #[error("not authentic")]
    NotAuthentic,
    /// `exp` is missing, or `exp`, `nbf` or `iat` is not a number.
    #[error("missing exp, or invalid exp, nbf or iat")]
    InvalidTime,
    /// The session has expired.
    #[error("expired")]
    Expired,
    /// `nbf` has not been reached.
    #[error("not yet valid")]
    NotYetValid,
    /// The token is for another audience.
    #[error("wrong audience")]
    WrongAudience,
    /// None of the id claims holds a valid user id.
    #[error("no valid user id")]
    NoUserId,
    /// The table of sessions has no row for the token.
    #[error("no such session")]
    NoSuchSession,
    /// The row of the session cannot be read.
    #[error("unreadable row")]
    UnreadableRow,
}

impl SessionRefusal {
    /// All reasons.
    pub(super) const ALL: [Self; 12] = [
        Self::Missing,
        Self::KindNotAccepted,
        Self::Malformed,
        Self::AlgorithmNotAllowed,
        Self::NotAuthentic,
        Self::InvalidTime,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::NoUserId,
        Self::NoSuchSession,
        Self::UnreadableRow,
    ];
}

/// Why credentials do not give a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionError {
    /// There is no valid session.
    Refused(SessionRefusal),
    /// The session could not be checked.
    Unavailable,
}

impl From<SessionRefusal> for SessionError {
    fn from(reason: SessionRefusal) -> Self {
        Self::Refused(reason)
    }
}

impl From<SessionError> for AuthError {
    fn from(error: SessionError) -> Self {
        match error {
            // The session may be valid.
            SessionError::Refused(SessionRefusal::UnreadableRow) => Self::Unavailable,
            SessionError::Refused(_) => Self::Unauthorized,
            SessionError::Unavailable => Self::Unavailable,
        }
    }
}
