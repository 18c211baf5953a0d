//! Vaults: who I am, which are mine, to make, rename and delete one.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use serde_json::{json, value::RawValue};

use crate::{
    domain::{Command, Mutation, Principal, Seq, User, VaultId, ids::MembershipId},
    forms,
    journal::{JournalError, NewVault, Record, Stretch},
    problem::{Code, Problem},
};

use super::{
    Api, answer,
    body::Body,
    conditions::Conditions,
    error::ApiError,
    extract::{Caller, vault_id},
    page::Page,
    stranger,
};

pub async fn me(Caller(me): Caller) -> HttpResponse {
    let Principal { id, name, email } = me;
    HttpResponse::Ok().json(User { id, name, email })
}

pub async fn list(api: web::Data<Api>, Caller(me): Caller) -> Result<HttpResponse, ApiError> {
    let vaults = api.journal().vaults_of(&me.id).await?;
    Ok(HttpResponse::Ok().json(json!({ "vaults": vaults })))
}

pub async fn create(
    api: web::Data<Api>,
    Caller(by): Caller,
    conditions: Conditions,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let name = forms::vault_name(&body.fields()?)?;
    let key = conditions.key("/api/vaults", &name)?;
    api.takes_mutation(&by.id)?;
    let new = NewVault {
        id: VaultId::generate(),
        membership: MembershipId::generate(),
        name,
        by,
        key,
    };
    Ok(answer::created(api.vaults.create(new).await?))
}

pub async fn read(
    api: web::Data<Api>,
    Caller(me): Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let vault = api.journal().vault(&vault_id(&id)?, &me.id).await?;
    Ok(HttpResponse::Ok().json(vault.ok_or_else(stranger)?))
}

pub async fn rename(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let id = vault_id(&id)?;
    let name = forms::vault_name(&body.fields()?)?;
    let key = None;
    let command = Command::Rename { name };
    Ok(answer::changed(
        api.submit(&id, Mutation { by, command, key }).await?,
    ))
}

pub async fn delete(
    api: web::Data<Api>,
    Caller(by): Caller,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = vault_id(&id)?;
    let (command, key) = (Command::Delete, None);
    Ok(answer::changed(
        api.submit(&id, Mutation { by, command, key }).await?,
    ))
}

pub async fn events(
    api: web::Data<Api>,
    Caller(me): Caller,
    id: web::Path<String>,
    page: Page,
) -> Result<HttpResponse, ApiError> {
    let (id, since, limit) = (vault_id(&id)?, page.since()?, page.limit()?);
    let stretch = api.journal().events(&id, &me.id, since, limit).await?;
    let listing = match stretch.ok_or_else(stranger)? {
        Stretch::Kept(listing) => listing,
        Stretch::Trimmed => {
            let message = "Events after this place are no longer kept: list the sources anew";
            return Err(Problem::new(Code::JournalTrimmed, message).into());
        }
    };
    let events = listing
        .rows
        .iter()
        .map(EventView::of)
        .collect::<Result<Vec<_>, _>>()?;
    let epoch = api.journal().epoch();
    Ok(HttpResponse::Ok().json(EventsView {
        events,
        seq: listing.seq,
        epoch,
    }))
}

/// A stretch of the journal as it is answered.
#[derive(Serialize)]
struct EventsView<'a> {
    events: Vec<EventView<'a>>,
    seq: Seq,
    epoch: &'a str,
}

/// An event as it is answered: its payload is the journal's text, as subscribers got it.
#[derive(Serialize)]
struct EventView<'a> {
    seq: Seq,
    event: &'static str,
    payload: &'a RawValue,
}

impl<'a> EventView<'a> {
    fn of(record: &'a Record) -> Result<Self, JournalError> {
        let payload = serde_json::from_str(&record.payload);
        let payload = payload.map_err(|error| JournalError::unreadable(&error))?;
        Ok(Self {
            seq: record.seq,
            event: record.kind.as_str(),
            payload,
        })
    }
}
