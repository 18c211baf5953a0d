//! The operations of the OpenAPI document as HTML.

use maud::{Markup, html};
use utoipa::openapi::{
    OpenApi, RefOr, Response,
    path::{Operation, Parameter, ParameterIn, PathItem},
    security::{ApiKey, SecurityScheme},
};

use super::{
    prose::{inline, prose},
    schema_view::{Schemas, expanded, type_of},
};

/// An operation with its place.
struct PlacedOperation<'a> {
    method: &'static str,
    /// The prefix of the path: `server.base_path`, except for the health checks.
    base_path: &'a str,
    path: &'a str,
    operation: &'a Operation,
}

impl PlacedOperation<'_> {
    /// Returns the id of its element.
    fn anchor(&self) -> String {
        format!(
            "http-{}",
            self.operation.operation_id.as_deref().unwrap_or_default()
        )
    }
}

fn placed<'a>(openapi: &'a OpenApi, tag: &'a str) -> impl Iterator<Item = PlacedOperation<'a>> {
    let all = openapi
        .paths
        .paths
        .iter()
        .flat_map(|(path, item)| of_path(openapi, path, item));
    all.filter(move |placed| {
        placed
            .operation
            .tags
            .iter()
            .flatten()
            .any(|other| other == tag)
    })
}

fn of_path<'a>(
    openapi: &'a OpenApi,
    path: &'a str,
    item: &'a PathItem,
) -> impl Iterator<Item = PlacedOperation<'a>> {
    let servers = item.servers.as_ref().or(openapi.servers.as_ref());
    let server = servers.and_then(|servers| servers.first());
    let base_path = server.map_or("", |server| server.url.trim_end_matches('/'));
    let methods = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    methods.into_iter().filter_map(move |(method, operation)| {
        let operation = operation.as_ref()?;
        Some(PlacedOperation {
            method,
            base_path,
            path,
            operation,
        })
    })
}

/// Returns the table of contents.
pub fn contents(openapi: &OpenApi) -> Markup {
    html! {
        @for tag in openapi.tags.iter().flatten() {
            h3 { (tag.name) }
            ul {
                @for placed in placed(openapi, &tag.name) {
                    li {
                        a href={ "#" (placed.anchor()) } {
                            (method(placed.method)) " " (placed.operation.operation_id.as_deref().unwrap_or_default())
                        }
                    }
                }
            }
        }
    }
}

/// Returns the credentials.
pub fn credentials(openapi: &OpenApi) -> Markup {
    html! {
        h3 id="credentials" { "Credentials" }
        p { "One of these. Pages send cookies by themselves, so a page of another origin must be allowed by the operator." }
        dl.fields {
            @for scheme in openapi.components.iter().flat_map(|components| components.security_schemes.values()) {
                @if let RefOr::T(scheme) = scheme { div { (credential(scheme)) } }
            }
        }
    }
}

fn credential(scheme: &SecurityScheme) -> Markup {
    match scheme {
        SecurityScheme::Http(http) => html! {
            dt { code { "Authorization: Bearer" } }
            dd { (inline(http.description.as_deref().unwrap_or_default())) }
        },
        SecurityScheme::ApiKey(ApiKey::Cookie(cookie)) => html! {
            dt { code { (cookie.name) } }
            dd { (inline(cookie.description.as_deref().unwrap_or_default())) }
        },
        _ => html! {},
    }
}

/// Returns every operation.
pub fn operations(openapi: &OpenApi, schemas: &Schemas<'_>) -> Markup {
    html! {
        @for tag in openapi.tags.iter().flatten() {
            h3.tag { (tag.name) }
            @if let Some(description) = &tag.description { p { (inline(description)) } }
            @for placed in placed(openapi, &tag.name) { (article(openapi, schemas, &placed)) }
        }
    }
}

fn article(openapi: &OpenApi, schemas: &Schemas<'_>, placed: &PlacedOperation<'_>) -> Markup {
    let operation = placed.operation;
    let parameters: Vec<_> = operation
        .parameters
        .iter()
        .flatten()
        .filter_map(|part| parameter(openapi, part))
        .collect();
    html! {
        article.operation id=(placed.anchor()) {
            h4 {
                a.anchor href={ "#" (placed.anchor()) } {
                    (method(placed.method)) " " span.path { (placed.base_path) (placed.path) }
                }
            }
            p.summary { (inline(operation.summary.as_deref().unwrap_or_default())) }
            (prose(operation.description.as_deref().unwrap_or_default()))
            @if !parameters.is_empty() {
                h5 { "Parameters" }
                dl.fields { @for parameter in &parameters { div { (parameter_view(parameter)) } } }
            }
            @if let Some(RefOr::T(body)) = &operation.request_body {
                h5 { "Body" }
                @for content in body.content.values() {
                    @if let RefOr::T(content) = content && let Some(schema) = &content.schema { (expanded(schemas, schema)) }
                }
            }
            h5 { "Responses" }
            (responses(operation))
        }
    }
}

fn method(name: &str) -> Markup {
    html! { span.method.(name.to_ascii_lowercase()) { (name) } }
}

fn parameter<'a>(openapi: &'a OpenApi, part: &'a RefOr<Parameter>) -> Option<&'a Parameter> {
    let part = match part {
        RefOr::T(_) => part,
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next()?;
            openapi.components.as_ref()?.parameters.get(name)?
        }
    };
    match part {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    }
}

fn parameter_view(parameter: &Parameter) -> Markup {
    let place = match parameter.parameter_in {
        ParameterIn::Path => "path",
        ParameterIn::Query => "query",
        ParameterIn::Header => "header",
        ParameterIn::Cookie | ParameterIn::QueryString => "request",
    };
    html! {
        dt { code { (parameter.name) } span.optional { (place) } }
        dd {
            @if let Some(schema) = &parameter.schema { span.type { (type_of(schema)) } }
            @if let Some(description) = &parameter.description { p { (inline(description)) } }
        }
    }
}

fn responses(operation: &Operation) -> Markup {
    html! {
        div.responses {
            @for (status, response) in &operation.responses.responses {
                @if let RefOr::T(response) = response { (response_view(status, response)) }
            }
        }
    }
}

/// A refusal is folded, so that the page shows first what a request does.
fn response_view(status: &str, response: &Response) -> Markup {
    let schema = response.content.values().find_map(|content| match content {
        RefOr::T(content) => content.schema.as_ref(),
        RefOr::Ref(_) => None,
    });
    let headers: Vec<_> = response.headers.keys().map(String::as_str).collect();
    let is_success = status.starts_with('2');
    html! {
        details.response open[is_success] {
            summary {
                span.status.success[is_success] { (status) } " "
                @match schema {
                    Some(schema) => (type_of(schema)),
                    None => "no content",
                }
            }
            (prose(&response.description))
            p.headers { "Headers: " @for (index, name) in headers.iter().enumerate() { @if index > 0 { ", " } code { (name) } } }
        }
    }
}
