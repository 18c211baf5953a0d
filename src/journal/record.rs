//! Events as the journal keeps them and as subscribers get them: a name and a JSON text, made once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::{
    Change, Effect, Event, Role, Seq, Source, SourceId, Timestamp, UserId, VaultId,
    event::{Actor, Member},
    vault::Membership,
};

/// What kind of event it is; its name on the wire and in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    SourceCreated,
    SourceUpdated,
    SourceDeleted,
    MemberAdded,
    MemberUpdated,
    MemberRemoved,
    VaultUpdated,
    VaultDeleted,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::SourceCreated,
        Self::SourceUpdated,
        Self::SourceDeleted,
        Self::MemberAdded,
        Self::MemberUpdated,
        Self::MemberRemoved,
        Self::VaultUpdated,
        Self::VaultDeleted,
    ];

    /// The event's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SourceCreated => "source:created",
            Self::SourceUpdated => "source:updated",
            Self::SourceDeleted => "source:deleted",
            Self::MemberAdded => "member:added",
            Self::MemberUpdated => "member:updated",
            Self::MemberRemoved => "member:removed",
            Self::VaultUpdated => "vault:updated",
            Self::VaultDeleted => "vault:deleted",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub seq: Seq,
    pub kind: Kind,
    /// The event's JSON, exactly as the contract has it and as it is sent.
    pub payload: Arc<str>,
}

impl Record {
    /// The record of a fact.
    pub fn of(event: &Event) -> Self {
        let mut payload = Payload {
            source: None,
            source_id: None,
            member: None,
            vault: None,
            vault_id: None,
            actor: &event.actor,
            timestamp: event.at,
            seq: event.seq,
        };
        let kind = match &event.change {
            Change::SourceCreated(source) => {
                payload.source = Some(SourceWire::of(source, Some(source.created_at), None));
                Kind::SourceCreated
            }
            Change::SourceUpdated(source) => {
                payload.source = Some(SourceWire::of(source, None, Some(source.updated_at)));
                Kind::SourceUpdated
            }
            Change::SourceDeleted(id) => {
                payload.source_id = Some(id);
                payload.vault_id = Some(&event.vault_id);
                Kind::SourceDeleted
            }
            Change::MemberAdded(member) => payload.member(event, member, Kind::MemberAdded),
            Change::MemberUpdated(member) => payload.member(event, member, Kind::MemberUpdated),
            Change::MemberRemoved(member) => payload.member(event, member, Kind::MemberRemoved),
            Change::VaultUpdated { name } => {
                payload.vault = Some(VaultWire {
                    id: event.vault_id.clone(),
                    name: name.clone(),
                    updated_at: event.at,
                });
                payload.vault_id = Some(&event.vault_id);
                Kind::VaultUpdated
            }
            Change::VaultDeleted => {
                payload.vault_id = Some(&event.vault_id);
                Kind::VaultDeleted
            }
        };
        let payload = serde_json::to_string(&payload).expect("texts and numbers are JSON");
        Self {
            seq: event.seq,
            kind,
            payload: payload.into(),
        }
    }

    /// What it does to the vault's own state, read back from its JSON.
    ///
    /// # Errors
    /// When the JSON is not what this service writes.
    pub fn effect(&self) -> Result<Effect, serde_json::Error> {
        let told: Told = match self.kind {
            Kind::SourceCreated | Kind::SourceUpdated | Kind::SourceDeleted => {
                return Ok(Effect::None);
            }
            Kind::VaultDeleted => return Ok(Effect::Deleted),
            Kind::MemberAdded | Kind::MemberUpdated | Kind::MemberRemoved | Kind::VaultUpdated => {
                serde_json::from_str(&self.payload)?
            }
        };
        Ok(match (self.kind, told.member, told.vault) {
            (Kind::MemberRemoved, Some(member), _) => Effect::Removed(member.user_id),
            (_, Some(member), _) => Effect::Member(
                member.user_id,
                Membership {
                    role: member.role,
                    created_at: told.timestamp,
                },
            ),
            (_, None, Some(vault)) => Effect::Renamed(vault.name, vault.updated_at),
            (_, None, None) => Effect::None,
        })
    }
}

/// An event's JSON, fields in the contract's order; what an event does not have is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceWire<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<&'a SourceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<MemberWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault: Option<VaultWire>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vault_id: Option<&'a VaultId>,
    actor: &'a Actor,
    timestamp: Timestamp,
    seq: Seq,
}

impl<'a> Payload<'a> {
    fn member(&mut self, event: &'a Event, member: &Member, kind: Kind) -> Kind {
        self.member = Some(MemberWire {
            user_id: member.user.id.clone(),
            user_name: member.user.display_name().to_owned(),
            role: member.membership.role,
        });
        self.vault_id = Some(&event.vault_id);
        kind
    }
}

/// A source in an event: one that was created tells when, one that was updated tells that.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SourceWire<'a> {
    id: &'a SourceId,
    title: &'a str,
    file_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
    mime_type: &'a str,
    vault_id: &'a VaultId,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated_at: Option<Timestamp>,
}

impl<'a> SourceWire<'a> {
    fn of(source: &'a Source, created: Option<Timestamp>, updated: Option<Timestamp>) -> Self {
        Self {
            id: &source.id,
            title: &source.title,
            file_url: &source.file_url,
            file_key: source.file_key.as_deref(),
            file_size: source.file_size,
            mime_type: &source.mime_type,
            vault_id: &source.vault_id,
            created_at: created,
            updated_at: updated,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberWire {
    user_id: UserId,
    user_name: String,
    role: Role,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VaultWire {
    id: VaultId,
    name: String,
    updated_at: Timestamp,
}

/// What is read back of an event.
#[derive(Deserialize)]
struct Told {
    member: Option<MemberWire>,
    vault: Option<VaultWire>,
    timestamp: Timestamp,
}
