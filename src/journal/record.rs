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
        fn read<'a, T: Deserialize<'a>>(payload: &'a str) -> Result<T, serde_json::Error> {
            serde_json::from_str(payload)
        }
        Ok(match self.kind {
            Kind::SourceCreated | Kind::SourceUpdated | Kind::SourceDeleted => Effect::None,
            Kind::MemberAdded => {
                let AboutMember { member, timestamp } = read(&self.payload)?;
                let membership = Membership {
                    role: member.role,
                    created_at: timestamp,
                };
                Effect::Added(member.user_id, membership)
            }
            Kind::MemberUpdated => {
                let AboutMember { member, .. } = read(&self.payload)?;
                Effect::Role(member.user_id, member.role)
            }
            Kind::MemberRemoved => {
                let AboutMember { member, .. } = read(&self.payload)?;
                Effect::Removed(member.user_id)
            }
            Kind::VaultUpdated => {
                let AboutVault { vault } = read(&self.payload)?;
                Effect::Renamed(vault.name, vault.updated_at)
            }
            Kind::VaultDeleted => Effect::Deleted,
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

/// What is read back of an event that is about a member.
#[derive(Deserialize)]
struct AboutMember {
    member: MemberWire,
    timestamp: Timestamp,
}

/// What is read back of an event that is about the vault.
#[derive(Deserialize)]
struct AboutVault {
    vault: VaultWire,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::properties::{World, batches, new_vault};

    proptest! {
        #[test]
        fn the_journal_replayed_gives_the_vault(batches in batches(), deleted in any::<bool>()) {
            let mut world = World::new();
            for batch in &batches {
                world.take(batch);
            }
            if deleted {
                let owner = world.vault.members.iter().find(|(_, m)| m.role == Role::Owner);
                let by = owner.map(|(id, _)| crate::domain::Principal {
                    id: id.clone(),
                    name: None,
                    email: None,
                });
                let command = crate::domain::Command::Delete;
                world.take(&[crate::domain::Mutation { by: by.unwrap(), command, key: None }]);
            }
            let mut replayed = new_vault();
            for event in &world.events {
                let record = Record::of(event);
                prop_assert_eq!(record.effect().unwrap(), event.effect());
                replayed.apply(record.seq, &record.effect().unwrap());
            }
            prop_assert_eq!(replayed, world.vault);
        }
    }
}
