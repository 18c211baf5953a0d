//! `If-None-Match` of a read: the versions of a source that the client has.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};

use crate::domain::Seq;

use super::{entity_tags::EntityTags, error::ApiError, mutation_headers::header_list};

/// The versions that the client has, so that they need not be sent again. A malformed header names none.
pub struct KnownVersions(Option<EntityTags>);

impl KnownVersions {
    /// Returns whether the client has this version.
    pub fn contains(&self, seq: Seq) -> bool {
        self.0.as_ref().is_some_and(|tags| tags.contains(seq))
    }
}

impl FromRequest for KnownVersions {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let list = header_list(request.headers(), header::IF_NONE_MATCH.as_str());
        ready(Ok(Self(list.as_deref().map(EntityTags::parse))))
    }
}
