//! The rows of the service that imported rows become, without I/O.
//!
//! A new vault begins as retention would have left it: its state counts as events that are no longer kept (one for the vault and one
//! for each source, in the order of their creation), and one event is kept, a `vault:updated` with the present name. So no
//! history is invented, clients that know an earlier number list the sources anew, and `vaultcast verify` has an event to
//! begin with.
//!
//! A row that is added to a vault later becomes an event, as a mutation would have made it.

use entity::{event, head, member, source, user, vault};

use crate::{
    domain::{
        Event, EventData, Member, Membership, Principal, Role, Seq, Source, Timestamp, User,
        UserId, VaultId, VaultUpdate, event::Actor,
    },
    journal::JournalRecord,
};

use super::{
    batch::{ImportBatch, ImportHeadMove},
    mapping::{ImportedMember, ImportedSource, ImportedUser, ImportedVault},
};

/// The display name of the actor of the import's events. Its user is an owner of the vault.
pub(super) const IMPORT_ACTOR: &str = "vaultcast import";

/// The last field of the import's events. A mutation cannot set it, unlike the name of the actor, which a user may have as well.
const IMPORT_MARK: &str = r#","imported":true}"#;

/// The number of the first source: the vault itself has the number 1.
pub(super) const FIRST_SOURCE: Seq = Seq(2);

/// `users.updated_at` of a user whose name and email come from no dated session.
const UNDATED: i64 = 0;

/// Returns the actor of the import's events.
fn actor(owner: &UserId) -> Actor {
    let principal = Principal {
        id: owner.clone(),
        name: Some(IMPORT_ACTOR.to_owned()),
        email: None,
    };
    Actor::new(&principal, Role::Owner)
}

/// Returns the row of a user.
pub(super) fn user_row(user: ImportedUser) -> user::Model {
    user::Model {
        id: user.id.to_string(),
        name: user.name,
        email: user.email,
        created_at: user.created_at.0,
        updated_at: UNDATED,
    }
}

/// Returns the row of a source of a new vault, whose creation counts as the event `seq`.
pub(super) fn source_row(vault: &VaultId, source: ImportedSource, seq: Seq) -> source::Model {
    model_of(&with_seqs(vault, source, seq, seq))
}

/// Adds a new vault with its members and the event that is kept, `head`. Its sources were added before.
pub(super) fn add_vault(
    batch: &mut ImportBatch,
    vault: ImportedVault,
    owner: &UserId,
    members: Vec<ImportedMember>,
    head: Seq,
) {
    let ImportedVault { id, name, times } = vault;
    let event = Event {
        vault_id: id.clone(),
        seq: head,
        timestamp: times.updated_at,
        actor: actor(owner),
        data: EventData::VaultUpdated(VaultUpdate { name: name.clone() }),
    };
    batch.events.push(event_row(&event));
    batch.heads.push(head::Model {
        vault_id: id.to_string(),
        head: head.to_row(),
    });
    batch.vaults.push(vault::Model {
        id: id.to_string(),
        created_name: name.clone(),
        name,
        created_by: owner.to_string(),
        created_at: times.created_at.0,
        updated_at: times.updated_at.0,
        deleted_at: None,
    });
    for member in members {
        add_member_row(batch, &id, &member, member.times.updated_at);
    }
}

/// A vault of the service that gets more rows.
pub(super) struct ExtendedVault {
    pub id: VaultId,
    /// The user in whose name the events are made.
    pub owner: UserId,
    /// The number of the last event.
    pub head: Seq,
}

impl ExtendedVault {
    /// Adds a member, with an event.
    pub(super) fn add_member(
        &mut self,
        batch: &mut ImportBatch,
        member: &ImportedMember,
        user: User,
    ) {
        let created_at = member.times.created_at;
        let membership = Membership {
            role: member.role,
            created_at,
        };
        let data = EventData::MemberAdded(Member { user, membership });
        self.add_event(batch, data, created_at);
        add_member_row(batch, &self.id, member, created_at);
    }

    /// Adds a source, with an event for its creation and one for its last change.
    pub(super) fn add_source(&mut self, batch: &mut ImportBatch, source: ImportedSource) {
        let times = source.times;
        let created_seq = self.head.next();
        let seq = match times.updated_at == times.created_at {
            true => created_seq,
            false => created_seq.next(),
        };
        let source = with_seqs(&self.id, source, created_seq, seq);
        self.add_event(
            batch,
            EventData::SourceCreated(source.clone()),
            times.created_at,
        );
        batch.sources.push(model_of(&source));
        if seq != created_seq {
            self.add_event(batch, EventData::SourceUpdated(source), times.updated_at);
        }
    }

    fn add_event(&mut self, batch: &mut ImportBatch, data: EventData, timestamp: Timestamp) {
        let from = self.head;
        self.head = from.next();
        let event = Event {
            vault_id: self.id.clone(),
            seq: self.head,
            timestamp,
            actor: actor(&self.owner),
            data,
        };
        batch.events.push(event_row(&event));
        match batch
            .head_moves
            .last_mut()
            .filter(|last| last.vault == self.id)
        {
            Some(last) => last.to = self.head,
            None => batch.head_moves.push(ImportHeadMove {
                vault: self.id.clone(),
                from,
                to: self.head,
            }),
        }
    }
}

fn add_member_row(
    batch: &mut ImportBatch,
    vault: &VaultId,
    member: &ImportedMember,
    updated_at: Timestamp,
) {
    batch.referenced_users.push(user::Model {
        id: member.user.to_string(),
        name: None,
        email: None,
        created_at: member.times.created_at.0,
        updated_at: UNDATED,
    });
    batch.members.push(member::Model {
        vault_id: vault.to_string(),
        user_id: member.user.to_string(),
        id: member.id.to_string(),
        role: member.role.to_string(),
        created_at: member.times.created_at.0,
        updated_at: updated_at.0,
    });
}

fn with_seqs(vault: &VaultId, source: ImportedSource, created_seq: Seq, seq: Seq) -> Source {
    let ImportedSource { id, content, times } = source;
    Source {
        id,
        title: content.title,
        file_url: content.file_url,
        file_key: content.file_key,
        file_size: content.file_size,
        mime_type: content.mime_type,
        vault_id: vault.clone(),
        created_at: times.created_at,
        updated_at: times.updated_at,
        seq,
        created_seq,
    }
}

fn model_of(source: &Source) -> source::Model {
    source::Model {
        id: source.id.to_string(),
        vault_id: source.vault_id.to_string(),
        title: source.title.clone(),
        file_url: source.file_url.clone(),
        file_key: source.file_key.clone(),
        file_size: source
            .file_size
            .map(|size| i64::try_from(size).expect("a size has at most 53 bits")),
        mime_type: source.mime_type.clone(),
        seq: source.seq.to_row(),
        created_seq: source.created_seq.to_row(),
        created_at: source.created_at.0,
        updated_at: source.updated_at.0,
    }
}

/// Returns the JSON of an event with the mark of the import.
fn marked(payload: &str) -> String {
    let fields = payload.strip_suffix('}');
    fields.expect("an event is a JSON object").to_owned() + IMPORT_MARK
}

fn event_row(event: &Event) -> event::Model {
    let record = JournalRecord::new(event);
    event::Model {
        vault_id: event.vault_id.to_string(),
        seq: record.seq.to_row(),
        kind: record.kind.name().to_owned(),
        payload: marked(&record.payload),
        created_at: event.timestamp.0,
    }
}
