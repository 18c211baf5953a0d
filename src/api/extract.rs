//! Values that handlers extract from a request: the caller and the ids of the path.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use tracing::{Span, field::display};

use crate::{
    contract::problem::Problem,
    domain::{Principal, SourceId, UserId, VaultId},
};

use super::{context::Api, error::ApiError};

/// The user who sent the request. A request without a valid session does not reach its handler.
pub struct Caller(pub Principal);

impl FromRequest for Caller {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let api = Api::from_request(request);
        let credentials = api.authenticator.credentials(request.headers());
        Box::pin(async move {
            let session = api.authenticator.authenticate(&credentials).await?;
            Span::current().record("user.id", display(&session.principal.id));
            Ok(Self(session.principal))
        })
    }
}

/// The user of a read-only request. Extraction counts one read.
pub struct Reader(pub Principal);

impl FromRequest for Reader {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let api = Api::from_request(request);
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let Caller(user) = caller.await?;
            api.limits.check_read(&user.id)?;
            Ok(Self(user))
        })
    }
}

/// Parses the id of a vault in a path.
///
/// # Errors
/// `INVALID_VAULT_ID`.
pub fn vault_id(text: &str) -> Result<VaultId, ApiError> {
    VaultId::parse(text).ok_or_else(|| Problem::invalid_vault_id().into())
}

/// Parses the id of a source in a path. A malformed id names no source.
///
/// # Errors
/// `NOT_FOUND`.
pub fn source_id(text: &str) -> Result<SourceId, ApiError> {
    SourceId::parse(text).ok_or_else(|| Problem::not_found("Source").into())
}

/// Parses the id of a member in a path. A malformed id names no member.
///
/// # Errors
/// `NOT_FOUND`.
pub fn user_id(text: &str) -> Result<UserId, ApiError> {
    UserId::new(text).ok_or_else(|| Problem::not_found("Member").into())
}
