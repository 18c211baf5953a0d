//! Parses the arguments of a client's events.

use serde_json::Value;

use crate::{
    contract::{problem::Problem, validation},
    domain::{Command, EventKind, NewSource, Seq, SourceId, VaultId, idempotency::IdempotencyKey},
    gateway::issued_id::issued_id,
    vault::Attach,
};

use super::client_event::ClientEvent;

/// A request of a client with a valid target. The content of a mutation may be invalid; that error is sent only to members
/// of the vault.
#[derive(Debug)]
pub(in crate::gateway) enum ClientRequest {
    Join {
        vault: VaultId,
        attach: Attach,
    },
    Leave {
        vault: VaultId,
    },
    Mutate {
        target: NamedTarget,
        content: Result<Box<MutationContent>, Problem>,
    },
}

/// What a client names as the target of its mutation.
#[derive(Debug)]
pub(in crate::gateway) struct NamedTarget {
    pub subject: MutationSubject,
    /// The kind of event that the mutation becomes.
    pub kind: EventKind,
}

/// A vault, or a source whose vault has to be looked up.
#[derive(Debug)]
pub(in crate::gateway) enum MutationSubject {
    Vault(VaultId),
    Source(SourceId),
}

/// What a mutation is to change.
#[derive(Debug)]
pub(in crate::gateway) struct MutationContent {
    pub command: Command,
    pub key: Option<IdempotencyKey>,
}

impl ClientRequest {
    /// Parses an event of a client.
    ///
    /// # Errors
    /// `INVALID_VAULT_ID` or `VALIDATION_FAILED`, if the event has no valid target.
    pub(in crate::gateway) fn parse(event: &str, args: &[Value]) -> Result<Self, Problem> {
        let Some(event) = ClientEvent::from_name(event) else {
            return Err(Problem::invalid_field("event", "is unknown"));
        };
        let arg = args.first();
        match event {
            ClientEvent::Join => {
                let vault = parse_vault_id(arg)?;
                let attach = parse_attach(arg)?;
                Ok(Self::Join { vault, attach })
            }
            ClientEvent::Leave => {
                let vault = parse_vault_id(arg)?;
                Ok(Self::Leave { vault })
            }
            ClientEvent::CreateSource => {
                let payload = parse_object(arg, "payload")?;
                let source = parse_object(payload.get("source"), "source");
                let vault = payload
                    .get("vaultId")
                    .or_else(|| source.as_ref().ok()?.get("vaultId"));
                let vault = validation::vault_id(vault)?;
                let content = source.and_then(|source| {
                    let source = validation::new_source(source)?;
                    let key = parse_key(payload.get("key"), &vault, &source)?;
                    let id = SourceId::generate();
                    let command = Command::CreateSource { id, source };
                    Ok(MutationContent { command, key }.into())
                });
                let target = NamedTarget {
                    subject: MutationSubject::Vault(vault),
                    kind: EventKind::SourceCreated,
                };
                Ok(Self::Mutate { target, content })
            }
            ClientEvent::UpdateSource => {
                let payload = parse_object(arg, "payload")?;
                let fields = parse_object(payload.get("source"), "source")?;
                let source = parse_source_id(fields.get("id"), "id")?;
                let patch = validation::source_patch(fields);
                let content = patch.map(|patch| Command::UpdateSource {
                    id: source.clone(),
                    patch,
                    if_match: None,
                });
                Ok(Self::of_source(source, EventKind::SourceUpdated, content))
            }
            ClientEvent::DeleteSource => {
                let payload = parse_object(arg, "payload")?;
                let source = parse_source_id(payload.get("sourceId"), "sourceId")?;
                let command = Command::DeleteSource {
                    id: source.clone(),
                    if_match: None,
                };
                Ok(Self::of_source(
                    source,
                    EventKind::SourceDeleted,
                    Ok(command),
                ))
            }
        }
    }

    /// Returns a mutation of a source.
    fn of_source(source: SourceId, kind: EventKind, command: Result<Command, Problem>) -> Self {
        let subject = MutationSubject::Source(source);
        Self::Mutate {
            target: NamedTarget { subject, kind },
            content: command.map(|command| MutationContent { command, key: None }.into()),
        }
    }
}

/// Returns the vault that the arguments of an event name, for the `error` event. The arguments may be invalid otherwise.
pub(in crate::gateway) fn named_vault(args: &[Value]) -> Option<VaultId> {
    let arg = args.first()?;
    let nested = || {
        arg.get("vaultId")
            .or_else(|| arg.get("source")?.get("vaultId"))
    };
    VaultId::parse(arg.as_str().or_else(|| nested()?.as_str())?)
}

/// Parses `"VAULT_ID"` or `{vaultId}`.
fn parse_vault_id(arg: Option<&Value>) -> Result<VaultId, Problem> {
    match arg {
        Some(Value::Object(payload)) => validation::vault_id(payload.get("vaultId")),
        other => validation::vault_id(other),
    }
}

/// Parses the optional fields `since` and `epoch` of a join. An epoch that is longer than every epoch is not kept: the
/// empty epoch is as unknown.
fn parse_attach(arg: Option<&Value>) -> Result<Attach, Problem> {
    let field = |name| arg?.get(name).filter(|value| !value.is_null());
    let epoch = match field("epoch") {
        None => None,
        Some(epoch) => {
            let invalid = || Problem::invalid_field("epoch", "must be a string");
            let epoch = epoch.as_str().ok_or_else(invalid)?;
            Some(issued_id(epoch).unwrap_or_default())
        }
    };
    let Some(since) = field("since") else {
        return Ok(Attach::Join);
    };
    let since = since.as_u64();
    let invalid = || Problem::invalid_field("since", "must be a sequence number");
    let seq = Seq(since.ok_or_else(invalid)?);
    Ok(Attach::JoinSince { seq, epoch })
}

fn parse_object<'a>(
    value: Option<&'a Value>,
    field: &str,
) -> Result<&'a validation::Fields, Problem> {
    value
        .and_then(Value::as_object)
        .ok_or_else(|| Problem::invalid_field(field, "must be an object"))
}

fn parse_source_id(value: Option<&Value>, field: &str) -> Result<SourceId, Problem> {
    value
        .and_then(Value::as_str)
        .and_then(SourceId::parse)
        .ok_or_else(|| Problem::invalid_field(field, "must be the id of a source"))
}

fn parse_key(
    key: Option<&Value>,
    vault: &VaultId,
    source: &NewSource,
) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(key) = key.filter(|key| !key.is_null()) else {
        return Ok(None);
    };
    let text = key
        .as_str()
        .ok_or_else(|| Problem::invalid_field("key", "must be a string"))?;
    validation::idempotency_key("key", text, validation::sources_path(vault), source).map(Some)
}
