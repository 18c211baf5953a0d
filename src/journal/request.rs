//! Write requests of the journal and their outcomes.

use thiserror::Error;

use crate::domain::{
    Mutation, MutationAnswer, Principal, Refusal, Seq, StateChange, Timestamp, UserProfile, Vault,
    VaultId, idempotency::IdempotencyKey, ids::MembershipId,
};

use super::{error::JournalError, record::JournalRecord};

/// A request to write, handled by a committer.
#[derive(Debug)]
pub(super) enum WriteRequest {
    /// Decides and writes the mutations of one vault.
    Batch(BatchRequest),
    /// Creates a vault, with its creator as its owner.
    CreateVault(NewVault),
    /// Records the name and email of a user.
    RecordUser(UserProfile),
    /// Stores the recovery state of sockets.
    StoreSockets(Vec<StoredSocket>),
    /// Takes the recovery state of one socket out of the database.
    TakeSocket { pid: String, now: Timestamp },
    /// Deletes expired rows.
    Purge(PurgeStep),
    /// Writes a row and deletes it again, to check that a transaction can be committed.
    TestWrite,
}

/// The queued mutations of one vault.
#[derive(Debug)]
pub(super) struct BatchRequest {
    /// The vault's state that the mutations are decided on.
    pub vault: Vault,
    /// Events that another process wrote since the caller last read the journal.
    pub missed: Vec<CommittedEvent>,
    /// How the state follows from the one that the caller gave.
    pub base: BatchBase,
    pub mutations: Vec<Mutation>,
}

/// How the state on which a batch was decided follows from the state that the caller gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BatchBase {
    /// By the missed events.
    #[default]
    Continued,
    /// The journal was too far ahead, or had trimmed the missed events: the state was read as a whole.
    FarAhead,
    /// The journal was behind, at this head: an older database was put back. The state was read as a whole.
    Rewound { head: Seq },
}

/// The vault to be created by [`Journal::create_vault`](super::Journal::create_vault).
#[derive(Clone, Debug)]
pub struct NewVault {
    pub id: VaultId,
    pub membership: MembershipId,
    pub name: String,
    pub by: Principal,
    pub key: Option<IdempotencyKey>,
}

/// The recovery state of a socket, stored while no process serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSocket {
    /// The secret by which the client identifies the socket when it reconnects.
    pub pid: String,
    /// The state as JSON, which the journal does not interpret.
    pub state: String,
    /// The time from which the row is ignored.
    pub expires: Timestamp,
}

/// One step of a retention sweep: deletes a bounded number of rows.
#[derive(Clone, Debug)]
pub(super) enum PurgeStep {
    /// Some of the remembered answers that were given until this time.
    Answers { until: Timestamp },
    /// Some of the stored sockets that expired until this time.
    Sockets { until: Timestamp },
    /// A vault's events up to this seq.
    Events { vault: VaultId, through: Seq },
    /// The remaining rows of a deleted vault without events.
    Tombstone { vault: VaultId },
}

/// An event in the journal with its change of the vault's state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommittedEvent {
    pub record: JournalRecord,
    pub state_change: StateChange,
}

/// The outcome of one [`WriteRequest`] in a committed transaction.
#[derive(Debug, Default)]
pub struct CommitOutcome {
    /// The events that are new to the caller, in the order of `seq`: first those of other processes, then its own.
    pub events: Vec<CommittedEvent>,
    /// How many events at the start of `events` another process wrote.
    pub missed: usize,
    /// How the batch's state follows from the caller's. Unless it is `Continued`, the events do not follow the caller's head.
    pub base: BatchBase,
    /// One result for each mutation, in the order of the request.
    pub results: Vec<Result<MutationAnswer, MutationError>>,
    /// The vault was deleted, by another process or so long ago that its journal was purged.
    pub is_vault_deleted: bool,
    /// The stored state of the socket that was taken.
    pub(super) taken_socket: Option<String>,
    /// The number of rows that were purged.
    pub(super) purged: u64,
    /// The vault's state after a batch.
    pub vault: Option<Vault>,
}

/// The reason why a mutation was not applied.
#[derive(Clone, Debug, Error)]
pub enum MutationError {
    /// A rule refuses it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its own statements failed.
    #[error(transparent)]
    Failed(#[from] JournalError),
}

impl WriteRequest {
    /// Returns the vault of a batch, whose head the transaction locks.
    pub(super) fn vault(&self) -> Option<&VaultId> {
        match self {
            Self::Batch(BatchRequest { vault, .. }) => Some(&vault.id),
            Self::CreateVault(_)
            | Self::RecordUser(_)
            | Self::StoreSockets(_)
            | Self::TakeSocket { .. }
            | Self::Purge(_)
            | Self::TestWrite => None,
        }
    }

    /// Returns the mutations of a batch, and none for other requests.
    pub(super) fn mutations(&self) -> &[Mutation] {
        match self {
            Self::Batch(BatchRequest { mutations, .. }) => mutations,
            Self::CreateVault(_)
            | Self::RecordUser(_)
            | Self::StoreSockets(_)
            | Self::TakeSocket { .. }
            | Self::Purge(_)
            | Self::TestWrite => &[],
        }
    }
}
