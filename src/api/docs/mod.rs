//! The page that shows both descriptions: plain HTML and CSS, without scripts and without requests to other addresses.
//!
//! `http_operations.rs` shows the OpenAPI document, `socket_events.rs` the AsyncAPI document, `schema_view.rs` the schemas
//! of both, `prose.rs` the texts.

mod http_operations;
mod prose;
mod schema_view;
mod socket_events;

use base64::{Engine, prelude::BASE64_STANDARD};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use utoipa::openapi::OpenApi;

use crate::contract::asyncapi::AsyncApi;

use schema_view::Schemas;

const STYLE: &str = include_str!("../../../web/docs.css");

/// Returns the `Content-Security-Policy` of the page: it loads nothing, and applies no style but its own.
pub fn content_security_policy() -> String {
    let digest = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

/// Returns the page.
pub fn page(openapi: &OpenApi, asyncapi: &AsyncApi) -> String {
    let schemas = schemas(openapi, asyncapi);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                link rel="icon" href="data:,";
                title { (openapi.info.title) " API" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                (header(openapi))
                div.layout {
                    nav aria-label="Contents" { (contents(openapi, asyncapi, &schemas)) }
                    main id="content" { (sections(openapi, asyncapi, &schemas)) }
                }
            }
        }
    };
    page.into_string()
}

fn header(openapi: &OpenApi) -> Markup {
    html! {
        header.top {
            h1 { (openapi.info.title) " API " span.version { (openapi.info.version) } }
            p.documents {
                a href="openapi.json" { "openapi.json" }
                a href="asyncapi.json" { "asyncapi.json" }
            }
        }
    }
}

fn sections(openapi: &OpenApi, asyncapi: &AsyncApi, schemas: &Schemas<'_>) -> Markup {
    html! {
        section aria-labelledby="http" {
            h2 id="http" { "HTTP" }
            (prose::prose(openapi.info.description.as_deref().unwrap_or_default()))
            (http_operations::credentials(openapi))
            (http_operations::operations(openapi, schemas))
        }
        section aria-labelledby="socketio" {
            h2 id="socketio" { "Socket.IO" }
            (prose::prose(asyncapi.info.description))
            (socket_events::events(asyncapi, schemas))
        }
        section aria-labelledby="schemas" {
            h2 id="schemas" { "Schemas" }
            @for (name, schema) in schemas {
                (schema_view::named_schema(name, schema))
            }
        }
    }
}

fn contents(openapi: &OpenApi, asyncapi: &AsyncApi, schemas: &Schemas<'_>) -> Markup {
    html! {
        details {
            summary { "Contents" }
            h2 { a href="#http" { "HTTP" } }
            (http_operations::contents(openapi))
            h2 { a href="#socketio" { "Socket.IO" } }
            (socket_events::contents(asyncapi))
            h2 { a href="#schemas" { "Schemas" } }
            ul {
                @for name in schemas.keys() {
                    li { a href={ "#schema-" (name) } { (name) } }
                }
            }
        }
    }
}

fn schemas<'a>(openapi: &'a OpenApi, asyncapi: &'a AsyncApi) -> Schemas<'a> {
    let of_http = openapi
        .components
        .iter()
        .flat_map(|components| &components.schemas);
    let all = of_http.chain(asyncapi.components.schemas.iter());
    all.map(|(name, schema)| (name.as_str(), schema)).collect()
}
