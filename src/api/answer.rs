//! How mutations are answered: the resource, with its place in the vault's order in the headers.

use actix_web::{HttpResponse, HttpResponseBuilder, http::header};

use crate::domain::{Answer, Resource, Source};

/// The sequence number of a mutation's event.
pub const VAULT_SEQ: &str = "X-Vault-Seq";

/// 201 with what was made.
pub fn created(answer: Answer) -> HttpResponse {
    with(HttpResponse::Created(), answer)
}

/// 200 with what was changed, or 204 where it is gone.
pub fn changed(answer: Answer) -> HttpResponse {
    let response = match answer.resource {
        Resource::Nothing => HttpResponse::NoContent(),
        Resource::Source(_) | Resource::Member(_) | Resource::Vault(_) => HttpResponse::Ok(),
    };
    with(response, answer)
}

/// 200 with a source as it stands.
pub fn source(source: &Source) -> HttpResponse {
    HttpResponse::Ok().insert_header(etag(source)).json(source)
}

fn with(mut response: HttpResponseBuilder, answer: Answer) -> HttpResponse {
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
