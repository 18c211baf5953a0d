//! Responses to mutations: the resource as the body, its sequence number in the headers.

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};

use crate::domain::{MutationAnswer, Resource, Source};

/// The header with the sequence number of a mutation's event.
const VAULT_SEQ: &str = "X-Vault-Seq";

/// Returns 201 with the created resource.
pub fn created(answer: MutationAnswer) -> HttpResponse {
    respond(HttpResponse::Created(), answer)
}

/// Returns 200 with the changed resource, or 204 if the mutation deleted it.
pub fn changed(answer: MutationAnswer) -> HttpResponse {
    let response = match answer.resource {
        Resource::Nothing => HttpResponse::NoContent(),
        Resource::Source(_) | Resource::Member(_) | Resource::Vault(_) => HttpResponse::Ok(),
    };
    respond(response, answer)
}

/// Returns 200 with a source.
pub fn source(source: &Source) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(source)).json(source)
}

/// Returns 304: the client has this version of the source. The ETag is repeated, as RFC 9110, section 15.4.5 requires.
pub fn not_modified(source: &Source) -> HttpResponse {
    HttpResponse::NotModified()
        .insert_header(etag(source))
        .finish()
}

fn respond(mut response: HttpResponseBuilder, answer: MutationAnswer) -> HttpResponse {
    response.insert_header((VAULT_SEQ, answer.seq.to_string()));
    match answer.resource {
        Resource::Source(source) => response.insert_header(etag(&source)).json(source),
        Resource::Member(member) => response.json(member),
        Resource::Vault(vault) => response.json(vault),
        Resource::Nothing => response.finish(),
    }
}

fn etag(source: &Source) -> (header::HeaderName, String) {
    (header::ETAG, format!("\"{}\"", source.seq))
}
