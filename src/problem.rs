//! What both doors answer when something is not done: `{message, code, details?}`, with the codes of
//! `interface.md`. HTTP adds a status (`api/error.rs`), sockets the event it was about (`gateway/protocol.rs`).

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    auth::AuthError,
    domain::Refusal,
    journal::JournalError,
    limits::{LimitExceeded, RateLimited},
    vault::VaultError,
};

/// A stable code that clients can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    InvalidJson,
    ValidationFailed,
    InvalidVaultId,
    Unauthorized,
    AuthenticationFailed,
    OriginNotAllowed,
    AccessDenied,
    InsufficientPermissions,
    NotFound,
    MethodNotAllowed,
    PayloadTooLarge,
    UnsupportedMediaType,
    Conflict,
    LastOwner,
    IdempotencyMismatch,
    JournalTrimmed,
    PreconditionFailed,
    RateLimited,
    LimitExceeded,
    VaultBusy,
    Unavailable,
    Internal,
}

impl Code {
    /// The code as a metric's label: `access_denied`.
    pub fn label(self) -> &'static str {
        match self {
            Self::InvalidJson => "invalid_json",
            Self::ValidationFailed => "validation_failed",
            Self::InvalidVaultId => "invalid_vault_id",
            Self::Unauthorized => "unauthorized",
            Self::AuthenticationFailed => "authentication_failed",
            Self::OriginNotAllowed => "origin_not_allowed",
            Self::AccessDenied => "access_denied",
            Self::InsufficientPermissions => "insufficient_permissions",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Conflict => "conflict",
            Self::LastOwner => "last_owner",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::JournalTrimmed => "journal_trimmed",
            Self::PreconditionFailed => "precondition_failed",
            Self::RateLimited => "rate_limited",
            Self::LimitExceeded => "limit_exceeded",
            Self::VaultBusy => "vault_busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// Why something is not done, as people and programs are told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    pub message: String,
    pub code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

/// A field that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

impl Problem {
    /// A problem that its code and a sentence tell.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code,
            details: None,
        }
    }

    /// Fields that are not as they must be; the message names each.
    pub fn invalid(fields: &[FieldError]) -> Self {
        let said: Vec<_> = fields
            .iter()
            .map(|wrong| format!("{} {}", wrong.field, wrong.message))
            .collect();
        Self {
            message: said.join("; "),
            code: Code::ValidationFailed,
            details: Some(json!(fields)),
        }
    }

    /// One field that is not as it must be.
    pub fn invalid_field(field: &str, message: &str) -> Self {
        Self::invalid(&[FieldError {
            field: field.to_owned(),
            message: message.to_owned(),
        }])
    }

    /// An id of a vault that cannot be one.
    pub fn invalid_vault_id() -> Self {
        Self::new(Code::InvalidVaultId, "Invalid vault ID")
    }

    /// Something that is not there, or that the asker may not know to be.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("{what} not found"))
    }

    /// Who is no member of a source's vault is told what a stranger is told: there is no such source.
    #[must_use]
    pub fn of_a_source(self) -> Self {
        match self.code {
            Code::AccessDenied => Self::not_found("Source"),
            _ => self,
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::AccessDenied => Code::AccessDenied,
            Refusal::InsufficientPermissions => Code::InsufficientPermissions,
            Refusal::NotFound(_) => Code::NotFound,
            Refusal::Conflict(_) => Code::Conflict,
            Refusal::LastOwner => Code::LastOwner,
            Refusal::PreconditionFailed => Code::PreconditionFailed,
            Refusal::IdempotencyMismatch => Code::IdempotencyMismatch,
        };
        Self::new(code, refusal.to_string())
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Refused(refusal) => refusal.into(),
            VaultError::Busy => Self::new(Code::VaultBusy, "The vault is busy, try again"),
            VaultError::Unavailable => unavailable(),
            VaultError::Unknown => Self {
                details: Some(json!({ "outcome": "unknown" })),
                ..unavailable()
            },
            VaultError::Fault => Self::new(Code::Internal, "Internal error"),
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
            AuthError::Unauthorized => Self::new(Code::Unauthorized, "UNAUTHORIZED"),
            AuthError::Unavailable => {
                Self::new(Code::AuthenticationFailed, "AUTHENTICATION_FAILED")
            }
        }
    }
}

impl From<RateLimited> for Problem {
    fn from(error: RateLimited) -> Self {
        Self::new(Code::RateLimited, error.to_string())
    }
}

impl From<LimitExceeded> for Problem {
    fn from(error: LimitExceeded) -> Self {
        Self::new(Code::LimitExceeded, error.to_string())
    }
}

fn unavailable() -> Problem {
    Problem::new(Code::Unavailable, "The service is unavailable, try again")
}
