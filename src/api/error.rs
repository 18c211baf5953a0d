//! HTTP statuses: the one place that knows them.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};

use crate::{
    auth::AuthError,
    journal::{JournalError, report},
    limits::{LimitExceeded, RateLimited},
    problem::{Code, Problem},
    vault::VaultError,
};

/// How many seconds a client that was told to try again should wait.
const RETRY_AFTER: u32 = 1;

/// A problem as an HTTP answer: `{message, code, details?}` with its status.
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
            Code::InvalidJson | Code::ValidationFailed | Code::InvalidVaultId => {
                StatusCode::BAD_REQUEST
            }
            Code::Unauthorized => StatusCode::UNAUTHORIZED,
            Code::OriginNotAllowed | Code::AccessDenied | Code::InsufficientPermissions => {
                StatusCode::FORBIDDEN
            }
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Code::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::Conflict | Code::LastOwner | Code::IdempotencyMismatch => StatusCode::CONFLICT,
            Code::JournalTrimmed => StatusCode::GONE,
            Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Code::RateLimited | Code::LimitExceeded => StatusCode::TOO_MANY_REQUESTS,
            Code::VaultBusy | Code::AuthenticationFailed | Code::Unavailable => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
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
            // The cause was logged where it happened; this line gives it the request's name.
            tracing::info!("answered INTERNAL: the vault could not do what it was asked");
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
        report!(error, "a read failed");
        Self(error.into())
    }
}
