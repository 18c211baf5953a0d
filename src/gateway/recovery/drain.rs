//! The graceful shutdown: recovery states move to the database before transports are closed, so that another process can
//! continue the connections.

use std::collections::HashSet;

use futures_util::future::join_all;
use tracing::warn;

use crate::{
    domain::Timestamp,
    gateway::relay::RelayHandle,
    journal::{JournalError, StoredSocket, report},
};
use actix_socketio::engineio::CloseReason;

use super::{
    machine::{DisconnectedSocket, RecoveryInput, TakenStates},
    state::StoredRecoveryState,
    store::RecoveryStore,
};

/// How many states of disconnected sockets are written in one transaction.
const PERSIST_BATCH: usize = 256;

/// About how many bytes of states are written in one transaction: a statement with many full traces would exceed the
/// deadline of the database.
const PERSIST_BYTES: usize = 1 << 20;

/// Whether other states can be written after these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PersistOutcome {
    /// They can. Of these, some may have been kept in memory.
    Writable,
    /// The database does not answer.
    Unavailable,
}

/// Some connected sockets of one relay.
struct RelaySockets {
    relay: RelayHandle,
    pids: Vec<String>,
}

impl RecoveryStore {
    /// Closes up to `limit` connected sockets. Their recovery states are written to the database before their transports
    /// are closed. A state that cannot be written stays in memory, for `persist_disconnected` and for claims of other nodes.
    /// Returns how many sockets were closed; zero when no recoverable socket is connected.
    pub async fn drain_sockets(&self, limit: usize) -> usize {
        let groups = self.connected(limit);
        // The request fails only if the relay has ended. Then its sockets have no state.
        let suspended = groups
            .iter()
            .map(|RelaySockets { relay, pids }| relay.suspend(pids.clone()));
        join_all(suspended).await;
        self.persist(groups.iter().flat_map(|group| &group.pids))
            .await;
        let count = groups.iter().map(|group| group.pids.len()).sum();
        let closed = groups
            .into_iter()
            .map(async |RelaySockets { relay, pids }| {
                relay.close(pids, CloseReason::Shutdown).await
            });
        join_all(closed).await;
        count
    }

    /// Returns up to `limit` connected sockets, by relay.
    fn connected(&self, limit: usize) -> Vec<RelaySockets> {
        let core = self.core();
        let groups = core.machine.connected(limit).into_iter();
        let with_relay = |(id, pids)| {
            let relay = core.relays.get(&id)?.clone();
            Some(RelaySockets { relay, pids })
        };
        groups.filter_map(with_relay).collect()
    }

    /// Writes the recovery states of all disconnected sockets to the database, each once: one that is not written does not keep
    /// the others from it. Ends if the database does not answer.
    pub async fn persist_disconnected(&self) {
        let mut tried = HashSet::new();
        loop {
            // Sockets may disconnect meanwhile, and states that were not written are still here.
            let mut pids = self.core().machine.disconnected();
            pids.retain(|pid| tried.insert(pid.clone()));
            if pids.is_empty() {
                break;
            }
            for pids in pids.chunks(PERSIST_BATCH) {
                match self.persist(pids.iter()).await {
                    PersistOutcome::Writable => {}
                    PersistOutcome::Unavailable => return,
                }
            }
        }
    }

    /// Moves the states of these pids to the database.
    async fn persist(&self, pids: impl Iterator<Item = &String>) -> PersistOutcome {
        let _storing = self.storing.write().await;
        let mut taken = self.core().machine.take_states(pids);
        let mut outcome = PersistOutcome::Writable;
        for batch in batches(std::mem::take(&mut taken.sockets)) {
            outcome = self.persist_batch(taken.with_sockets(batch)).await;
        }
        outcome
    }

    /// Writes states. Those that were not written are put back.
    async fn persist_batch(&self, batch: TakenStates) -> PersistOutcome {
        let to_row = |DisconnectedSocket { pid, state, .. }: &DisconnectedSocket| {
            let (epoch, state) = (batch.epoch.clone(), state.clone());
            self.row(pid.clone(), &StoredRecoveryState { epoch, state })
        };
        let rows = batch.sockets.iter().map(to_row).collect();
        match self.write_rows(rows).await {
            Ok(()) => PersistOutcome::Writable,
            // What may have been written could be used twice.
            Err(JournalError::Unknown(_) | JournalError::Closed) => PersistOutcome::Unavailable,
            Err(JournalError::Unavailable(_)) => {
                self.input(RecoveryInput::NotWritten(batch));
                PersistOutcome::Unavailable
            }
            Err(JournalError::Contended(_) | JournalError::Fault(_)) => {
                self.input(RecoveryInput::NotWritten(batch));
                PersistOutcome::Writable
            }
        }
    }

    /// Writes the state of a connection that another node claims.
    pub(super) async fn persist_state(
        &self,
        pid: String,
        stored: &StoredRecoveryState,
    ) -> Result<(), JournalError> {
        self.write_rows(vec![self.row(pid, stored)]).await
    }

    /// Returns the row of a state. It expires after another window.
    fn row(&self, pid: String, stored: &StoredRecoveryState) -> StoredSocket {
        let window = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX);
        let state = serde_json::to_string(stored);
        StoredSocket {
            pid,
            state: state.expect("a recovery state consists of strings and numbers"),
            expires: Timestamp(self.journal.shared_time().0.saturating_add(window)),
        }
    }

    /// Writes rows, and reports a failure.
    async fn write_rows(&self, rows: Vec<StoredSocket>) -> Result<(), JournalError> {
        let sockets = rows.len();
        let written = self.journal.store_sockets(rows).await;
        if let Err(error) = &written {
            report!(error, sockets, "recovery states could not be stored");
            if let Some(suppressed) = self.persist_failures.allow() {
                warn!(
                    sockets,
                    suppressed, "sockets cannot be recovered: recovery states were not stored"
                );
            }
        }
        written
    }
}

/// Splits the states into batches of at most [`PERSIST_BATCH`] states and [`PERSIST_BYTES`] bytes. A larger state is a batch
/// of its own.
fn batches(sockets: Vec<DisconnectedSocket>) -> Vec<Vec<DisconnectedSocket>> {
    let mut batches: Vec<Vec<DisconnectedSocket>> = Vec::new();
    let mut bytes = 0;
    for socket in sockets {
        bytes += socket.bytes;
        match batches.last_mut() {
            Some(batch) if batch.len() < PERSIST_BATCH && bytes <= PERSIST_BYTES => {
                batch.push(socket);
            }
            Some(_) | None => {
                bytes = socket.bytes;
                batches.push(vec![socket]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{MonotonicTime, UserId},
        gateway::{recovery::state::RecoveryState, trace::DeliveryTrace},
    };

    fn socket(bytes: usize) -> DisconnectedSocket {
        DisconnectedSocket {
            pid: "pid".to_owned(),
            state: RecoveryState {
                user: UserId::new("ana").unwrap(),
                id: "socket".to_owned(),
                trace: DeliveryTrace::new(64, None),
                pending_joins: Vec::new(),
            },
            expires: MonotonicTime::default(),
            bytes,
        }
    }

    /// Returns how many states each batch has.
    fn batch_sizes(bytes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let sockets = bytes.into_iter().map(socket).collect();
        batches(sockets).iter().map(Vec::len).collect()
    }

    #[test]
    fn batches_are_bounded_by_states_and_by_bytes() {
        assert_eq!(batch_sizes([]), [0; 0]);
        assert_eq!(batch_sizes(vec![1; 600]), [256, 256, 88]);
        let half = PERSIST_BYTES / 2;
        assert_eq!(batch_sizes([half, half, 1, half]), [2, 2]);
        assert_eq!(batch_sizes([1, PERSIST_BYTES + 1, 1]), [1, 1, 1]);
    }
}
