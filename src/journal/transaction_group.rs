//! Which requests share a transaction.

use sea_orm::DbBackend;

use super::{request::WriteRequest, write_queue::QueuedWrite};

/// Requests that share transactions on PostgreSQL, in the order in which a committer writes them.
///
/// A transaction with batches holds the heads of their vaults. There, a row of a user or a socket that another node has locked
/// would make the vaults of all nodes wait. A transaction also writes each table of contended rows (answers, users, sockets) in one
/// statement, ordered by key, so that two nodes cannot deadlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TransactionGroup {
    Batches,
    NewVaults,
    UserRecords,
    StoredSockets,
    /// Purge steps and test writes.
    Maintenance,
}

impl TransactionGroup {
    fn of(request: &WriteRequest) -> Self {
        match request {
            WriteRequest::Batch(_) => Self::Batches,
            WriteRequest::CreateVault(_) => Self::NewVaults,
            WriteRequest::RecordUser(_) => Self::UserRecords,
            WriteRequest::StoreSockets(_) | WriteRequest::TakeSocket { .. } => Self::StoredSockets,
            WriteRequest::Purge(_) | WriteRequest::TestWrite => Self::Maintenance,
        }
    }
}

/// Moves the requests of the next transaction to the front, in the order in which they were queued, and returns their number.
///
/// On SQLite these are all: its transactions follow one another whatever they write, and each costs a flush to disk.
pub(super) fn move_next_to_front(backend: DbBackend, queued: &mut [QueuedWrite]) -> usize {
    if backend == DbBackend::Sqlite {
        return queued.len();
    }
    let group = |queued: &QueuedWrite| TransactionGroup::of(&queued.request);
    queued.sort_by_key(group);
    let groups = queued.chunk_by(|left, right| group(left) == group(right));
    groups.map(<[_]>::len).next().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::sync::oneshot;

    use crate::domain::{Members, Seq, Timestamp, Vault, VaultId};

    use super::{
        super::request::{BatchBase, BatchRequest, PurgeStep},
        *,
    };

    fn batch() -> WriteRequest {
        let now = Timestamp::now();
        let vault = Vault {
            id: VaultId::generate(),
            name: "Physics".into(),
            head: Seq::ZERO,
            members: Members::default().into(),
            created_at: now,
            updated_at: now,
        };
        WriteRequest::Batch(BatchRequest {
            vault,
            missed: Vec::new(),
            base: BatchBase::Continued,
            mutations: Vec::new(),
        })
    }

    fn take_socket() -> WriteRequest {
        let (pid, now) = ("pid".to_owned(), Timestamp::now());
        WriteRequest::TakeSocket { pid, now }
    }

    /// Returns the groups of each transaction that writes these requests.
    fn transactions(backend: DbBackend, requests: Vec<WriteRequest>) -> Vec<Vec<TransactionGroup>> {
        let queued = requests.into_iter().map(|request| QueuedWrite {
            request,
            reply: oneshot::channel().0,
            queued_at: Instant::now(),
        });
        let mut queued: Vec<_> = queued.collect();
        let mut transactions = Vec::new();
        while !queued.is_empty() {
            let length = move_next_to_front(backend, &mut queued);
            let groups = queued
                .drain(..length)
                .map(|queued| TransactionGroup::of(&queued.request));
            transactions.push(groups.collect());
        }
        transactions
    }

    #[test]
    fn only_batches_share_a_transaction_that_holds_heads_on_postgres() {
        let until = Timestamp::now();
        let requests = || {
            vec![
                WriteRequest::Purge(PurgeStep::Sockets { until }),
                take_socket(),
                batch(),
                WriteRequest::TestWrite,
                batch(),
                WriteRequest::StoreSockets(Vec::new()),
            ]
        };
        use TransactionGroup::{Batches, Maintenance, StoredSockets};
        assert_eq!(
            transactions(DbBackend::Postgres, requests()),
            [
                [Batches, Batches],
                [StoredSockets, StoredSockets],
                [Maintenance, Maintenance]
            ]
        );
        assert_eq!(transactions(DbBackend::Sqlite, requests()).len(), 1);
    }
}
