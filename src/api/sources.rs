//! Handlers for the sources of a vault.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contract::{admission::SourceAdmission, problem::Problem, validation},
    domain::{Command, EventKind, Mutation, MutationAnswer, Principal, Seq, Source, SourceId},
};

use super::{
    context::Api,
    error::{ApiError, access_denied},
    extract::{Caller, Reader, source_id, vault_id},
    json_body::JsonBody,
    known_versions::KnownVersions,
    mutation_headers::MutationHeaders,
    page_query::PageQuery,
    responses,
};

/// Handles `GET /api/vaults/{id}/sources`.
pub async fn list(
    api: web::Data<Api>,
    Reader(user): Reader,
    id: web::Path<String>,
    page: PageQuery,
) -> Result<HttpResponse, ApiError> {
    let id = vault_id(&id)?;
    let parameters = page
        .source_cursor()
        .and_then(|before| Ok((before, page.limit()?)));
    let (before, limit) = api.for_member(&user.id, &id, parameters).await?;
    let epoch = api.journal().epoch();
    let sources = api.journal().sources(&id, &user.id, before, limit).await?;
    let listing = sources.ok_or_else(access_denied)?;
    Ok(HttpResponse::Ok().json(SourcesView {
        sources: listing.rows,
        seq: listing.seq,
        epoch: &epoch,
        next_cursor: listing.next.map(|next| next.to_string()),
    }))
}

/// Handles `POST /api/vaults/{id}/sources`.
pub async fn create(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    headers: MutationHeaders,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let vault = vault_id(&id)?;
    let admission = api
        .admit_to_vault(&by, &vault, EventKind::SourceCreated)
        .await?;
    let source = validation::new_source(&body.fields()?)?;
    let key = headers.key(&validation::sources_path(&vault), &source)?;
    let id = SourceId::generate();
    let command = Command::CreateSource { id, source };
    let mutation = Mutation { by, command, key };
    Ok(responses::created(
        api.submit(&vault, mutation, admission).await?,
    ))
}

/// Handles `GET /api/sources/{id}`.
pub async fn read(
    api: web::Data<Api>,
    Reader(user): Reader,
    id: web::Path<String>,
    known: KnownVersions,
) -> Result<HttpResponse, ApiError> {
    let source = api.journal().source(&source_id(&id)?, &user.id).await?;
    let source = source.ok_or_else(|| Problem::not_found("Source"))?;
    Ok(match known.contains(source.seq) {
        true => responses::not_modified(&source),
        false => responses::source(&source),
    })
}

/// Handles `PATCH /api/sources/{id}`.
pub async fn update(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    headers: MutationHeaders,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = source_id(&id)?;
    let admitted = api
        .admit_to_source(&by, &id, EventKind::SourceUpdated)
        .await?;
    let command = Command::UpdateSource {
        id,
        patch: validation::source_patch(&body.fields()?)?,
        if_match: headers.if_match(),
    };
    let outcome = submit_to_source(&api, by, command, admitted).await;
    Ok(responses::changed(
        outcome.map_err(|error| headers.explain(error))?,
    ))
}

/// Handles `DELETE /api/sources/{id}`.
pub async fn delete(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    headers: MutationHeaders,
) -> Result<HttpResponse, ApiError> {
    let id = source_id(&id)?;
    let admitted = api
        .admit_to_source(&by, &id, EventKind::SourceDeleted)
        .await?;
    let command = Command::DeleteSource {
        id,
        if_match: headers.if_match(),
    };
    let outcome = submit_to_source(&api, by, command, admitted).await;
    Ok(responses::changed(
        outcome.map_err(|error| headers.explain(error))?,
    ))
}

/// Submits an admitted command about a source to the vault that contains it. A caller who is not a member any more gets
/// `NOT_FOUND`, as if the source did not exist.
async fn submit_to_source(
    api: &Api,
    by: Principal,
    command: Command,
    SourceAdmission { vault, admission }: SourceAdmission,
) -> Result<MutationAnswer, ApiError> {
    let key = None;
    let mutation = Mutation { by, command, key };
    let outcome = api.submit(&vault, mutation, admission).await;
    outcome.map_err(|ApiError(problem)| problem.hiding_source().into())
}

/// The response with a page of sources.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SourcePage)]
pub struct SourcesView<'a> {
    sources: Vec<Source>,
    /// The number of the event that the page reflects. Events continue after that of the first page.
    seq: Seq,
    /// The id of the history that `seq` belongs to.
    epoch: &'a str,
    /// The `cursor` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}
