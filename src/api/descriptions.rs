//! Handlers for the descriptions of the service: two documents, and a page that shows both.
//!
//! They are the same for every caller and change only with the program, so caches may keep them and ask whether they are
//! current.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::openapi::OpenApi;

use crate::contract::asyncapi::AsyncApi;

use super::{
    docs,
    path_routes::{PathRoutes, path},
    static_document::{StaticDocument, secure_page},
};

/// The descriptions of the service.
#[derive(Clone)]
pub struct Descriptions {
    openapi: StaticDocument,
    asyncapi: StaticDocument,
    page: StaticDocument,
    page_policy: String,
}

impl Descriptions {
    /// Creates the descriptions from the two documents.
    pub fn new(openapi: &OpenApi, asyncapi: &AsyncApi) -> Self {
        Self {
            openapi: json(openapi),
            asyncapi: json(asyncapi),
            page: StaticDocument::new("text/html; charset=utf-8", docs::page(openapi, asyncapi)),
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

fn json(document: &impl Serialize) -> StaticDocument {
    let text = serde_json::to_string(document).expect("documents are valid JSON");
    StaticDocument::new("application/json", text)
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
    secure_page(&mut response, &descriptions.page_policy);
    response
}
