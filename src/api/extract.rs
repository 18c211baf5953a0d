//! What handlers take from every request: who calls, and the ids in its path.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use tracing::{Span, field::display};

use crate::{
    domain::{Principal, SourceId, UserId, VaultId},
    problem::Problem,
};

use super::{Api, error::ApiError};

/// Who calls: a request without a good session does not reach its handler.
pub struct Caller(pub Principal);

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let api = Api::of(request);
        let credentials = api.gate.credentials(request.headers());
        Box::pin(async move {
            let session = api.gate.admit(&credentials).await?;
            Span::current().record("user.id", display(&session.principal.id));
            Ok(Self(session.principal))
        })
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
