//! Documents that are the same for every caller and change only with the program, and the headers that protect pages.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, EntityTag, Header, HeaderValue, IfNoneMatch},
    web,
};
use sha2::{Digest, Sha256};

/// How long caches may use a document without asking whether it is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// Caches ask each time.
    Revalidate,
    /// The name of the document contains a digest of its content, so it never changes.
    Immutable,
}

/// A document in the form in which it is served. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StaticDocument {
    content_type: &'static str,
    freshness: Freshness,
    tag: EntityTag,
    bytes: web::Bytes,
}

impl StaticDocument {
    /// Creates a document whose caches ask each time whether it is current.
    pub fn new(content_type: &'static str, content: impl Into<web::Bytes>) -> Self {
        let bytes = content.into();
        let digest = Sha256::digest(&bytes);
        let digits = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
        Self {
            content_type,
            freshness: Freshness::Revalidate,
            tag: EntityTag::new_strong(digits.collect()),
            bytes,
        }
    }

    /// Returns the document with another lifetime in caches.
    pub fn with_freshness(self, freshness: Freshness) -> Self {
        Self { freshness, ..self }
    }

    /// Returns the document, or 304 if the caller has it.
    pub fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let is_current = match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
            Err(_) => false,
        };
        let mut response = match is_current {
            true => HttpResponse::NotModified(),
            false => HttpResponse::Ok(),
        };
        response
            .insert_header(ETag(self.tag.clone()))
            .insert_header((header::CACHE_CONTROL, self.freshness.cache_control()))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
        match is_current {
            true => response.finish(),
            false => response
                .content_type(self.content_type)
                .body(self.bytes.clone()),
        }
    }
}

impl Freshness {
    fn cache_control(self) -> &'static str {
        match self {
            Self::Revalidate => "no-cache",
            Self::Immutable => "public, max-age=31536000, immutable",
        }
    }
}

/// Adds the headers of a page: its `Content-Security-Policy`, and that its address is sent to no other site.
pub fn secure_page(response: &mut HttpResponse, policy: &str) {
    let policy = HeaderValue::from_str(policy).expect("policies are visible ASCII");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
}
