//! Why the command ends, and why a connection ends.

use std::{io, time::Duration};

use serde::Deserialize;
use thiserror::Error;

use super::printable::Printable;
use crate::domain::{Seq, VaultId};

/// Why the command ends.
#[derive(Debug, Error)]
pub enum TailError {
    #[error(
        "no token: set VAULTCAST_TOKEN to the session token of a member of the vault; `vaultcast token --user ID` prints one"
    )]
    NoToken,
    #[error("VAULTCAST_TOKEN (--token) must consist of visible ASCII characters")]
    MalformedToken,
    #[error("{url} (--url) does not answer: {source}")]
    Unanswered { url: String, source: ureq::Error },
    #[error("{url} (--url) does not answer as vaultcast does: {found}")]
    OtherService { url: String, found: String },
    #[error("the connection was lost: {0}")]
    ConnectionLost(&'static str),
    #[error(
        "the token is refused (UNAUTHORIZED): it has expired, or the service has another secret; `vaultcast token --user ID` prints a new one"
    )]
    Unauthorized,
    #[error(
        "the token has expired (UNAUTHORIZED) after event {last}; `vaultcast token --user ID` prints a new one"
    )]
    TokenExpired { last: Seq },
    #[error(
        "the user of the token is not a member of the vault, or the vault does not exist (ACCESS_DENIED)"
    )]
    AccessDenied,
    #[error(
        "the user of the token was removed from the vault, or the vault was deleted (ACCESS_DENIED)"
    )]
    AccessLost,
    #[error("the vault {0} was deleted")]
    VaultDeleted(VaultId),
    #[error("the service answers {}", Printable(.0))]
    Refused(String),
    #[error(
        "the events after {since} are no longer kept: {}",
        first_kept(*kept_since)
    )]
    Trimmed { since: Seq, kept_since: Option<Seq> },
    #[error(
        "the vault has no event {since}: its last one is {head}; the database may have been restored from a backup"
    )]
    BeyondHead { since: Seq, head: Seq },
    #[error(
        "the database was restored from a backup (its epoch changed): the events up to {last} that were printed may differ from the journal"
    )]
    EpochChanged { last: Seq },
    #[error("cannot write to the standard output: {0}")]
    Output(#[from] io::Error),
}

/// Returns which event a trimmed journal begins with.
pub(super) fn first_kept(kept_since: Option<Seq>) -> String {
    match kept_since {
        Some(since) => format!("the journal begins with event {}", since.next()),
        None => "the service does not say which event the journal begins with".to_owned(),
    }
}

/// Why reading from the service was interrupted.
#[derive(Debug)]
pub(super) enum Interrupt {
    /// The same request may succeed later.
    Temporary {
        cause: TailError,
        /// The `Retry-After` of the service.
        retry_after: Option<Duration>,
    },
    /// No later request can succeed.
    Permanent(TailError),
}

impl Interrupt {
    /// Returns the interrupt of a connection that ended.
    pub(super) fn lost(reason: &'static str) -> Self {
        Self::Temporary {
            cause: TailError::ConnectionLost(reason),
            retry_after: None,
        }
    }
}

impl From<TailError> for Interrupt {
    fn from(error: TailError) -> Self {
        Self::Permanent(error)
    }
}

/// An error of the service, `{message, code, details?}`, from HTTP or a socket.
#[derive(Debug, Deserialize)]
pub(super) struct ServiceRefusal {
    message: String,
    pub code: String,
    #[serde(default)]
    details: serde_json::Value,
}

impl ServiceRefusal {
    /// Returns the interrupt that this error causes. An error with a code that is unknown is permanent.
    pub(super) fn interrupt(self, retry_after: Option<Duration>) -> Interrupt {
        let Self { message, code, .. } = self;
        match code.as_str() {
            "UNAUTHORIZED" => TailError::Unauthorized.into(),
            "ACCESS_DENIED" => TailError::AccessDenied.into(),
            "RATE_LIMITED"
            | "LIMIT_EXCEEDED"
            | "VAULT_BUSY"
            | "AUTHENTICATION_FAILED"
            | "UNAVAILABLE"
            | "INTERNAL" => Interrupt::Temporary {
                cause: TailError::Refused(format!("{code}: {message}")),
                retry_after,
            },
            _ => TailError::Refused(format!("{code}: {message}")).into(),
        }
    }

    /// Returns the `since` in the details of `JOURNAL_TRIMMED`.
    pub(super) fn kept_since(&self) -> Option<Seq> {
        self.details["since"].as_u64().map(Seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interrupt(code: &str) -> Interrupt {
        let json = format!(r#"{{"message":"why","code":"{code}"}}"#);
        let refusal: ServiceRefusal = serde_json::from_str(&json).unwrap();
        refusal.interrupt(Some(Duration::from_secs(1)))
    }

    #[test]
    fn overload_and_outages_are_temporary_and_other_refusals_permanent() {
        for code in [
            "RATE_LIMITED",
            "LIMIT_EXCEEDED",
            "VAULT_BUSY",
            "AUTHENTICATION_FAILED",
            "UNAVAILABLE",
            "INTERNAL",
        ] {
            let Interrupt::Temporary { cause, retry_after } = interrupt(code) else {
                panic!("{code} is permanent");
            };
            assert_eq!(
                cause.to_string(),
                format!("the service answers {code}: why")
            );
            assert_eq!(retry_after, Some(Duration::from_secs(1)));
        }
        for code in ["ACCESS_DENIED", "UNAUTHORIZED", "INVALID_VAULT_ID", "NEW"] {
            let Interrupt::Permanent(error) = interrupt(code) else {
                panic!("{code} is temporary");
            };
            assert!(error.to_string().contains(code), "{error}");
        }
    }

    #[test]
    fn control_characters_in_a_message_are_escaped() {
        let refusal = ServiceRefusal {
            message: "\u{1b}[2J".to_owned(),
            code: "NEW".to_owned(),
            details: serde_json::Value::Null,
        };
        let Interrupt::Permanent(error) = refusal.interrupt(None) else {
            panic!("an unknown code is temporary");
        };
        assert_eq!(error.to_string(), r"the service answers NEW: \u{1b}[2J");
    }
}
