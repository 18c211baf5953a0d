//! Handlers for the members of a vault.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::{
    contract::validation::{self, NewMember},
    domain::{Command, EventKind, MemberView, Mutation, Seq, UserRef, ids::MembershipId},
};

use super::{
    context::Api,
    error::{ApiError, access_denied},
    extract::{Caller, Reader, vault_id},
    json_body::JsonBody,
    member_target::MemberTarget,
    mutation_headers::MutationHeaders,
    page_query::{PageQuery, member_cursor},
    responses,
};

/// Handles `GET /api/vaults/{id}/members`.
pub async fn list(
    api: web::Data<Api>,
    Reader(user): Reader,
    id: web::Path<String>,
    page: PageQuery,
) -> Result<HttpResponse, ApiError> {
    let id = vault_id(&id)?;
    let parameters = page
        .member_cursor()
        .and_then(|after| Ok((after, page.limit()?)));
    let (after, limit) = api.for_member(&user.id, &id, parameters).await?;
    let journal = api.journal();
    let epoch = journal.epoch();
    let members = journal.members(&id, &user.id, after.as_ref(), limit);
    let listing = members.await?.ok_or_else(access_denied)?;
    Ok(HttpResponse::Ok().json(MembersView {
        members: listing.rows,
        seq: listing.seq,
        epoch: &epoch,
        next_cursor: listing.next.as_ref().map(member_cursor),
    }))
}

/// Handles `POST /api/vaults/{id}/members`.
pub async fn add(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    headers: MutationHeaders,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let vault = vault_id(&id)?;
    let admission = api
        .admit_to_vault(&by, &vault, EventKind::MemberAdded)
        .await?;
    let NewMember { user, role } = validation::new_member(&body.fields()?)?;
    let request = match &user {
        UserRef::Id(id) => json!({ "userId": id, "role": role }),
        UserRef::Email(email) => json!({ "email": email, "role": role }),
    };
    let key = headers.key(&format!("/api/vaults/{vault}/members"), &request)?;
    let id = MembershipId::generate();
    let command = Command::AddMember { id, user, role };
    let mutation = Mutation { by, command, key };
    Ok(responses::created(
        api.submit(&vault, mutation, admission).await?,
    ))
}

/// Handles `PATCH /api/vaults/{id}/members/{userId}` and `PATCH /api/vaults/{id}/members?userId`.
pub async fn change(
    api: web::Data<Api>,
    Caller(by): Caller,
    target: MemberTarget,
    headers: MutationHeaders,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = target.vault()?;
    let admission = api
        .admit_to_vault(&by, &id, EventKind::MemberUpdated)
        .await?;
    let user = target.user()?;
    let role = validation::member_role(&body.fields()?)?;
    headers.refuse_etags()?;
    let (command, key) = (Command::ChangeRole { user, role }, None);
    let mutation = Mutation { by, command, key };
    Ok(responses::changed(
        api.submit(&id, mutation, admission).await?,
    ))
}

/// Handles `DELETE /api/vaults/{id}/members/{userId}` and `DELETE /api/vaults/{id}/members?userId`.
pub async fn remove(
    api: web::Data<Api>,
    Caller(by): Caller,
    target: MemberTarget,
    headers: MutationHeaders,
) -> Result<HttpResponse, ApiError> {
    let id = target.vault()?;
    let admission = api
        .admit_to_vault(&by, &id, EventKind::MemberRemoved)
        .await?;
    let user = target.user()?;
    headers.refuse_etags()?;
    let (command, key) = (Command::RemoveMember { user }, None);
    let mutation = Mutation { by, command, key };
    Ok(responses::changed(
        api.submit(&id, mutation, admission).await?,
    ))
}

/// The response with a page of members.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MemberPage)]
pub struct MembersView<'a> {
    members: Vec<MemberView>,
    /// The number of the event that the page reflects. Events continue after that of the first page.
    seq: Seq,
    /// The id of the history that `seq` belongs to.
    epoch: &'a str,
    /// The `cursor` of the next page, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next_cursor: Option<String>,
}
