//! Bodies: read as far as they may be long, and judged only when the handler asks, so that who may not call at all is
//! told that first.

use std::{future::Future, pin::Pin, time::Duration};

use actix_web::{FromRequest, HttpRequest, dev::Payload, error::PayloadError, http::header, web};
use futures_util::StreamExt;
use serde_json::Value;

use crate::{
    forms::Fields,
    problem::{Code, Problem},
};

use super::{Api, error::ApiError};

/// How many bytes of a body that is too large are read and thrown away, and how long the next of them is waited for. A
/// client that sends before it listens would otherwise find its connection reset, and never hear why.
const THROWN_AWAY: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_millis(500);

/// A body, read but not judged.
pub struct Body {
    is_json: bool,
    bytes: Result<web::Bytes, PayloadError>,
}

impl Body {
    /// The fields of a JSON object.
    ///
    /// # Errors
    /// `UNSUPPORTED_MEDIA_TYPE`, `PAYLOAD_TOO_LARGE`, `INVALID_JSON`, or `VALIDATION_FAILED` for JSON that is no
    /// object.
    pub fn fields(self) -> Result<Fields, ApiError> {
        if !self.is_json {
            let message = "The body must be application/json";
            return Err(Problem::new(Code::UnsupportedMediaType, message).into());
        }
        let bytes = self.bytes.map_err(|error| match error {
            PayloadError::Overflow => Problem::new(
                Code::PayloadTooLarge,
                "The body is larger than server.max_body",
            ),
            error => Problem::new(
                Code::InvalidJson,
                format!("The body did not arrive: {error}"),
            ),
        })?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(Code::InvalidJson, format!("The body is not JSON: {error}"))
        })?;
        match value {
            Value::Object(fields) => Ok(fields),
            _ => Err(Problem::invalid_field("body", "must be an object").into()),
        }
    }
}

impl FromRequest for Body {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let header = |name| request.headers().get(name)?.to_str().ok();
        let is_json = header(header::CONTENT_TYPE)
            .and_then(|value| value.split(';').next())
            .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
        let declared = header(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let most = Api::of(request).max_body();
        let payload = payload.take();
        Box::pin(async move {
            let bytes = read(payload, declared.unwrap_or(0), most).await;
            Ok(Self { is_json, bytes })
        })
    }
}

async fn read(
    mut payload: Payload,
    declared: usize,
    most: usize,
) -> Result<web::Bytes, PayloadError> {
    let mut bytes = web::BytesMut::new();
    let mut is_too_large = declared > most;
    while !is_too_large && let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        is_too_large = bytes.len() + chunk.len() > most;
        bytes.extend_from_slice(&chunk);
    }
    if is_too_large {
        drop(bytes);
        throw_away(payload).await;
        return Err(PayloadError::Overflow);
    }
    Ok(bytes.freeze())
}

async fn throw_away(mut payload: Payload) {
    let mut left = THROWN_AWAY;
    while left > 0
        && let Ok(Some(Ok(chunk))) = tokio::time::timeout(PATIENCE, payload.next()).await
    {
        left = left.saturating_sub(chunk.len());
    }
}
