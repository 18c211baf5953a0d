//! The journal and its committer.
//!
//! They model `src/journal/`: batches wait in the committer's queue. The committer writes them one after the other,
//! each in one transaction that compares the head. If another process has moved the head, the committer reads the
//! missed events and decides the batch again. That is one step in the model, because none of it is visible before the
//! commit.

use crate::{
    bounds::{FailureBudget, InjectedMistake, ModelBounds, ModelMutation},
    state::Process,
};

/// The sequence number of an event in the vault.
pub type ModelSeq = u8;

/// The state outside the processes: the journal that they share, the answers to the callers, and the failure budget.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelSharedState {
    pub journal: ModelJournal,
    /// The answer to each submitted mutation, in the order of submission.
    pub answers: Vec<ModelAnswer>,
    /// The failures that may still occur.
    pub budget: FailureBudget,
    /// The number of sockets that were opened so far. It is the id of the next socket.
    pub sockets: u8,
}

/// The events of the vault. The first event has seq 1.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelJournal {
    /// The mutation of each event, as an index into [`ModelBounds::mutations`].
    pub events: Vec<u8>,
    /// Events up to this seq were trimmed.
    pub trimmed: ModelSeq,
}

impl ModelJournal {
    pub fn head(&self) -> ModelSeq {
        self.events.len() as ModelSeq
    }

    /// Returns the mutation of the event with this seq. An event that is not in the journal counts as a change of a
    /// source.
    pub fn mutation_at(&self, bounds: &ModelBounds, seq: ModelSeq) -> ModelMutation {
        let event = self.events.get(usize::from(seq) - 1);
        event.map_or(ModelMutation::Source, |mutation| {
            bounds.mutations[usize::from(*mutation)]
        })
    }

    /// Returns whether the client's user is a member after the event with seq `head`.
    pub fn is_member(&self, bounds: &ModelBounds, client: u8, head: ModelSeq) -> bool {
        let mut mutations = (1..=head).rev().map(|seq| self.mutation_at(bounds, seq));
        mutations.find_map(|mutation| match mutation {
            ModelMutation::Remove(user) if user == client => Some(false),
            ModelMutation::Add(user) if user == client => Some(true),
            ModelMutation::Remove(_) | ModelMutation::Add(_) | ModelMutation::Source => None,
        }) != Some(false)
    }

    /// Returns the seq of the first event after `after` that removes the client's user.
    pub fn first_removal_after(
        &self,
        bounds: &ModelBounds,
        client: u8,
        after: ModelSeq,
    ) -> Option<ModelSeq> {
        (after + 1..=self.head())
            .find(|seq| self.mutation_at(bounds, *seq) == ModelMutation::Remove(client))
    }

    /// Returns at most `limit` events after `after` that were not trimmed.
    pub fn page_after(&self, after: ModelSeq, limit: u8) -> Vec<ModelSeq> {
        let first = after.max(self.trimmed) + 1;
        (first..=self.head()).take(limit.into()).collect()
    }

    /// Returns whether the event with this seq and all later events are still in the journal.
    pub fn can_resume(&self, seq: ModelSeq) -> bool {
        self.trimmed == 0 || seq > self.trimmed
    }
}

/// The answer that the caller of a mutation has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelAnswer {
    /// None yet. The caller waits for this process.
    Pending(u8),
    /// Success, with the seq of the event.
    Succeeded(ModelSeq),
    /// An error: the mutation was not written.
    Failed,
    /// An error with `outcome: "unknown"`.
    Unknown,
    /// None. The process was killed and the caller lost its connection.
    ConnectionLost,
}

/// A transaction, from its start until the vault has handled its result.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    pub mutations: Vec<u8>,
    /// The head of the vault when the transaction started.
    pub head: ModelSeq,
    /// The result, once the transaction has ended.
    pub result: Option<WriteResult>,
    /// The vault actor that started it has panicked. Only the callers receive the result.
    pub orphaned: bool,
}

/// The result of a transaction, as the vault actor receives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WriteResult {
    /// The first event of the transaction has this seq. The vault has missed the events between its head and this one.
    Committed(ModelSeq),
    RolledBack,
    Unknown,
}

/// The outcome of a transaction in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransactionOutcome {
    Committed,
    RolledBack,
    /// The committer cannot determine the outcome. `happened` is the true outcome.
    Unknown {
        happened: bool,
    },
}

impl Process {
    /// Ends the oldest transaction that has no result yet.
    pub fn write(
        &mut self,
        outcome: TransactionOutcome,
        shared: &mut ModelSharedState,
        bounds: &ModelBounds,
    ) {
        let Some(transaction) = self
            .transactions
            .iter_mut()
            .find(|transaction| transaction.result.is_none())
        else {
            return;
        };
        let first = match bounds.mistake {
            Some(InjectedMistake::MoveHeadWithoutComparison) => transaction.head + 1,
            Some(_) | None => shared.journal.head() + 1,
        };
        let happened = matches!(
            outcome,
            TransactionOutcome::Committed | TransactionOutcome::Unknown { happened: true }
        );
        if happened {
            shared.journal.events.extend(&transaction.mutations);
        }
        transaction.result = Some(match outcome {
            TransactionOutcome::Committed => WriteResult::Committed(first),
            TransactionOutcome::RolledBack => {
                shared.budget.rollbacks -= 1;
                WriteResult::RolledBack
            }
            TransactionOutcome::Unknown { .. } => {
                shared.budget.unknown_commits -= 1;
                WriteResult::Unknown
            }
        });
        if transaction.orphaned {
            self.end_orphaned_transactions(shared);
        }
    }

    /// Removes the ended transactions of vault actors that have panicked, and answers their callers. This releases the
    /// writer lease.
    pub fn end_orphaned_transactions(&mut self, shared: &mut ModelSharedState) {
        self.transactions.retain(|transaction| {
            let Some(result) = transaction.result.as_ref().filter(|_| transaction.orphaned) else {
                return true;
            };
            transaction.answer(result, shared);
            false
        });
    }
}

impl Transaction {
    /// Answers the callers with the result.
    pub fn answer(&self, result: &WriteResult, shared: &mut ModelSharedState) {
        for (n, mutation) in self.mutations.iter().enumerate() {
            shared.answers[usize::from(*mutation)] = match result {
                WriteResult::Committed(first) => ModelAnswer::Succeeded(first + n as ModelSeq),
                WriteResult::RolledBack => ModelAnswer::Failed,
                WriteResult::Unknown => ModelAnswer::Unknown,
            };
        }
    }
}
