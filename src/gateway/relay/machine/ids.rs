//! Ids of what the machine decides about.

use crate::domain::SubscriberId;

/// A relay of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayId(pub u64);

/// A socket of the relay's worker thread. Ids are not reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelaySocketId(pub u64);

/// The acknowledgement callback of a join, which the shell keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JoinAckId(pub u64);

/// A seat: one socket's subscription of one vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId {
    pub socket: RelaySocketId,
    pub subscriber: SubscriberId,
}
