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

use actix_web::{HttpRequest, HttpResponse, http::header, web};
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

/// How the built pages name their files: relative to the root of `web/dist`, not to the path of the page.
const RELATIVE_FILE: &str = "\"./assets/";
/// The element of the app that names the prefix of the service's routes.
const BASE_PATH_ELEMENT: &str = r#"<meta name="base-path" content="">"#;

/// The paths at which the app is served. It reads the rest of the address itself.
const APP_PATHS: [&str; 2] = ["/", "/test/realtime"];

/// The built files. They are embedded in debug builds, too, so that tests serve what is shipped.
#[derive(RustEmbed)]
#[folder = "web/dist/"]
struct BuiltFiles;

/// The pages and their files. Clones share them.
#[derive(Clone)]
pub struct Pages {
    files: Arc<BTreeMap<String, StaticDocument>>,
    /// The prefix of the app's paths. The operators' page has none.
    base_path: Arc<str>,
}

impl Pages {
    /// Reads the embedded files. `base_path` is the prefix of the paths at which the app is served.
    pub fn embedded(base_path: &str) -> Self {
        let document = |name: &str| {
            let file = BuiltFiles::get(name)?;
            let freshness = match name.starts_with("assets/") {
                true => Freshness::Immutable,
                false => Freshness::Revalidate,
            };
            let content = match (name, file.data) {
                (APP, page) => at_base_path(&page, base_path).into(),
                (OPERATORS, page) => at_base_path(&page, "").into(),
                (_, Cow::Borrowed(embedded)) => web::Bytes::from_static(embedded),
                (_, Cow::Owned(read)) => read.into(),
            };
            Some(StaticDocument::new(content_type(name), content).with_freshness(freshness))
        };
        let files = BuiltFiles::iter()
            .filter_map(|name| Some((name.to_string(), document(&name)?)))
            .collect();
        Self {
            files: Arc::new(files),
            base_path: base_path.into(),
        }
    }

    /// Returns the routes of the app, without its prefix. They exist while `enabled` is true (`server.page`).
    pub fn app_routes(
        &self,
        enabled: Arc<AtomicBool>,
    ) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let (pages, has_prefix) = (web::Data::new(self.clone()), !self.base_path.is_empty());
        move |config| {
            config.app_data(pages);
            let while_enabled = || {
                let enabled = enabled.clone();
                move || enabled.load(Relaxed)
            };
            if has_prefix {
                config.service(path("").get(redirect_to_app).only_while(while_enabled()));
            }
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
        let file = self
            .files
            .get(name)
            .ok_or_else(|| Problem::not_found("Path"))?;
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

/// Redirects from the prefix itself to the app below it.
async fn redirect_to_app(pages: web::Data<Pages>) -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((header::LOCATION, format!("{}/", pages.base_path)))
        .finish()
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

/// Returns a built page whose files, and whose requests, have this prefix. No prefix that `server.base_path` accepts needs
/// escaping in HTML.
fn at_base_path(page: &[u8], base_path: &str) -> String {
    String::from_utf8_lossy(page)
        .replace(RELATIVE_FILE, &format!("\"{base_path}/assets/"))
        .replace(
            BASE_PATH_ELEMENT,
            &format!(r#"<meta name="base-path" content="{base_path}">"#),
        )
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
        let Pages { files, .. } = Pages::embedded("");
        for page in [APP, OPERATORS] {
            assert!(files.contains_key(page), "{page}");
        }
        for name in files.keys() {
            assert_ne!(content_type(name), UNKNOWN_TYPE, "{name}");
        }
    }

    #[test]
    fn every_file_that_a_page_names_is_embedded() {
        let Pages { files, .. } = Pages::embedded("");
        for page in [APP, OPERATORS] {
            let html = BuiltFiles::get(page).unwrap().data;
            let html = std::str::from_utf8(&html).unwrap();
            let named: Vec<_> = html
                .split('"')
                .filter_map(|text| text.strip_prefix("./"))
                .collect();
            assert!(!named.is_empty(), "{html}");
            for name in named {
                assert!(files.contains_key(name), "{page} names {name}");
            }
        }
    }

    #[test]
    fn app_has_the_prefix_in_the_paths_of_its_files_and_in_its_element() {
        let app = BuiltFiles::get(APP).unwrap().data;
        for base_path in ["", "/v1"] {
            let page = at_base_path(&app, base_path);
            assert!(!page.contains(RELATIVE_FILE), "{page}");
            assert!(page.contains(&format!("src=\"{base_path}/assets/")));
            assert!(page.contains(&format!(r#"name="base-path" content="{base_path}""#)));
        }
    }
}
