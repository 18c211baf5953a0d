//! What handlers take from a request: who calls, the body as fields, ids, and the headers that mean something.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::{FromRequest, HttpRequest, dev::Payload, error::PayloadError, http::header, web};
use serde::Serialize;
use serde_json::Value;

use crate::{
    auth::Credentials,
    domain::{
        Principal, Seq, SourceId, UserId, VaultId, command::IfMatch, idempotency::IdempotencyKey,
    },
    forms::{self, Fields},
    problem::{Code, Problem},
};

use super::{Api, error::ApiError};

/// Who calls: a request without a good session does not reach its handler.
pub struct Caller(pub Principal);

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let bearer = headers
            .get(header::AUTHORIZATION)
            .map(|value| value.as_bytes());
        let cookies = headers
            .get_all(header::COOKIE)
            .map(|value| value.as_bytes());
        let credentials = Credentials::from_headers(bearer, cookies);
        let api = Api::of(request);
        Box::pin(async move {
            let session = api.gate.admit(&credentials).await?;
            Ok(Self(session.principal))
        })
    }
}

/// A body, read but not yet judged, so that who may not call at all is told that first.
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
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
        let most = Api::of(request).max_body;
        let payload = payload.take();
        Box::pin(async move {
            let bytes = collect(payload, most).await;
            Ok(Self { is_json, bytes })
        })
    }
}

async fn collect(mut payload: Payload, most: usize) -> Result<web::Bytes, PayloadError> {
    use futures_util::StreamExt;
    let mut bytes = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > most {
            return Err(PayloadError::Overflow);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The headers that mean something to a mutation.
pub struct Conditions {
    path: String,
    idempotency_key: Option<Result<String, ApiError>>,
    if_match: Option<String>,
}

impl Conditions {
    /// The key under which this request may be made again, for what it asks as it was checked.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn key(self, asked: &impl Serialize) -> Result<Option<IdempotencyKey>, ApiError> {
        let Some(key) = self.idempotency_key.transpose()? else {
            return Ok(None);
        };
        Ok(Some(forms::idempotency_key(
            "Idempotency-Key",
            &key,
            self.path,
            asked,
        )?))
    }

    /// The states of the resource in which the change is wanted. What is no ETag of ours matches none.
    pub fn if_match(&self) -> Option<IfMatch> {
        let header = self.if_match.as_deref()?;
        if header.trim() == "*" {
            return Some(IfMatch::Any);
        }
        let seq = |tag: &str| {
            let digits = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
            digits.parse().ok().map(Seq)
        };
        Some(IfMatch::OneOf(header.split(',').filter_map(seq).collect()))
    }
}

impl FromRequest for Conditions {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let headers = request.headers();
        let key = headers.get("Idempotency-Key").map(|value| {
            let wrong =
                || Problem::invalid_field("Idempotency-Key", "must be visible ASCII characters");
            Ok(value.to_str().map_err(|_| wrong())?.to_owned())
        });
        let tags: Vec<_> = headers
            .get_all(header::IF_MATCH)
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        ready(Ok(Self {
            path: request.path().to_owned(),
            idempotency_key: key,
            if_match: (!tags.is_empty()).then(|| tags.join(",")),
        }))
    }
}

/// A vault's id in a path.
///
/// # Errors
/// `INVALID_VAULT_ID`.
pub fn vault_id(text: &str) -> Result<VaultId, ApiError> {
    VaultId::parse(text).ok_or_else(|| Problem::invalid_vault_id().into())
}

/// A source's id in a path; what cannot be one names no source.
///
/// # Errors
/// `NOT_FOUND`.
pub fn source_id(text: &str) -> Result<SourceId, ApiError> {
    SourceId::parse(text).ok_or_else(|| Problem::not_found("Source").into())
}

/// A member's id in a path; what cannot be one names no member.
///
/// # Errors
/// `NOT_FOUND`.
pub fn user_id(text: &str) -> Result<UserId, ApiError> {
    UserId::new(text).ok_or_else(|| Problem::not_found("Member").into())
}

/// `?limit&cursor&since`, as they were written.
#[derive(Debug, serde::Deserialize)]
pub struct Page {
    limit: Option<String>,
    cursor: Option<String>,
    since: Option<String>,
}

impl Page {
    /// How many rows: 1 to 500, by default 100.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn limit(&self) -> Result<usize, ApiError> {
        let Some(limit) = &self.limit else {
            return Ok(100);
        };
        let limit = limit.parse().ok().filter(|limit| (1..=500).contains(limit));
        limit
            .ok_or_else(|| Problem::invalid_field("limit", "must be a number from 1 to 500").into())
    }

    /// Where the page begins.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn cursor(&self) -> Result<Option<Seq>, ApiError> {
        seq(
            self.cursor.as_deref(),
            "cursor",
            "must be the nextCursor of the page before",
        )
    }

    /// After which event; from the first by default.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn since(&self) -> Result<Seq, ApiError> {
        let since = seq(self.since.as_deref(), "since", "must be a sequence number")?;
        Ok(since.unwrap_or(Seq::ZERO))
    }
}

fn seq(text: Option<&str>, field: &str, message: &str) -> Result<Option<Seq>, ApiError> {
    // The database counts in 63 bits.
    let parse = |text: &str| {
        text.parse()
            .ok()
            .filter(|n| *n <= i64::MAX as u64 / 2)
            .map(Seq)
    };
    text.map(|text| parse(text).ok_or_else(|| Problem::invalid_field(field, message).into()))
        .transpose()
}
