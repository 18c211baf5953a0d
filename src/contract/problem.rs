//! Errors as clients receive them: `{message, code, details?}`, with the codes of the contract.
//!
//! HTTP and sockets send the same problems. HTTP adds a status (`api/error.rs`), sockets add the event that failed
//! (`gateway/protocol/`).

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    access::limits::{LimitExceeded, RateLimited},
    auth::AuthError,
    domain::{Refusal, Seq},
    journal::JournalError,
    vault::VaultError,
};

macro_rules! error_codes {
    ($(#[doc = $meaning:literal] $code:ident, $metric_label:literal;)*) => {
        /// A stable error code that clients can act on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum ErrorCode {
            $(#[doc = $meaning] $code,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the table.
            pub const ALL: [Self; [$($metric_label),*].len()] = [$(Self::$code),*];

            /// Returns what the code means.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$code => $meaning.trim_ascii(),)*
                }
            }

            /// Returns the code as the value of a metric label, such as `access_denied`.
            pub fn metric_label(self) -> &'static str {
                match self {
                    $(Self::$code => $metric_label,)*
                }
            }
        }
    };
}

error_codes! {
    /// The body is not JSON.
    InvalidJson,             "invalid_json";
    /// Fields, parameters or headers are invalid; `details` names each.
    ValidationFailed,        "validation_failed";
    /// The vault id is absent, not a string or not a cuid.
    InvalidVaultId,          "invalid_vault_id";
    /// There is no valid credential.
    Unauthorized,            "unauthorized";
    /// The credential cannot be checked now.
    AuthenticationFailed,    "authentication_failed";
    /// The origin of the page is not allowed.
    OriginNotAllowed,        "origin_not_allowed";
    /// The user is not a member of the vault, or the vault does not exist.
    AccessDenied,            "access_denied";
    /// The role of the user does not allow it.
    InsufficientPermissions, "insufficient_permissions";
    /// There is no such route, source, member or user.
    NotFound,                "not_found";
    /// The route has no such method.
    MethodNotAllowed,        "method_not_allowed";
    /// The body is too large.
    PayloadTooLarge,         "payload_too_large";
    /// The body is not `application/json`.
    UnsupportedMediaType,    "unsupported_media_type";
    /// The request contradicts the present state.
    Conflict,                "conflict";
    /// The vault would be left without an owner.
    LastOwner,               "last_owner";
    /// The idempotency key was used with another body.
    IdempotencyMismatch,     "idempotency_mismatch";
    /// The requested events are no longer kept.
    JournalTrimmed,          "journal_trimmed";
    /// `If-Match` does not match.
    PreconditionFailed,      "precondition_failed";
    /// Too many requests, packets or bytes arrived within a second.
    RateLimited,             "rate_limited";
    /// Too many joins or sockets are open.
    LimitExceeded,           "limit_exceeded";
    /// The queue of the vault is full, or a join waited too long.
    VaultBusy,               "vault_busy";
    /// The database is down, or the service is about to stop.
    Unavailable,             "unavailable";
    /// A fault of the service.
    Internal,                "internal";
}

impl ErrorCode {
    /// Returns the code as clients receive it, such as `ACCESS_DENIED`.
    pub fn name(self) -> String {
        self.metric_label().to_ascii_uppercase()
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Describes the problem in words.
    pub message: String,
    pub code: ErrorCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub details: Option<ProblemDetails>,
}

/// Details of a problem, depending on its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ProblemDetails {
    /// The invalid fields of `VALIDATION_FAILED`.
    Fields(Vec<FieldError>),
    /// What is known of a mutation that failed with `UNAVAILABLE`.
    Outcome(UnknownOutcome),
    /// Where the kept events begin, of `JOURNAL_TRIMMED`.
    KeptEvents(KeptEvents),
}

/// The events that a trimmed journal still has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeptEvents {
    /// The smallest `since` whose later events are all kept.
    pub since: Seq,
}

/// The connection to the database was lost during the commit: the mutation may be persisted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UnknownOutcome {
    pub outcome: Outcome,
}

/// The outcome of a mutation that was answered with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Unknown,
}

/// An invalid field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// The name of the field, parameter or header.
    pub field: String,
    /// Describes what is accepted.
    pub message: String,
}

impl Problem {
    /// Creates a problem without details.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code,
            details: None,
        }
    }

    /// Creates a `VALIDATION_FAILED` problem that names every invalid field.
    pub fn invalid(fields: &[FieldError]) -> Self {
        let messages: Vec<_> = fields
            .iter()
            .map(|error| format!("{} {}", error.field, error.message))
            .collect();
        Self {
            message: messages.join("; "),
            code: ErrorCode::ValidationFailed,
            details: Some(ProblemDetails::Fields(fields.to_vec())),
        }
    }

    /// Creates a `VALIDATION_FAILED` problem about one field.
    pub fn invalid_field(field: &str, message: &str) -> Self {
        Self::invalid(&[FieldError {
            field: field.to_owned(),
            message: message.to_owned(),
        }])
    }

    /// Creates an `INVALID_VAULT_ID` problem.
    pub fn invalid_vault_id() -> Self {
        Self::new(ErrorCode::InvalidVaultId, "Invalid vault ID")
    }

    /// Creates a `NOT_FOUND` problem about something that does not exist, or whose existence the caller must not learn.
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} not found"))
    }

    /// Creates a `JOURNAL_TRIMMED` problem. `since` is the smallest seq whose later events are all kept.
    pub fn journal_trimmed(since: Seq) -> Self {
        let message = "The events after this seq are no longer kept: list the sources again";
        Self {
            details: Some(ProblemDetails::KeptEvents(KeptEvents { since })),
            ..Self::new(ErrorCode::JournalTrimmed, message)
        }
    }

    /// Returns the problem of a request that named a source but not its vault. A caller who is not a member of the vault
    /// must not learn that the source exists, so `ACCESS_DENIED` becomes `NOT_FOUND`.
    #[must_use]
    pub fn hiding_source(self) -> Self {
        match self.code {
            ErrorCode::AccessDenied => Self::not_found("Source"),
            _ => self,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::AccessDenied => ErrorCode::AccessDenied,
            Refusal::InsufficientPermissions => ErrorCode::InsufficientPermissions,
            Refusal::NotFound(_) => ErrorCode::NotFound,
            Refusal::Conflict(_) => ErrorCode::Conflict,
            Refusal::LastOwner => ErrorCode::LastOwner,
            Refusal::PreconditionFailed => ErrorCode::PreconditionFailed,
            Refusal::IdempotencyMismatch => ErrorCode::IdempotencyMismatch,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Refused(refusal) => refusal.into(),
            VaultError::Busy => Self::new(ErrorCode::VaultBusy, "The vault is busy, try again"),
            VaultError::Unavailable => unavailable(),
            VaultError::Unknown => Self {
                details: Some(ProblemDetails::Outcome(UnknownOutcome {
                    outcome: Outcome::Unknown,
                })),
                ..unavailable()
            },
            VaultError::Fault => Self::new(ErrorCode::Internal, "Internal error"),
        }
    }
}

impl From<JournalError> for Problem {
    fn from(error: JournalError) -> Self {
        VaultError::from(error).into()
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unauthorized => Self::new(ErrorCode::Unauthorized, "UNAUTHORIZED"),
            AuthError::Unavailable => {
                Self::new(ErrorCode::AuthenticationFailed, "AUTHENTICATION_FAILED")
            }
        }
    }
}

impl From<RateLimited> for Problem {
    fn from(error: RateLimited) -> Self {
        Self::new(ErrorCode::RateLimited, error.to_string())
    }
}

impl From<LimitExceeded> for Problem {
    fn from(error: LimitExceeded) -> Self {
        Self::new(ErrorCode::LimitExceeded, error.to_string())
    }
}

fn unavailable() -> Problem {
    Problem::new(
        ErrorCode::Unavailable,
        "The service is unavailable, try again",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn name_of_a_code_is_its_json() {
        for code in ErrorCode::ALL {
            assert_eq!(json!(code), json!(code.name()));
        }
    }
}
