//! The graceful shutdown: recovery states move to the database before transports are closed, so that another process can
//! continue the connections.

use futures_util::future::join_all;
use tracing::warn;

use crate::{
    domain::{Epoch, Timestamp},
    gateway::relay::RelayHandle,
    journal::{JournalError, StoredSocket, report},
};
use actix_socketio::engineio::CloseReason;

use super::{
    machine::{DisconnectedSocket, TakenStates},
    state::StoredRecoveryState,
    store::RecoveryStore,
};

/// How many states of disconnected sockets are written in one transaction.
const PERSIST_BATCH: usize = 256;

/// About how many bytes of states are written in one transaction: a statement with many full traces would exceed the
/// deadline of the database.
const PERSIST_BYTES: usize = 1 << 20;

/// Some connected sockets of one relay.
struct RelaySockets {
    relay: RelayHandle,
    pids: Vec<String>,
}

impl RecoveryStore {
    /// Closes up to `limit` connected sockets. Their recovery states are written to the database before their transports
    /// are closed. A socket whose state cannot be written cannot be recovered. Returns how many sockets were closed; zero
    /// when no recoverable socket is connected.
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

    /// Writes the recovery states of all disconnected sockets to the database.
    pub async fn persist_disconnected(&self) {
        loop {
            let pids = self.core().machine.disconnected(PERSIST_BATCH);
            if pids.is_empty() {
                break;
            }
            self.persist(pids.iter()).await;
        }
    }

    /// Moves the states of these pids to the database. They are lost if it does not answer.
    async fn persist(&self, pids: impl Iterator<Item = &String>) {
        let TakenStates { epoch, sockets } = self.core().machine.take_states(pids);
        for batch in batches(sockets) {
            self.persist_batch(&epoch, batch).await;
        }
    }

    async fn persist_batch(&self, epoch: &Epoch, batch: Vec<DisconnectedSocket>) {
        let to_row = |DisconnectedSocket { pid, state, .. }| {
            let epoch = epoch.clone();
            self.row(pid, &StoredRecoveryState { epoch, state })
        };
        // A failure is reported.
        let _ = self
            .write_rows(batch.into_iter().map(to_row).collect())
            .await;
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
