//! Handlers for the caller, for vaults and for their events.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{ToSchema, openapi::Array};

use crate::{
    contract::{problem::Problem, schema, validation},
    domain::{
        Command, EventKind, Mutation, Principal, Seq, User, VaultId, VaultView, ids::MembershipId,
    },
    journal::{EventRange, JournalError, JournalRecord, NewVault},
};

use super::{
    context::Api,
    error::{ApiError, access_denied},
    extract::{Caller, Reader, vault_id},
    json_body::JsonBody,
    mutation_headers::MutationHeaders,
    page_query::PageQuery,
    responses,
};

/// The name of the schema of an event in a response.
pub const JOURNAL_EVENT: &str = "JournalEvent";

/// Handles `GET /api/me`.
pub async fn me(Reader(user): Reader) -> HttpResponse {
    let Principal { id, name, email } = user;
    HttpResponse::Ok().json(User { id, name, email })
}

/// Handles `GET /api/vaults`.
pub async fn list(
    api: web::Data<Api>,
    Reader(user): Reader,
    query: PageQuery,
) -> Result<HttpResponse, ApiError> {
    let (after, limit) = (query.vault_cursor()?, query.limit()?);
    let journal = api.journal();
    let page = journal.vaults_of_user(&user.id, after.as_ref(), limit);
    let page = page.await?;
    Ok(HttpResponse::Ok().json(VaultsView {
        vaults: page.rows,
        next_cursor: page.next,
    }))
}

/// Handles `POST /api/vaults`.
pub async fn create(
    api: web::Data<Api>,
    Caller(by): Caller,
    headers: MutationHeaders,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let name = validation::vault_name(&body.fields()?)?;
    let key = headers.key("/api/vaults", &name)?;
    api.check_mutation(&by.id)?;
    let new = NewVault {
        id: VaultId::generate(),
        membership: MembershipId::generate(),
        name,
        by,
        key,
    };
    Ok(responses::created(api.vaults.create(new).await?))
}

/// Handles `GET /api/vaults/{id}`.
pub async fn read(
    api: web::Data<Api>,
    Reader(user): Reader,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let vault = api.journal().vault(&vault_id(&id)?, &user.id).await?;
    Ok(HttpResponse::Ok().json(vault.ok_or_else(access_denied)?))
}

/// Handles `PATCH /api/vaults/{id}`.
pub async fn rename(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    headers: MutationHeaders,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = vault_id(&id)?;
    let admission = api
        .admit_to_vault(&by, &id, EventKind::VaultUpdated)
        .await?;
    let name = validation::vault_name(&body.fields()?)?;
    headers.refuse_etags()?;
    let key = None;
    let command = Command::Rename { name };
    let mutation = Mutation { by, command, key };
    Ok(responses::changed(
        api.submit(&id, mutation, admission).await?,
    ))
}

/// Handles `DELETE /api/vaults/{id}`.
pub async fn delete(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    headers: MutationHeaders,
) -> Result<HttpResponse, ApiError> {
    let id = vault_id(&id)?;
    let admission = api
        .admit_to_vault(&by, &id, EventKind::VaultDeleted)
        .await?;
    headers.refuse_etags()?;
    let (command, key) = (Command::Delete, None);
    let mutation = Mutation { by, command, key };
    Ok(responses::changed(
        api.submit(&id, mutation, admission).await?,
    ))
}

/// Handles `GET /api/vaults/{id}/events`.
pub async fn events(
    api: web::Data<Api>,
    Reader(user): Reader,
    id: web::Path<String>,
    page: PageQuery,
) -> Result<HttpResponse, ApiError> {
    let id = vault_id(&id)?;
    let parameters = page.since().and_then(|since| Ok((since, page.limit()?)));
    let (since, limit) = api.for_member(&user.id, &id, parameters).await?;
    let epoch = api.journal().epoch();
    let range = api.journal().events(&id, &user.id, since, limit).await?;
    let listing = match range.ok_or_else(access_denied)? {
        EventRange::Available(listing) => listing,
        EventRange::Trimmed { since } => return Err(Problem::journal_trimmed(since).into()),
    };
    let events = listing
        .rows
        .iter()
        .map(EventView::new)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(HttpResponse::Ok().json(EventsView {
        events,
        seq: listing.seq,
        epoch: &epoch,
    }))
}

/// The response with a page of vaults.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VaultPage)]
pub struct VaultsView {
    vaults: Vec<VaultView>,
    /// The `cursor` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = String)]
    next_cursor: Option<VaultId>,
}

/// The response with a range of the journal.
#[derive(Serialize, ToSchema)]
#[schema(as = EventPage)]
pub struct EventsView<'a> {
    #[schema(schema_with = journal_events)]
    events: Vec<EventView<'a>>,
    /// The vault's head.
    seq: Seq,
    /// The id of the history that `seq` belongs to.
    epoch: &'a str,
}

fn journal_events() -> Array {
    Array::new(schema::reference(JOURNAL_EVENT))
}

/// An event in a response. The payload is the JSON text of the journal, exactly as subscribers receive it.
#[derive(Serialize)]
struct EventView<'a> {
    seq: Seq,
    event: &'static str,
    payload: &'a RawValue,
}

impl<'a> EventView<'a> {
    fn new(record: &'a JournalRecord) -> Result<Self, JournalError> {
        let payload = serde_json::from_str(&record.payload);
        let payload = payload.map_err(|error| JournalError::unreadable(&error))?;
        Ok(Self {
            seq: record.seq,
            event: record.kind.name(),
            payload,
        })
    }
}
