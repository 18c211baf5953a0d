//! The inputs of the machine: requests, results of effects, and time.

use crate::{
    domain::{Mutation, Seq, SubscriberId, Vault},
    journal::{BatchBase, CommittedEvent, JournalRecord},
    vault::{
        error::{MutationResult, VaultError},
        handle::SinkId,
        subscription::Subscription,
    },
};

use super::{
    ids::{CallerId, MissedPurpose, SubscribeId},
    options::MachineOptions,
};

/// What happens to a vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VaultInput {
    /// The vault was read from the journal: `None` if it never existed. It is the first input, and comes once. The
    /// predecessor's last transaction has ended.
    Opened(Result<Option<Vault>, VaultError>),
    /// A mutation arrived. It holds a slot of the vault's queue until it is answered.
    Submit {
        caller: CallerId,
        mutation: Mutation,
    },
    /// The transaction of the last [`Append`](super::VaultEffect::Append) has ended.
    Committed(BatchOutcome),
    /// A subscriber asks to be attached. The request is open until [`Finish`](super::VaultEffect::Finish).
    Subscribe(SubscribeRequest),
    /// A subscriber left. It receives no further notice that is decided from now on.
    Leave(SubscriberId),
    /// A sink had no room for a notice. Later notices of the same step to this sink were not delivered.
    SinkFull(SinkId),
    /// A sink that had fallen behind has room again. It attaches its subscribers next.
    SinkReady(SinkId),
    /// A sink that had fallen behind has ended, and attaches nothing again.
    SinkClosed(SinkId),
    /// The result of [`ReadMembership`](super::VaultEffect::ReadMembership).
    MembershipRead {
        request: SubscribeId,
        result: Result<bool, VaultError>,
    },
    /// The result of [`ReadHead`](super::VaultEffect::ReadHead): `None` if the vault was purged.
    HeadRead(Result<Option<Seq>, VaultError>),
    /// The result of [`ReadPage`](super::VaultEffect::ReadPage), oldest first.
    PageRead {
        request: SubscribeId,
        result: Result<Vec<JournalRecord>, VaultError>,
    },
    /// The result of [`ReadMissed`](super::VaultEffect::ReadMissed) for this purpose, oldest first and without gaps.
    MissedRead {
        purpose: MissedPurpose,
        result: Result<Vec<CommittedEvent>, VaultError>,
    },
    /// A hint that the journal has reached this head. It may be lost, late, repeated, or ahead of this vault's own
    /// [`Committed`](Self::Committed).
    RemoteHead(Seq),
    /// The sweep has found a head in the journal that is lower than this vault's was. It may be outdated.
    HeadWentBack,
    /// The database has another epoch.
    HistoryReplaced,
    /// The time of [`WakeAt`](super::VaultEffect::WakeAt) has come. An early one does no harm.
    Tick,
    /// The memory is needed for other vaults. A vault that nothing uses ends, however long it was unused.
    Unload,
    /// The bounds have changed.
    Reconfigure(MachineOptions),
}

/// A request to subscribe.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubscribeRequest {
    pub id: SubscribeId,
    pub subscription: Subscription,
    /// Receives the answer and all notices.
    pub sink: SinkId,
}

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BatchOutcome {
    /// It was committed.
    Written(WrittenBatch),
    /// Nothing was written.
    Failed(VaultError),
    /// It is unknown whether it was committed.
    Unknown,
    /// The task that awaited it was dropped. A successor reads the outcome from the journal.
    Dropped,
}

/// What a committed transaction did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WrittenBatch {
    /// The events after the head of the batch: first those of other nodes, then its own.
    pub events: Vec<CommittedEvent>,
    /// How many events at the start of `events` another node wrote.
    pub missed: usize,
    /// How the state on which the batch was decided follows from the one of the batch.
    pub base: BatchBase,
    /// One result for each mutation, in order.
    pub results: Vec<MutationResult>,
    /// The vault was found deleted: its journal does not show the event any more.
    pub is_vault_deleted: bool,
    /// The state with these events, if it does not follow from the one of the batch.
    pub vault: Option<Vault>,
}
