//! Errors as HTTP responses. Only this module knows the status of each error code.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};

use crate::{
    access::limits::{LimitExceeded, RateLimited},
    auth::AuthError,
    contract::problem::{ErrorCode, Problem},
    domain::Refusal,
    journal::{JournalError, report},
    vault::VaultError,
};

/// The value of `Retry-After` in seconds.
const RETRY_AFTER: u32 = 1;

/// A problem as an HTTP response: `{message, code, details?}` with the status of its code.
#[derive(Debug)]
pub struct ApiError(pub Problem);

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self.0.code {
            ErrorCode::InvalidJson | ErrorCode::ValidationFailed | ErrorCode::InvalidVaultId => {
                StatusCode::BAD_REQUEST
            }
            ErrorCode::Unauthorized => StatusCode::UNAUTHORIZED,
            ErrorCode::OriginNotAllowed
            | ErrorCode::AccessDenied
            | ErrorCode::InsufficientPermissions => StatusCode::FORBIDDEN,
            ErrorCode::NotFound => StatusCode::NOT_FOUND,
            ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ErrorCode::Conflict | ErrorCode::LastOwner | ErrorCode::IdempotencyMismatch => {
                StatusCode::CONFLICT
            }
            ErrorCode::JournalTrimmed => StatusCode::GONE,
            ErrorCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            ErrorCode::RateLimited | ErrorCode::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::VaultBusy | ErrorCode::AuthenticationFailed | ErrorCode::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        match status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                response.insert_header((header::RETRY_AFTER, RETRY_AFTER));
            }
            StatusCode::UNAUTHORIZED => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            _ => {}
        }
        response.json(&self.0)
    }
}

/// Returns the error for a caller who is not a member. A vault that does not exist gives the same error.
pub fn access_denied() -> ApiError {
    Problem::from(Refusal::AccessDenied).into()
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<RateLimited> for ApiError {
    fn from(error: RateLimited) -> Self {
        Self(error.into())
    }
}

impl From<LimitExceeded> for ApiError {
    fn from(error: LimitExceeded) -> Self {
        Self(error.into())
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        if let VaultError::Fault = error {
            // The cause was logged where it occurred. This line has the id of the affected request.
            tracing::info!("answered INTERNAL; the error line before it has the cause");
        }
        Self(error.into())
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        Self(error.into())
    }
}

impl From<JournalError> for ApiError {
    fn from(error: JournalError) -> Self {
        report!(error, "read failed");
        Self(error.into())
    }
}
