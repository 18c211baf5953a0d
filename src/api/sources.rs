//! Sources of a vault: list, create, read, update, delete.

use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::{
    domain::{Answer, Command, Mutation, Principal, Seq, Source, SourceId},
    forms,
    problem::Problem,
};

use super::{
    Api, answer,
    body::Body,
    conditions::Conditions,
    error::ApiError,
    extract::{Caller, source_id, vault_id},
    page::Page,
    stranger,
};

pub async fn list(
    api: web::Data<Api>,
    Caller(me): Caller,
    id: web::Path<String>,
    page: Page,
) -> Result<HttpResponse, ApiError> {
    let (id, before, limit) = (vault_id(&id)?, page.cursor()?, page.limit()?);
    let sources = api.journal().sources(&id, &me.id, before, limit).await?;
    let listing = sources.ok_or_else(stranger)?;
    Ok(HttpResponse::Ok().json(SourcesView {
        sources: listing.rows,
        seq: listing.seq,
        epoch: api.journal().epoch(),
        next_cursor: listing.next.map(|next| next.to_string()),
    }))
}

pub async fn create(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    conditions: Conditions,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let vault = vault_id(&id)?;
    let source = forms::new_source(&body.fields()?)?;
    let key = conditions.key(&forms::sources_path(&vault), &source)?;
    let id = SourceId::generate();
    let command = Command::CreateSource { id, source };
    Ok(answer::created(
        api.submit(&vault, Mutation { by, command, key }).await?,
    ))
}

pub async fn read(
    api: web::Data<Api>,
    Caller(me): Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let source = api.journal().source(&source_id(&id)?, &me.id).await?;
    let source = source.ok_or_else(|| Problem::not_found("Source"))?;
    Ok(answer::source(&source))
}

pub async fn update(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    conditions: Conditions,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let id = source_id(&id)?;
    let command = Command::UpdateSource {
        id: id.clone(),
        patch: forms::source_patch(&body.fields()?)?,
        if_match: conditions.if_match(),
    };
    Ok(answer::changed(mutate(&api, by, &id, command).await?))
}

pub async fn delete(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    conditions: Conditions,
) -> Result<HttpResponse, ApiError> {
    let id = source_id(&id)?;
    let command = Command::DeleteSource {
        id: id.clone(),
        if_match: conditions.if_match(),
    };
    Ok(answer::changed(mutate(&api, by, &id, command).await?))
}

/// Changes a source through its vault. Who is no member of it learns of neither.
async fn mutate(
    api: &Api,
    by: Principal,
    id: &SourceId,
    command: Command,
) -> Result<Answer, ApiError> {
    let vault = api.journal().vault_of(id).await?;
    let vault = vault.ok_or_else(|| Problem::not_found("Source"))?;
    let key = None;
    let outcome = api.submit(&vault, Mutation { by, command, key }).await;
    outcome.map_err(|ApiError(problem)| problem.of_a_source().into())
}

/// A page of a vault's sources as it is answered.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourcesView<'a> {
    sources: Vec<Source>,
    seq: Seq,
    epoch: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}
