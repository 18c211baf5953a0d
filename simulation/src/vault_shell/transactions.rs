//! The transactions of vault actors, from the batch to the answers.

use vaultcast::vault::{
    VaultError,
    machine::{Batch, BatchOutcome, CallerId, VaultInput, WrittenBatch},
};

use crate::{
    log::Log,
    mistakes::Mistake,
    node::{Caller, EndedTransaction, Packet},
    promises::Promise,
    world::{Lock, Transaction, World},
};
impl World {
    pub(super) fn append(&mut self, node: usize, vault: usize, batch: Batch) {
        if batch.mutations.len() > self.config.commit_batch {
            self.fail(
                Promise::Bounds,
                format!("vault {vault}: a batch of {}", batch.mutations.len()),
            );
        }
        let actor = self.vault_actor(node, vault);
        let instance = actor.instance;
        let callers = batch.mutations.iter().filter_map(|queued| {
            actor
                .callers
                .remove(&queued.caller)
                .map(|caller| (queued.caller, caller))
        });
        let callers = callers.collect();
        let transaction = Transaction {
            node,
            vault,
            instance,
            batch,
            callers,
            lock: Lock::Waiting,
        };
        if self.config.mistake == Some(Mistake::PublishBeforeCommit) {
            let mut rows = self.database.vaults[vault].clone();
            let numbers: Vec<_> = transaction
                .callers
                .iter()
                .map(|(_, caller)| caller.mutation)
                .collect();
            let written = rows.commit(&transaction.batch, &numbers);
            self.report_outcome(transaction, BatchOutcome::Written(written));
        } else {
            self.transactions.push(transaction);
        }
    }

    /// Returns whether a transaction of this vault on this node is in flight.
    pub fn has_transaction(&self, node: usize, vault: usize) -> bool {
        let mut transactions = self.transactions.iter();
        transactions.any(|transaction| (transaction.node, transaction.vault) == (node, vault))
    }

    /// Commits a transaction.
    pub fn commit(&mut self, index: usize, report: CommitReport) {
        let transaction = self.transactions.remove(index);
        let vault = transaction.vault;
        let numbers: Vec<_> = transaction
            .callers
            .iter()
            .map(|(_, caller)| caller.mutation)
            .collect();
        let rows = &mut self.database.vaults[vault];
        if self.config.mistake == Some(Mistake::CommitWithoutLock) {
            rows.vault = transaction.batch.vault.clone();
        }
        let written = rows.commit(&transaction.batch, &numbers);
        if self.config.mistake == Some(Mistake::WriteTwiceAfterUnknown)
            && report == CommitReport::Lost
        {
            rows.commit(&transaction.batch, &numbers);
        }
        self.check_journals();
        match report {
            CommitReport::Received => {
                self.report_outcome(transaction, BatchOutcome::Written(written))
            }
            CommitReport::Lost => self.report_outcome(transaction, BatchOutcome::Unknown),
        }
    }

    /// Reports the outcome of a transaction: to its actor, or to the callers if the actor has ended.
    pub fn report_outcome(&mut self, transaction: Transaction, outcome: BatchOutcome) {
        let Transaction {
            node,
            vault,
            instance,
            callers,
            ..
        } = transaction;
        match &outcome {
            // Which events are the transaction's own is not known. A join before it may be placed before all of them.
            BatchOutcome::Unknown => self.disturbances[vault] += 1,
            BatchOutcome::Written(_) | BatchOutcome::Failed(_) | BatchOutcome::Dropped => {}
        }
        let actor = self.nodes[node].vaults.get_mut(&vault);
        if let Some(actor) = actor.filter(|actor| actor.instance == instance) {
            actor.ended = Some(EndedTransaction { callers, outcome });
            return;
        }
        self.answer_all(&callers, outcome);
    }

    /// Gives the outcome of the ended transaction to the machine.
    pub fn deliver_outcome(&mut self, node: usize, vault: usize, log: &mut Log) {
        let actor = self.vault_actor(node, vault);
        if let Some(EndedTransaction { callers, outcome }) = actor.ended.take() {
            actor.callers.extend(callers);
            self.vault_input(node, vault, VaultInput::Committed(outcome), log);
        }
    }

    /// Answers the callers of a transaction whose actor has ended.
    pub(super) fn answer_all(&mut self, callers: &[(CallerId, Caller)], outcome: BatchOutcome) {
        let results: Vec<_> = match outcome {
            BatchOutcome::Written(WrittenBatch { results, .. }) => results
                .into_iter()
                .map(|result| result.map(|answer| answer.seq.0))
                .collect(),
            BatchOutcome::Failed(error) => callers.iter().map(|_| Err(error.clone())).collect(),
            BatchOutcome::Unknown | BatchOutcome::Dropped => {
                callers.iter().map(|_| Err(VaultError::Unknown)).collect()
            }
        };
        for ((_, caller), result) in callers.iter().zip(results) {
            self.answer(caller, result);
        }
    }

    /// Answers a caller over its connection, if that still exists.
    pub fn answer(&mut self, caller: &Caller, result: Result<u64, VaultError>) {
        self.record_answer(caller.mutation, result.clone());
        let mutation = caller.mutation;
        self.push_packet(caller.address, Packet::Answer { mutation, result });
    }
}

/// Whether the service receives the outcome of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitReport {
    Received,
    Lost,
}
