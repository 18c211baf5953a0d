//! The headers under which a mutation is wanted: once and not twice (`Idempotency-Key`), or only if nobody was faster
//! (`If-Match`).

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};
use serde::Serialize;

use crate::{
    domain::{Seq, command::IfMatch, idempotency::IdempotencyKey},
    forms,
};

use super::error::ApiError;

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The headers that mean something to a mutation, as they were sent: what is no text is kept as something that no rule
/// takes.
pub struct Conditions {
    idempotency_key: Option<String>,
    if_match: Option<String>,
}

impl Conditions {
    /// The key under which this request to `path` may be made again, for what it asks as it was checked. The path is
    /// the canonical one, however it was spelled.
    ///
    /// # Errors
    /// `VALIDATION_FAILED`.
    pub fn key(
        &self,
        path: &str,
        asked: &impl Serialize,
    ) -> Result<Option<IdempotencyKey>, ApiError> {
        let key = |key: &String| forms::idempotency_key(IDEMPOTENCY_KEY, key, path.into(), asked);
        let key = self.idempotency_key.as_ref().map(key);
        Ok(key.transpose()?)
    }

    /// The states of the resource in which the change is wanted. What is no ETag of ours matches none; a weak one is
    /// not, for it would not promise that the state is the same.
    pub fn if_match(&self) -> Option<IfMatch> {
        let header = self.if_match.as_deref()?;
        if header.trim() == "*" {
            return Some(IfMatch::Any);
        }
        Some(IfMatch::OneOf(header.split(',').filter_map(seq).collect()))
    }
}

/// The place that an ETag stands for, spelled as it was told.
fn seq(tag: &str) -> Option<Seq> {
    let digits = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    let seq: u64 = digits.parse().ok()?;
    (seq.to_string() == digits).then_some(Seq(seq))
}

impl FromRequest for Conditions {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // A header that comes twice is one with a list: two keys are none, for a key has no comma and blank in it.
        let header = |name: &str| {
            let lines: Vec<_> = request
                .headers()
                .get_all(name)
                .map(|line| String::from_utf8_lossy(line.as_bytes()))
                .collect();
            (!lines.is_empty()).then(|| lines.join(", "))
        };
        ready(Ok(Self {
            idempotency_key: header(IDEMPOTENCY_KEY),
            if_match: header(header::IF_MATCH.as_str()),
        }))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn conditions(lines: &[(&'static str, &'static str)]) -> Conditions {
        let mut request = TestRequest::default();
        for line in lines {
            request = request.append_header(*line);
        }
        let request = request.to_http_request();
        let Ok(conditions) = Conditions::from_request(&request, &mut Payload::None).into_inner()
        else {
            panic!("headers are judged later");
        };
        conditions
    }

    fn if_match(tags: &'static str) -> Option<IfMatch> {
        conditions(&[("If-Match", tags)]).if_match()
    }

    fn one_of(seqs: &[u64]) -> Option<IfMatch> {
        Some(IfMatch::OneOf(seqs.iter().copied().map(Seq).collect()))
    }

    #[test]
    fn if_match_names_any_state_or_some() {
        assert_eq!(conditions(&[]).if_match(), None);
        assert_eq!(if_match(" * "), Some(IfMatch::Any));
        assert_eq!(if_match(r#""7""#), one_of(&[7]));
        assert_eq!(if_match(r#""7" , "8","9""#), one_of(&[7, 8, 9]));
        let two = conditions(&[("If-Match", r#""7""#), ("If-Match", r#""8""#)]);
        assert_eq!(two.if_match(), one_of(&[7, 8]));
    }

    #[test]
    fn what_is_no_etag_of_ours_matches_no_state() {
        for tags in [
            "",
            "7",
            r#"W/"7""#,
            r#""+7""#,
            r#""07""#,
            r#""7"#,
            r#""seven""#,
            r#""99999999999999999999""#,
            "**",
        ] {
            assert_eq!(if_match(tags), one_of(&[]), "{tags}");
        }
        assert_eq!(if_match(r#"W/"7", "8""#), one_of(&[8]));
    }

    #[test]
    fn a_key_is_one_header_of_visible_ascii() {
        let key = |lines: &[_]| conditions(lines).key("/p", &"asked");
        assert!(key(&[]).unwrap().is_none());
        assert!(key(&[("Idempotency-Key", "a,b")]).unwrap().is_some());
        assert!(key(&[("Idempotency-Key", "")]).is_err());
        assert!(key(&[("Idempotency-Key", "ü")]).is_err());
        assert!(key(&[("Idempotency-Key", "a b")]).is_err());
        assert!(key(&[("Idempotency-Key", "a"), ("Idempotency-Key", "b")]).is_err());
    }
}
