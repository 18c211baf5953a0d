//! What the journal is asked to write, and what became of it.

use thiserror::Error;

use crate::domain::{
    Answer, Effect, Mutation, Principal, Refusal, Timestamp, Vault, VaultId,
    idempotency::IdempotencyKey, ids::MembershipId,
};

use super::{JournalError, kept::KeptSocket, record::Record, sweep::Step};

/// Something to be written.
#[derive(Debug)]
pub(super) enum Work {
    /// What waits of one vault. `missed` is what another process wrote since the caller last looked.
    Batch {
        vault: Vault,
        missed: Vec<(Record, Effect)>,
        mutations: Vec<Mutation>,
    },
    /// A vault that is to be, with its creator as owner.
    NewVault(NewVault),
    /// Somebody was seen.
    User(Principal),
    /// Sockets that are to come back.
    Keep(Vec<KeptSocket>),
    /// One of them has.
    Take { pid: String, now: Timestamp },
    /// Something old goes.
    Sweep(Step),
}

/// A vault that is to be.
#[derive(Clone, Debug)]
pub struct NewVault {
    pub id: VaultId,
    pub membership: MembershipId,
    pub name: String,
    pub by: Principal,
    pub key: Option<IdempotencyKey>,
}

/// What became of one work.
#[derive(Debug, Default)]
pub struct Written {
    /// What is in the journal now that the caller has not seen: its own events, and before them those of
    /// another process, in the vault's order, each with what it does to the vault's state.
    pub records: Vec<(Record, Effect)>,
    /// How many of them, the first, another process wrote.
    pub missed: usize,
    /// One for each mutation, in their order.
    pub results: Vec<Result<Answer, Denied>>,
    /// The vault was deleted, by another process or longer ago than its journal is kept.
    pub is_gone: bool,
    /// What was kept of the socket that has come back.
    pub(super) taken: Option<String>,
    /// How many rows were swept away.
    pub(super) swept: u64,
    /// The vault after it, for a batch.
    pub(super) vault: Option<Vault>,
}

/// Why a mutation was not done.
#[derive(Clone, Debug, Error)]
pub enum Denied {
    /// By a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// By a failure that was this mutation's own.
    #[error(transparent)]
    Failed(#[from] JournalError),
}

impl Work {
    /// The mutations in it.
    pub(super) fn mutations(&self) -> &[Mutation] {
        match self {
            Self::Batch { mutations, .. } => mutations,
            Self::NewVault(_)
            | Self::User(_)
            | Self::Keep(_)
            | Self::Take { .. }
            | Self::Sweep(_) => &[],
        }
    }
}
