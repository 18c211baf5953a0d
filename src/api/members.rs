//! Members of a vault: list, add, change, remove.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::json;

use crate::{
    domain::{Command, Mutation, Seq, UserRef, event::MemberView, ids::MembershipId},
    forms,
};

use super::{
    Api, answer,
    body::Body,
    conditions::Conditions,
    error::ApiError,
    extract::{Caller, user_id, vault_id},
    stranger,
};

pub async fn list(
    api: web::Data<Api>,
    Caller(me): Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let members = api.journal().members(&vault_id(&id)?, &me.id).await?;
    let listing = members.ok_or_else(stranger)?;
    Ok(HttpResponse::Ok().json(MembersView {
        members: listing.rows,
        seq: listing.seq,
        epoch: api.journal().epoch(),
    }))
}

pub async fn add(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    conditions: Conditions,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let vault = vault_id(&id)?;
    let (user, role) = forms::new_member(&body.fields()?)?;
    let asked = match &user {
        UserRef::Id(id) => json!({ "userId": id, "role": role }),
        UserRef::Email(email) => json!({ "email": email, "role": role }),
    };
    let key = conditions.key(&format!("/api/vaults/{vault}/members"), &asked)?;
    let id = MembershipId::generate();
    let command = Command::AddMember { id, user, role };
    Ok(answer::created(
        api.submit(&vault, Mutation { by, command, key }).await?,
    ))
}

pub async fn change(
    api: web::Data<Api>,
    Caller(by): Caller,
    path: web::Path<(String, String)>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let (id, user) = (vault_id(&path.0)?, user_id(&path.1)?);
    let role = forms::member_role(&body.fields()?)?;
    let (command, key) = (Command::ChangeRole { user, role }, None);
    Ok(answer::changed(
        api.submit(&id, Mutation { by, command, key }).await?,
    ))
}

pub async fn remove(
    api: web::Data<Api>,
    Caller(by): Caller,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (id, user) = (vault_id(&path.0)?, user_id(&path.1)?);
    let (command, key) = (Command::RemoveMember { user }, None);
    Ok(answer::changed(
        api.submit(&id, Mutation { by, command, key }).await?,
    ))
}

/// A vault's members as they are answered.
#[derive(Serialize)]
struct MembersView<'a> {
    members: Vec<MemberView>,
    seq: Seq,
    epoch: &'a str,
}
