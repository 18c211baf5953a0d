//! The member that a request names: `/api/vaults/{id}/members/{userId}`, or `/api/vaults/{id}/members?userId=…`.
//!
//! Every user id can be a query parameter. In a path, URL parsers remove the segments `.` and `..`, however they are encoded
//! (WHATWG URL, "double-dot path segment"), and proxies may decode `%2F` before they choose a destination.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};

use crate::{
    contract::problem::Problem,
    domain::{UserId, VaultId},
};

use super::{
    error::ApiError,
    extract::{user_id, vault_id},
    page_query::PageQuery,
};

/// The name of the id in the path and in the query.
pub const USER_ID: &str = "userId";

/// The ids as the client sent them. Handlers check the user id after the caller's membership.
pub struct MemberTarget {
    vault: String,
    user: Result<String, ApiError>,
}

impl MemberTarget {
    /// Parses the id of the vault.
    ///
    /// # Errors
    /// `INVALID_VAULT_ID`.
    pub fn vault(&self) -> Result<VaultId, ApiError> {
        vault_id(&self.vault)
    }

    /// Parses the id of the user.
    ///
    /// # Errors
    /// `NOT_FOUND`, or `VALIDATION_FAILED` if the query has several.
    pub fn user(self) -> Result<UserId, ApiError> {
        user_id(&self.user?)
    }

    fn from_query(request: &HttpRequest) -> Result<Self, ApiError> {
        let vault = web::Path::<String>::extract(request).into_inner();
        let vault = vault.map_err(|_| Problem::invalid_vault_id())?;
        let query = PageQuery::of(request);
        let user = query.text(USER_ID).map(Option::unwrap_or_default);
        Ok(Self {
            vault: vault.into_inner(),
            user,
        })
    }
}

impl FromRequest for MemberTarget {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // The extractor decodes the segments completely; `match_info` does not.
        let in_path = web::Path::<(String, String)>::extract(request).into_inner();
        ready(match in_path {
            Ok(path) => {
                let (vault, user) = path.into_inner();
                let user = Ok(user);
                Ok(Self { vault, user })
            }
            Err(_) => Self::from_query(request),
        })
    }
}
