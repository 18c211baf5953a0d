//! The modelled database: one journal per vault, a lock per vault, and transactions that may fail or lose their outcome.

use std::collections::BTreeMap;

use vaultcast::{
    domain::{
        BatchContext, BatchDraft, Decision, Members, Membership, Role, Seq, Timestamp, Vault,
        idempotency::RememberedAnswers,
    },
    gateway::recovery::StoredRecoveryState,
    journal::{BatchBase, CommittedEvent, JournalRecord},
    vault::machine::{Batch, WrittenBatch},
};

use crate::names::{user_id, vault_id};

/// The epoch of the database.
pub const EPOCH: &str = "epoch";

/// The rows of all vaults.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Database {
    pub vaults: Vec<VaultRows>,
    /// The recovery states that nodes have handed over, by pid.
    pub sockets: BTreeMap<String, StoredRecoveryState>,
}

/// The rows of one vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultRows {
    /// The state at the head.
    pub vault: Vault,
    /// The events from 1 to the head, also those that were trimmed.
    pub events: Vec<JournalEntry>,
    /// Events up to this seq cannot be read any more.
    pub trimmed: u64,
}

/// An event and the mutation that it reports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JournalEntry {
    pub event: CommittedEvent,
    pub mutation: u64,
}

impl Database {
    /// Returns a database of empty vaults. The user of client 0 owns them, and the others contribute.
    pub fn new(vaults: usize, clients: usize) -> Self {
        let member = |client| {
            let role = if client == 0 {
                Role::Owner
            } else {
                Role::Contributor
            };
            let created_at = Timestamp(0);
            (user_id(client), Membership { role, created_at })
        };
        let rows = |index| VaultRows {
            vault: Vault {
                id: vault_id(index),
                name: "vault".into(),
                head: Seq::ZERO,
                members: (0..clients).map(member).collect::<Members>().into(),
                created_at: Timestamp(0),
                updated_at: Timestamp(0),
            },
            events: Vec::new(),
            trimmed: 0,
        };
        Self {
            vaults: (0..vaults).map(rows).collect(),
            sockets: BTreeMap::new(),
        }
    }
}

impl VaultRows {
    pub fn head(&self) -> u64 {
        self.vault.head.0
    }

    /// Returns the event with this number.
    pub fn event(&self, seq: u64) -> Option<&JournalEntry> {
        self.events.get(usize::try_from(seq).ok()?.checked_sub(1)?)
    }

    /// Returns the events after a seq that can be read, oldest first.
    pub fn after(&self, seq: Seq) -> impl Iterator<Item = &CommittedEvent> {
        let first = seq.0.max(self.trimmed) as usize;
        self.events.iter().skip(first).map(|entry| &entry.event)
    }

    /// Returns the records after a seq that can be read, oldest first.
    pub fn records_after(&self, seq: Seq, limit: usize) -> Vec<JournalRecord> {
        let events = self.after(seq).take(limit);
        events.map(|event| event.record.clone()).collect()
    }

    /// Puts an older state back, without the last event.
    pub fn put_back(&mut self, initial: &Vault) {
        self.events.pop();
        self.vault = initial.clone();
        for JournalEntry { event, .. } in &self.events {
            self.vault.apply(event.record.seq, &event.state_change);
        }
    }

    /// Decides a batch by the rules that ship and writes it. `mutations` are the numbers of its mutations.
    pub fn commit(&mut self, batch: &Batch, mutations: &[u64]) -> WrittenBatch {
        let missed: Vec<_> = self.after(batch.vault.head).cloned().collect();
        let mut written = WrittenBatch {
            missed: missed.len(),
            events: missed,
            base: BatchBase::Continued,
            results: Vec::new(),
            is_vault_deleted: self.vault.members.is_empty(),
            vault: None,
        };
        let mut draft = BatchDraft::new(self.vault.clone(), BatchContext::default());
        let mut answers = RememberedAnswers::default();
        for (queued, number) in batch.mutations.iter().zip(mutations) {
            let decided = draft.decide(&queued.mutation, &mut answers, Timestamp(0));
            let result = decided.map(|decision| match decision {
                Decision::Repeated(answer) => answer,
                Decision::Accepted { event, answer } => {
                    let event = CommittedEvent {
                        record: JournalRecord::new(&event),
                        state_change: event.state_change(),
                    };
                    self.events.push(JournalEntry {
                        event: event.clone(),
                        mutation: *number,
                    });
                    written.events.push(event);
                    answer
                }
            });
            written.results.push(result.map_err(Into::into));
        }
        self.vault = draft.finish().0;
        written
    }
}
