//! Reads JSON bodies up to the configured size.
//!
//! The body is read before the handler runs, but its errors are reported only when the handler reads the
//! fields. A caller without permission therefore receives that error first.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::{Method, header},
    web,
};
use futures_util::StreamExt;
use serde_json::Value;
use thiserror::Error;

use crate::contract::{
    problem::{ErrorCode, Problem},
    validation::Fields,
};

use super::{context::Api, error::ApiError};

/// The media type of RFC 7396.
const MERGE_PATCH: &str = "application/merge-patch+json";

/// How many bytes of a body that is too large are read and discarded. A client that sends its whole body
/// before it reads the response would otherwise see a connection reset instead of the error.
const MAX_DISCARDED_BYTES: usize = 16 << 20;

/// How long to wait for the next bytes to discard.
const DISCARD_TIMEOUT: Duration = Duration::from_millis(500);

/// A body that was read but not yet checked.
pub struct JsonBody {
    format: Result<(), UnsupportedFormat>,
    bytes: Result<web::Bytes, PayloadError>,
}

impl JsonBody {
    /// Returns the fields of the JSON object.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, `INVALID_JSON`, or `VALIDATION_FAILED` for JSON that is
    /// not an object.
    pub fn fields(self) -> Result<Fields, ApiError> {
        self.format.map_err(|unsupported| {
            Problem::new(ErrorCode::UnsupportedMediaType, unsupported.to_string())
        })?;
        let bytes = self.bytes.map_err(|error| match error {
            PayloadError::Overflow => Problem::new(
                ErrorCode::PayloadTooLarge,
                "The body is larger than server.max_body",
            ),
            error => Problem::new(
                ErrorCode::InvalidJson,
                format!("The body did not arrive: {error}"),
            ),
        })?;
        let value = actix_socketio::json::from_slice(&bytes).map_err(|error| {
            Problem::new(
                ErrorCode::InvalidJson,
                format!("The body is not JSON: {error}"),
            )
        })?;
        match value {
            Value::Object(fields) => Ok(fields),
            _ => Err(Problem::invalid_field("body", "must be an object").into()),
        }
    }
}

/// Why a body cannot be read as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum UnsupportedFormat {
    #[error("The body must be application/json")]
    NotJson,
    #[error("The body must not be compressed: send it without Content-Encoding")]
    Compressed,
}

fn check_format(request: &HttpRequest) -> Result<(), UnsupportedFormat> {
    let header = |name| request.headers().get(name)?.to_str().ok();
    let coding = header(header::CONTENT_ENCODING).unwrap_or("identity");
    if !coding.trim().eq_ignore_ascii_case("identity") {
        return Err(UnsupportedFormat::Compressed);
    }
    let content_type = header(header::CONTENT_TYPE).and_then(|value| value.split(';').next());
    let is = |accepted: &str| {
        content_type.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(accepted))
    };
    // A PATCH is a merge patch: an absent field is unchanged, `null` clears one.
    match is("application/json") || request.method() == Method::PATCH && is(MERGE_PATCH) {
        true => Ok(()),
        false => Err(UnsupportedFormat::NotJson),
    }
}

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let header = |name| request.headers().get(name)?.to_str().ok();
        let format = check_format(request);
        let declared_length = header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
        let limits = BodyLimits {
            declared_length: declared_length.unwrap_or(0),
            max_length: Api::from_request(request).max_body(),
        };
        let payload = payload.take();
        Box::pin(async move {
            let bytes = read(payload, limits).await;
            Ok(Self { format, bytes })
        })
    }
}

/// The length that a request declares and the length that the service accepts, in bytes.
struct BodyLimits {
    declared_length: usize,
    max_length: usize,
}

async fn read(mut payload: Payload, limits: BodyLimits) -> Result<web::Bytes, PayloadError> {
    let mut bytes = web::BytesMut::new();
    let mut is_too_large = limits.declared_length > limits.max_length;
    while !is_too_large && let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        is_too_large = bytes.len() + chunk.len() > limits.max_length;
        bytes.extend_from_slice(&chunk);
    }
    if is_too_large {
        drop(bytes);
        discard(payload).await;
        return Err(PayloadError::Overflow);
    }
    Ok(bytes.freeze())
}

async fn discard(mut payload: Payload) {
    let mut remaining = MAX_DISCARDED_BYTES;
    while remaining > 0
        && let Ok(Some(Ok(chunk))) = tokio::time::timeout(DISCARD_TIMEOUT, payload.next()).await
    {
        remaining = remaining.saturating_sub(chunk.len());
    }
}
