//! Handlers for the descriptions of the service: two documents, and a page that shows both.
//!
//! They are the same for every caller and change only with the program, so caches may keep them and ask whether they are
//! current.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ETag, EntityTag, Header, IfNoneMatch},
    web,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::openapi::OpenApi;

use crate::contract::asyncapi::AsyncApi;

use super::{
    docs,
    path_routes::{PathRoutes, path},
};

/// Allows caches to keep a document, and lets them ask each time whether it is current.
const REVALIDATE: &str = "no-cache";

/// The descriptions of the service.
#[derive(Clone)]
pub struct Descriptions {
    openapi: Document,
    asyncapi: Document,
    page: Document,
    page_policy: String,
}

/// A document in the form in which it is served.
#[derive(Clone)]
struct Document {
    content_type: &'static str,
    tag: EntityTag,
    bytes: web::Bytes,
}

impl Descriptions {
    /// Creates the descriptions from the two documents.
    pub fn new(openapi: &OpenApi, asyncapi: &AsyncApi) -> Self {
        Self {
            openapi: Document::json(openapi),
            asyncapi: Document::json(asyncapi),
            page: Document::new("text/html; charset=utf-8", docs::page(openapi, asyncapi)),
            page_policy: docs::content_security_policy(),
        }
    }

    /// Returns the routes of the descriptions.
    pub fn routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let descriptions = web::Data::new(self.clone());
        move |config| {
            config.app_data(descriptions);
            for path in paths() {
                config.service(path);
            }
        }
    }
}

/// Returns the paths of the descriptions.
pub(super) fn paths() -> [PathRoutes; 3] {
    [
        path("/openapi.json").get(openapi),
        path("/asyncapi.json").get(asyncapi),
        path("/docs").get(page),
    ]
}

impl Document {
    fn new(content_type: &'static str, text: String) -> Self {
        let digest = Sha256::digest(&text);
        let digits = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
        Self {
            content_type,
            tag: EntityTag::new_strong(digits.collect()),
            bytes: text.into(),
        }
    }

    fn json(document: &impl Serialize) -> Self {
        let text = serde_json::to_string(document).expect("documents are valid JSON");
        Self::new("application/json", text)
    }

    fn respond(&self, request: &HttpRequest) -> HttpResponse {
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
            .insert_header((header::CACHE_CONTROL, REVALIDATE));
        match is_current {
            true => response.finish(),
            false => response
                .content_type(self.content_type)
                .body(self.bytes.clone()),
        }
    }
}

/// Handles `GET /openapi.json`.
async fn openapi(descriptions: web::Data<Descriptions>, request: HttpRequest) -> HttpResponse {
    descriptions.openapi.respond(&request)
}

/// Handles `GET /asyncapi.json`.
async fn asyncapi(descriptions: web::Data<Descriptions>, request: HttpRequest) -> HttpResponse {
    descriptions.asyncapi.respond(&request)
}

/// Handles `GET /docs`.
async fn page(descriptions: web::Data<Descriptions>, request: HttpRequest) -> HttpResponse {
    let mut response = descriptions.page.respond(&request);
    let mut insert = |name, value: &str| {
        let value = header::HeaderValue::from_str(value).expect("policies are visible ASCII");
        response.headers_mut().insert(name, value);
    };
    insert(header::CONTENT_SECURITY_POLICY, &descriptions.page_policy);
    insert(header::REFERRER_POLICY, "no-referrer");
    insert(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    response
}
