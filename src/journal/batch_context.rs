//! Loads the sources, users, and remembered answers that the requests of a transaction refer to.

use std::collections::HashMap;

use sea_orm::DbErr;

use crate::domain::{BatchContext, Mutation, command::CommandTarget};

use super::{
    lookup::{self, UserKey},
    request::{NewVault, WriteRequest},
    sql_executor::SqlExecutor,
};

/// Loads the sources and users that the mutations of all requests name.
///
/// # Errors
/// When the database rejects a query.
pub(super) async fn load(
    txn: &impl SqlExecutor,
    requests: &[WriteRequest],
) -> Result<BatchContext, DbErr> {
    let (mut sources, mut users, mut emails) = (Vec::new(), Vec::new(), Vec::new());
    for mutation in requests.iter().flat_map(WriteRequest::mutations) {
        match mutation.command.target() {
            CommandTarget::Vault => {}
            CommandTarget::Source(id) => sources.push(id.clone()),
            CommandTarget::User(id) => users.push(id.clone()),
            CommandTarget::UserWithEmail(email) => emails.push(email.to_owned()),
        }
    }
    Ok(BatchContext {
        sources: lookup::sources(txn, &sources).await?,
        users: lookup::users(txn, &users, &emails).await?,
    })
}

/// Returns the part of the context that one batch names. Users are shared by all vaults; a source belongs to one.
pub(super) fn for_batch(all: &BatchContext, mutations: &[Mutation]) -> BatchContext {
    let mut context = BatchContext {
        sources: HashMap::new(),
        users: all.users.clone(),
    };
    for mutation in mutations {
        if let CommandTarget::Source(id) = mutation.command.target()
            && let Some(source) = all.sources.get(id)
        {
            context.sources.insert(id.clone(), source.clone());
        }
    }
    context
}

/// Returns the idempotency keys of all requests.
pub(super) fn idempotency_keys(requests: &[WriteRequest]) -> Vec<UserKey<'_>> {
    let mut keys = Vec::new();
    for request in requests {
        for Mutation { by, key, .. } in request.mutations() {
            let user = &by.id;
            keys.extend(key.as_ref().map(|key| UserKey { user, key }));
        }
        if let WriteRequest::CreateVault(NewVault { by, key, .. }) = request {
            let user = &by.id;
            keys.extend(key.as_ref().map(|key| UserKey { user, key }));
        }
    }
    keys
}
