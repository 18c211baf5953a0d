//! Parses the JSON of events, independently of the code that writes it.

use serde::{Deserialize, de::DeserializeOwned};

use crate::domain::{EventKind, Role, Timestamp, event::Actor};

/// The content of an event's JSON.
#[derive(Debug)]
pub(super) struct ParsedEvent {
    pub seq: u64,
    pub vault: String,
    pub actor: Actor,
    pub timestamp: Timestamp,
    /// The time inside the source or vault, if there is one.
    pub inner_time: Option<InnerTime>,
    pub change: ParsedChange,
}

/// A time inside the object of an event, which must equal the event's timestamp.
#[derive(Clone, Copy, Debug)]
pub(super) struct InnerTime {
    pub field: &'static str,
    pub at: Timestamp,
}

/// The change that an event describes.
#[derive(Debug)]
pub(super) enum ParsedChange {
    SourceCreated(ParsedSource),
    SourceUpdated(ParsedSource),
    /// The id of the deleted source.
    SourceDeleted(String),
    MemberAdded(ParsedMember),
    MemberUpdated(ParsedMember),
    MemberRemoved(ParsedMember),
    VaultUpdated(ParsedVault),
    VaultDeleted,
}

/// The source in an event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParsedSource {
    pub id: String,
    pub title: String,
    pub file_url: String,
    pub file_key: Option<String>,
    pub file_size: Option<u64>,
    pub mime_type: String,
    vault_id: String,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

/// The member in an event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParsedMember {
    pub user_id: String,
    pub role: Role,
}

/// The vault in an event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ParsedVault {
    pub id: String,
    pub name: String,
    updated_at: Timestamp,
}

/// The fields that all events have.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CommonFields {
    seq: u64,
    vault_id: Option<String>,
    actor: Actor,
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct SourceField {
    source: ParsedSource,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SourceIdField {
    source_id: String,
}

#[derive(Deserialize)]
struct MemberField {
    member: ParsedMember,
}

#[derive(Deserialize)]
struct VaultField {
    vault: ParsedVault,
}

/// Parses an event of this kind.
///
/// # Errors
/// Describes the missing or invalid field.
pub(super) fn parse_event(kind: EventKind, payload: &str) -> Result<ParsedEvent, String> {
    let common: CommonFields = parse_json(payload)?;
    let mut inner_time = None;
    let mut vault_id = common.vault_id;
    let mut parse_source = |time_field: SourceTime| {
        let SourceField { source } = parse_json(payload)?;
        let (field, at) = match time_field {
            SourceTime::CreatedAt => ("source.createdAt", source.created_at),
            SourceTime::UpdatedAt => ("source.updatedAt", source.updated_at),
        };
        let at = at.ok_or_else(|| format!("missing field {field}"))?;
        inner_time = Some(InnerTime { field, at });
        vault_id = Some(source.vault_id.clone());
        Ok::<_, String>(source)
    };
    let parse_member = || parse_json(payload).map(|MemberField { member }| member);
    let change = match kind {
        EventKind::SourceCreated => {
            ParsedChange::SourceCreated(parse_source(SourceTime::CreatedAt)?)
        }
        EventKind::SourceUpdated => {
            ParsedChange::SourceUpdated(parse_source(SourceTime::UpdatedAt)?)
        }
        EventKind::SourceDeleted => {
            let SourceIdField { source_id } = parse_json(payload)?;
            ParsedChange::SourceDeleted(source_id)
        }
        EventKind::MemberAdded => ParsedChange::MemberAdded(parse_member()?),
        EventKind::MemberUpdated => ParsedChange::MemberUpdated(parse_member()?),
        EventKind::MemberRemoved => ParsedChange::MemberRemoved(parse_member()?),
        EventKind::VaultUpdated => {
            let VaultField { vault } = parse_json(payload)?;
            let (field, at) = ("vault.updatedAt", vault.updated_at);
            inner_time = Some(InnerTime { field, at });
            ParsedChange::VaultUpdated(vault)
        }
        EventKind::VaultDeleted => ParsedChange::VaultDeleted,
    };
    Ok(ParsedEvent {
        seq: common.seq,
        vault: vault_id.ok_or("missing field vaultId")?,
        actor: common.actor,
        timestamp: common.timestamp,
        inner_time,
        change,
    })
}

/// The time that a source in an event carries.
#[derive(Clone, Copy)]
enum SourceTime {
    CreatedAt,
    UpdatedAt,
}

fn parse_json<T: DeserializeOwned>(payload: &str) -> Result<T, String> {
    serde_json::from_str(payload).map_err(|error| error.to_string())
}
