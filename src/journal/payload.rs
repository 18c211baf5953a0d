//! The JSON of each kind of event, as the journal stores it and as clients receive it.
//!
//! The contract fixes it, including the order of its fields. Each type is also the schema of its kind of event in the
//! descriptions of the service.

use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::domain::{
    Event, EventData, EventKind, Member, Role, Seq, Source, SourceId, Timestamp, UserId, VaultId,
    event::Actor,
};

/// Returns the JSON of an event.
pub(super) fn encode(event: &Event) -> String {
    let Event {
        vault_id,
        seq,
        timestamp,
        actor,
        data,
    } = event;
    let (seq, timestamp) = (*seq, *timestamp);
    let json = match data {
        EventData::SourceCreated(source) => serde_json::to_string(&SourceCreated {
            source: source.into(),
            actor,
            timestamp,
            seq,
        }),
        EventData::SourceUpdated(source) => serde_json::to_string(&SourceUpdated {
            source: source.into(),
            actor,
            timestamp,
            seq,
        }),
        EventData::SourceDeleted(source_id) => serde_json::to_string(&SourceDeleted {
            source_id,
            vault_id,
            actor,
            timestamp,
            seq,
        }),
        EventData::MemberAdded(member)
        | EventData::MemberUpdated(member)
        | EventData::MemberRemoved(member) => serde_json::to_string(&MemberChanged {
            member: member.into(),
            vault_id,
            actor,
            timestamp,
            seq,
        }),
        EventData::VaultUpdated(update) => serde_json::to_string(&VaultChanged {
            vault: UpdatedVault {
                id: vault_id.clone(),
                name: update.name.clone(),
                updated_at: timestamp,
            },
            vault_id,
            actor,
            timestamp,
            seq,
        }),
        EventData::VaultDeleted => serde_json::to_string(&VaultRemoved {
            vault_id,
            actor,
            timestamp,
            seq,
        }),
    };
    json.expect("strings and numbers are valid JSON")
}

/// Returns the schema of the JSON of this kind of event. Adds the schemas that it refers to to `referenced`.
pub fn event_schema(
    kind: EventKind,
    referenced: &mut Vec<(String, RefOr<Schema>)>,
) -> RefOr<Schema> {
    fn of<T: ToSchema>(referenced: &mut Vec<(String, RefOr<Schema>)>) -> RefOr<Schema> {
        T::schemas(referenced);
        <T as PartialSchema>::schema()
    }
    match kind {
        EventKind::SourceCreated => of::<SourceCreated<'_>>(referenced),
        EventKind::SourceUpdated => of::<SourceUpdated<'_>>(referenced),
        EventKind::SourceDeleted => of::<SourceDeleted<'_>>(referenced),
        EventKind::MemberAdded | EventKind::MemberUpdated | EventKind::MemberRemoved => {
            of::<MemberChanged<'_>>(referenced)
        }
        EventKind::VaultUpdated => of::<VaultChanged<'_>>(referenced),
        EventKind::VaultDeleted => of::<VaultRemoved<'_>>(referenced),
    }
}

#[derive(Serialize, ToSchema)]
struct SourceCreated<'a> {
    source: CreatedSource<'a>,
    actor: &'a Actor,
    timestamp: Timestamp,
    seq: Seq,
}

#[derive(Serialize, ToSchema)]
struct SourceUpdated<'a> {
    source: UpdatedSource<'a>,
    actor: &'a Actor,
    timestamp: Timestamp,
    seq: Seq,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SourceDeleted<'a> {
    source_id: &'a SourceId,
    vault_id: &'a VaultId,
    actor: &'a Actor,
    timestamp: Timestamp,
    seq: Seq,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct MemberChanged<'a> {
    member: EventMember,
    vault_id: &'a VaultId,
    actor: &'a Actor,
    timestamp: Timestamp,
    seq: Seq,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VaultChanged<'a> {
    vault: UpdatedVault,
    vault_id: &'a VaultId,
    actor: &'a Actor,
    timestamp: Timestamp,
    seq: Seq,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct VaultRemoved<'a> {
    vault_id: &'a VaultId,
    actor: &'a Actor,
    timestamp: Timestamp,
    seq: Seq,
}

/// A source at its creation. It has no `updatedAt`, which equals its `createdAt`.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CreatedSource<'a> {
    id: &'a SourceId,
    title: &'a str,
    file_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    file_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    file_size: Option<u64>,
    mime_type: &'a str,
    vault_id: &'a VaultId,
    created_at: Timestamp,
}

/// A source after an update. It has no `createdAt`, which did not change.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UpdatedSource<'a> {
    id: &'a SourceId,
    title: &'a str,
    file_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    file_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    file_size: Option<u64>,
    mime_type: &'a str,
    vault_id: &'a VaultId,
    updated_at: Timestamp,
}

/// A member in an event; of a removed one, with the last role.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventMember {
    pub user_id: UserId,
    /// The name, else the email, else the id of the user.
    pub user_name: String,
    pub role: Role,
}

/// The vault after an update.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpdatedVault {
    pub id: VaultId,
    pub name: String,
    pub updated_at: Timestamp,
}

impl<'a> From<&'a Source> for CreatedSource<'a> {
    fn from(source: &'a Source) -> Self {
        Self {
            id: &source.id,
            title: &source.title,
            file_url: &source.file_url,
            file_key: source.file_key.as_deref(),
            file_size: source.file_size,
            mime_type: &source.mime_type,
            vault_id: &source.vault_id,
            created_at: source.created_at,
        }
    }
}

impl<'a> From<&'a Source> for UpdatedSource<'a> {
    fn from(source: &'a Source) -> Self {
        Self {
            id: &source.id,
            title: &source.title,
            file_url: &source.file_url,
            file_key: source.file_key.as_deref(),
            file_size: source.file_size,
            mime_type: &source.mime_type,
            vault_id: &source.vault_id,
            updated_at: source.updated_at,
        }
    }
}

impl From<&Member> for EventMember {
    fn from(member: &Member) -> Self {
        Self {
            user_id: member.user.id.clone(),
            user_name: member.user.display_name().to_owned(),
            role: member.membership.role,
        }
    }
}
