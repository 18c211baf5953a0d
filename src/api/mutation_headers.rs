//! The headers of a mutation: `Idempotency-Key` prevents a second execution, `If-Match` a lost update.

use std::future::{Ready, ready};

use actix_web::{
    FromRequest, HttpRequest,
    dev::Payload,
    http::header::{self, HeaderMap},
};
use serde::Serialize;

use crate::{
    contract::{
        problem::{ErrorCode, Problem},
        validation,
    },
    domain::{command::IfMatch, idempotency::IdempotencyKey},
};

use super::{entity_tags::EntityTags, error::ApiError};

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

const MALFORMED_IF_MATCH: &str =
    "If-Match must be * or a list of ETags as they were received, quotes included: \"7\"";

/// The headers of a request for a mutation. A key that is not UTF-8 is kept with replacement characters, which its check
/// refuses.
pub struct MutationHeaders {
    idempotency_key: Option<String>,
    if_match: Option<EntityTags>,
}

impl MutationHeaders {
    /// Returns the idempotency key of this request. `path` is the canonical path, however the client spelled it;
    /// `request` is the validated content of the request.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn key(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<Option<IdempotencyKey>, ApiError> {
        let key =
            |key: &String| validation::idempotency_key(IDEMPOTENCY_KEY, key, path.into(), request);
        let key = self.idempotency_key.as_ref().map(key);
        Ok(key.transpose()?)
    }

    /// Returns the condition of `If-Match`. A malformed value matches no version.
    pub fn if_match(&self) -> Option<IfMatch> {
        Some(match self.if_match.as_ref()? {
            EntityTags::Any => IfMatch::Any,
            EntityTags::Versions(versions) => IfMatch::OneOf(versions.clone()),
            EntityTags::Malformed => IfMatch::OneOf(Vec::new()),
        })
    }

    /// Returns the error of a mutation. If `If-Match` is malformed, a failed precondition says so.
    pub fn explain(&self, ApiError(mut problem): ApiError) -> ApiError {
        if let (ErrorCode::PreconditionFailed, Some(EntityTags::Malformed)) =
            (problem.code, &self.if_match)
        {
            problem.message = MALFORMED_IF_MATCH.to_owned();
        }
        problem.into()
    }

    /// Checks the condition of `If-Match` for a vault or member. These have no ETag, so that only `*` is met: ignoring
    /// the others would lose the update that the client wants to protect. Everything else that is wrong with the request has
    /// precedence (RFC 9110, section 13.2.1).
    ///
    /// # Errors
    /// `PRECONDITION_FAILED`.
    pub fn refuse_etags(&self) -> Result<(), ApiError> {
        match &self.if_match {
            None | Some(EntityTags::Any) => Ok(()),
            Some(EntityTags::Versions(_) | EntityTags::Malformed) => {
                let message = "If-Match names ETags, and only sources have them";
                Err(Problem::new(ErrorCode::PreconditionFailed, message).into())
            }
        }
    }
}

/// Returns the lines of a header as one list; `None` if there are none. Bytes that are not UTF-8 become U+FFFD.
pub(super) fn header_list(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines: Vec<_> = headers
        .get_all(name)
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

impl FromRequest for MutationHeaders {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // A repeated header is equivalent to a list. Two idempotency keys are therefore invalid, because a key
        // contains no blank.
        let header = |name| header_list(request.headers(), name);
        let if_match = header(header::IF_MATCH.as_str());
        ready(Ok(Self {
            idempotency_key: header(IDEMPOTENCY_KEY),
            if_match: if_match.as_deref().map(EntityTags::parse),
        }))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::domain::Seq;

    fn headers(lines: &[(&'static str, &'static str)]) -> MutationHeaders {
        let mut request = TestRequest::default();
        for line in lines {
            request = request.append_header(*line);
        }
        let request = request.to_http_request();
        let Ok(headers) = MutationHeaders::from_request(&request, &mut Payload::None).into_inner()
        else {
            panic!("the headers are checked later");
        };
        headers
    }

    fn if_match(tags: &'static str) -> Option<IfMatch> {
        headers(&[("If-Match", tags)]).if_match()
    }

    fn one_of(seqs: &[u64]) -> Option<IfMatch> {
        Some(IfMatch::OneOf(seqs.iter().copied().map(Seq).collect()))
    }

    #[test]
    fn if_match_accepts_any_version_or_a_list_in_several_lines() {
        assert_eq!(headers(&[]).if_match(), None);
        assert_eq!(if_match("*"), Some(IfMatch::Any));
        assert_eq!(if_match(r#"W/"7", "8-gzip""#), one_of(&[7, 8]));
        let two = headers(&[("If-Match", r#""7""#), ("If-Match", r#""8""#)]);
        assert_eq!(two.if_match(), one_of(&[7, 8]));
        assert_eq!(if_match("7"), one_of(&[]));
    }

    #[test]
    fn idempotency_key_is_one_header_of_visible_ascii() {
        let key = |lines: &[_]| headers(lines).key("/p", &"request");
        assert!(key(&[]).unwrap().is_none());
        assert!(key(&[("Idempotency-Key", "a,b")]).unwrap().is_some());
        assert!(key(&[("Idempotency-Key", "")]).is_err());
        assert!(key(&[("Idempotency-Key", "ü")]).is_err());
        assert!(key(&[("Idempotency-Key", "a b")]).is_err());
        assert!(key(&[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]).is_err());
    }
}
