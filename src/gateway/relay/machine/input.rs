//! What the relay machine receives.

use std::time::Duration;

use crate::{
    domain::{Seq, SubscriberId, VaultId},
    gateway::trace::ResumedSubscription,
    vault::{Attach, AttachOutcome, Joined},
};

use super::ids::{JoinAckId, RelaySocketId, SeatId};

/// An event of a vault with its number. The machine knows nothing else of an event.
pub trait SequencedEvent {
    /// Returns the number of the event in its vault.
    fn seq(&self) -> Seq;
}

impl SequencedEvent for Seq {
    fn seq(&self) -> Seq {
        *self
    }
}

/// The bounds of a relay. They can be reconfigured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayBounds {
    /// How many events wait in the mailbox of the relay (`actors.relay_mailbox`).
    pub mailbox: usize,
    /// How long a join waits for its vault (`actors.join_timeout`).
    pub join_timeout: Duration,
}

/// One input of the relay machine. `E` is the type of an event.
///
/// Notices of one vault actor arrive in the order in which it sent them, and `FellBehind` behind all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RelayInput<'a, E> {
    /// A socket requests to join a vault. The seat is new, or the one that the socket has of this vault.
    Join {
        vault: &'a VaultId,
        seat: SeatId,
        attach: Attach,
        ack: Option<JoinAckId>,
    },
    /// A recovered connection continues a subscription of its former connection. The seat is new.
    Resume {
        vault: &'a VaultId,
        seat: SeatId,
        resumed: ResumedSubscription,
    },
    /// A socket leaves a vault: its client requested it, or the connection has ended.
    Leave {
        vault: &'a VaultId,
        subscriber: SubscriberId,
    },
    /// A committed event, for all live seats.
    Event { vault: &'a VaultId, event: &'a E },
    /// The answer to a query of one seat.
    Answer {
        vault: &'a VaultId,
        subscriber: SubscriberId,
        answer: VaultAnswer<'a, E>,
    },
    /// The vault ended these live subscriptions, because their users are no longer members.
    Removed {
        vault: &'a VaultId,
        subscribers: &'a [SubscriberId],
    },
    /// The vault was deleted.
    Closed { vault: &'a VaultId },
    /// The vault sends no more notices, because the mailbox of the relay was full or the vault actor ended.
    FellBehind { vault: &'a VaultId },
    /// The journal of the vault is another one than before: no seat can be resumed.
    PositionsUnknown { vault: &'a VaultId },
    /// The notices that were in the mailbox when [`AwaitMailboxDrained`](super::RelayEffect::AwaitMailboxDrained) was
    /// performed have been handled.
    MailboxDrained { vault: &'a VaultId },
    /// The outbox of the socket has room for a page, or the socket is closed.
    OutboxDrained { socket: RelaySocketId },
    /// The time of a [`WakeAt`](super::RelayEffect::WakeAt) has come.
    Tick,
    /// The bounds have changed. A join that already waits keeps its timeout.
    Reconfigure(RelayBounds),
}

/// The answer of a vault to one query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultAnswer<'a, E> {
    /// The ticket of the query. An answer to another query is outdated.
    pub ticket: u64,
    /// Confirms a join. It precedes the events.
    pub joined: Option<&'a Joined>,
    /// The missed events, oldest first.
    pub events: &'a [E],
    pub outcome: &'a AttachOutcome,
}
