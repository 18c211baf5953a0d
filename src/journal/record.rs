//! Events as the journal stores them and as clients receive them: a name and a JSON text, encoded once.
//!
//! `payload.rs` defines the JSON of each kind of event. [`JournalRecord::state_change`] reads back what a vault needs to
//! restore its state. `verify` reads the same JSON with code of its own, as a check of this module.

use std::sync::Arc;

use serde::Deserialize;

use crate::domain::{Event, EventKind, Membership, Seq, StateChange, Timestamp};

use super::payload::{self, EventMember, UpdatedVault};

/// One row of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JournalRecord {
    pub seq: Seq,
    pub kind: EventKind,
    /// The event's JSON, exactly as the contract defines it and as clients receive it.
    pub payload: Arc<str>,
}

impl JournalRecord {
    /// Encodes an event.
    pub fn new(event: &Event) -> Self {
        Self {
            seq: event.seq,
            kind: event.data.kind(),
            payload: payload::encode(event).into(),
        }
    }

    /// Reads what the event changes in the state of its vault.
    ///
    /// # Errors
    /// The JSON is not as this service writes it.
    pub fn state_change(&self) -> Result<StateChange, serde_json::Error> {
        Ok(match self.kind {
            EventKind::SourceCreated | EventKind::SourceUpdated | EventKind::SourceDeleted => {
                StateChange::Unchanged
            }
            EventKind::MemberAdded => {
                let MemberEvent { member, timestamp } = self.read()?;
                StateChange::MemberAdded {
                    user: member.user_id,
                    membership: Membership {
                        role: member.role,
                        created_at: timestamp,
                    },
                }
            }
            EventKind::MemberUpdated => {
                let MemberEvent { member, .. } = self.read()?;
                StateChange::RoleChanged {
                    user: member.user_id,
                    role: member.role,
                }
            }
            EventKind::MemberRemoved => {
                let MemberEvent { member, .. } = self.read()?;
                StateChange::MemberRemoved {
                    user: member.user_id,
                }
            }
            EventKind::VaultUpdated => {
                let VaultEvent { vault } = self.read()?;
                StateChange::VaultRenamed {
                    name: vault.name,
                    updated_at: vault.updated_at,
                }
            }
            EventKind::VaultDeleted => StateChange::VaultDeleted,
        })
    }

    fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.payload)
    }
}

/// The part of a member event that is read back.
#[derive(Deserialize)]
struct MemberEvent {
    member: EventMember,
    timestamp: Timestamp,
}

/// The part of a `vault:updated` event that is read back.
#[derive(Deserialize)]
struct VaultEvent {
    vault: UpdatedVault,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{
        Command, Mutation, Principal, Role, UserId,
        test_vault::{TestVault, batches, new_vault},
    };

    proptest! {
        #[test]
        fn replaying_the_journal_restores_the_vault(batches in batches(), deleted in any::<bool>()) {
            let mut test = TestVault::new();
            for batch in &batches {
                test.write(batch);
            }
            if deleted {
                let is_owner = |(id, member): (&str, Membership)| {
                    (member.role == Role::Owner).then(|| UserId::new(id))
                };
                let owner = test.vault.members.iter().find_map(is_owner).flatten();
                let by = owner.map(|id| Principal { id, name: None, email: None });
                test.write(&[Mutation { by: by.unwrap(), command: Command::Delete, key: None }]);
            }
            let mut replayed = new_vault();
            for event in &test.events {
                let record = JournalRecord::new(event);
                prop_assert_eq!(record.state_change().unwrap(), event.state_change());
                replayed.apply(record.seq, &record.state_change().unwrap());
            }
            prop_assert_eq!(replayed, test.vault);
        }
    }
}
