//! The pages that a browser shows: the app of the main listener and the operators' page of the admin listener.
//!
//! `web/` is their source; `web/dist`, what `npm run build` makes of it, is committed and embedded in the binary. The names
//! of scripts, styles and images contain a digest of their content, so browsers keep them; a page is asked for each time.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use actix_web::{HttpRequest, HttpResponse, web};
use rust_embed::RustEmbed;
use serde_json::json;

use crate::contract::problem::Problem;

use super::{
    error::ApiError,
    path_routes::path,
    static_document::{Freshness, StaticDocument, secure_page},
};

/// A page runs the scripts of its own origin and loads nothing from another one. No other page shows it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const APP: &str = "index.html";
const OPERATORS: &str = "operators.html";

/// The paths at which the app is served. It reads the rest of the address itself.
const APP_PATHS: [&str; 2] = ["/", "/test/realtime"];

/// The built files. They are embedded in debug builds, too, so that tests serve what is shipped.
#[derive(RustEmbed)]
#[folder = "web/dist/"]
struct BuiltFiles;

/// The pages and their files. Clones share them.
#[derive(Clone)]
pub struct Pages(Arc<BTreeMap<String, StaticDocument>>);

impl Pages {
    /// Reads the embedded files.
    pub fn embedded() -> Self {
        let document = |name: &str| {
            let file = BuiltFiles::get(name)?;
            let freshness = match name.starts_with("assets/") {
                true => Freshness::Immutable,
                false => Freshness::Revalidate,
            };
            let content = match file.data {
                Cow::Borrowed(embedded) => web::Bytes::from_static(embedded),
                Cow::Owned(read) => read.into(),
            };
            Some(StaticDocument::new(content_type(name), content).with_freshness(freshness))
        };
        let files = BuiltFiles::iter()
            .filter_map(|name| Some((name.to_string(), document(&name)?)))
            .collect();
        Self(Arc::new(files))
    }

    /// Returns the routes of the app. They exist while `enabled` is true (`server.page`).
    pub fn app_routes(
        &self,
        enabled: Arc<AtomicBool>,
    ) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let pages = web::Data::new(self.clone());
        move |config| {
            config.app_data(pages);
            let while_enabled = || {
                let enabled = enabled.clone();
                move || enabled.load(Relaxed)
            };
            for app_path in APP_PATHS {
                config.service(path(app_path).get(app).only_while(while_enabled()));
            }
            config
                .service(
                    path("/assets/{name}")
                        .get(asset)
                        .only_while(while_enabled()),
                )
                .service(
                    path("/page.json")
                        .get(page_facts)
                        .only_while(while_enabled()),
                );
        }
    }

    /// Returns the routes of the operators' page.
    pub fn operators_routes(&self) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let pages = web::Data::new(self.clone());
        move |config| {
            config
                .app_data(pages)
                .service(path("/").get(operators))
                .service(path("/assets/{name}").get(asset));
        }
    }

    /// Returns the answer to a request for a file.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such file.
    fn respond(&self, name: &str, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
        let file = self.0.get(name).ok_or_else(|| Problem::not_found("Path"))?;
        Ok(file.respond(request))
    }

    fn respond_page(&self, name: &str, request: &HttpRequest) -> Result<HttpResponse, ApiError> {
        let mut response = self.respond(name, request)?;
        secure_page(&mut response, POLICY);
        Ok(response)
    }
}

/// Serves the app. Needs the routes of [`Pages::app_routes`] in the same application.
///
/// # Errors
/// `NOT_FOUND` if the program was built without it.
pub async fn app(pages: web::Data<Pages>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    pages.respond_page(APP, &request)
}

/// Serves the operators' page.
async fn operators(
    pages: web::Data<Pages>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    pages.respond_page(OPERATORS, &request)
}

/// Serves a script, style or image of a page.
async fn asset(
    pages: web::Data<Pages>,
    name: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    pages.respond(&format!("assets/{name}"), &request)
}

/// Handles `GET /page.json`, which says whether the app belongs to a demo. The demo answers it itself.
async fn page_facts() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "demo": null }))
}

/// Returns the content type of a file by its extension.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => UNKNOWN_TYPE,
    }
}

/// The type of a file that a browser must not interpret.
const UNKNOWN_TYPE: &str = "application/octet-stream";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_file_has_a_known_type_and_both_pages_exist() {
        let Pages(files) = Pages::embedded();
        for page in [APP, OPERATORS] {
            assert!(files.contains_key(page), "{page}");
        }
        for name in files.keys() {
            assert_ne!(content_type(name), UNKNOWN_TYPE, "{name}");
        }
    }

    #[test]
    fn every_file_that_a_page_names_is_embedded() {
        let Pages(files) = Pages::embedded();
        for page in [APP, OPERATORS] {
            let html = BuiltFiles::get(page).unwrap().data;
            let html = std::str::from_utf8(&html).unwrap();
            let named: Vec<_> = html
                .split('"')
                .filter_map(|text| text.strip_prefix('/'))
                .collect();
            assert!(!named.is_empty(), "{html}");
            for name in named {
                assert!(files.contains_key(name), "{page} names {name}");
            }
        }
    }
}
