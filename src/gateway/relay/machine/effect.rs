//! What the relay machine requests of its shell.

use crate::{
    domain::{MonotonicTime, Seq, SubscriberId, VaultId},
    gateway::trace::{ResumePosition, TracedJoin},
    vault::{Attach, VaultError},
};

use super::{
    ids::{JoinAckId, RelaySocketId, SeatId},
    input::SequencedEvent,
};

/// Performs the effects of a [`RelayMachine`](super::RelayMachine), each at once and in the order given.
pub trait RelayEffects {
    /// The type of an event of a vault.
    type Event: SequencedEvent;

    /// Performs one effect. What it learns becomes a later input of the machine.
    fn perform(&mut self, effect: RelayEffect<'_, Self::Event>);
}

/// One effect of the relay machine. `E` is the type of an event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RelayEffect<'a, E> {
    /// Send a query to the vault. Its answer carries the ticket.
    Subscribe {
        vault: &'a VaultId,
        seat: SeatId,
        ticket: u64,
        attach: Attach,
    },
    /// End a subscription at the vault.
    LeaveVault {
        vault: &'a VaultId,
        subscriber: SubscriberId,
    },
    /// Report to the vault that this relay has room again. The queries that follow attach its seats again.
    CaughtUp { vault: &'a VaultId },
    /// The machine has no state of this vault any more. A later input may name it again.
    ReleaseVault { vault: &'a VaultId },
    /// Put an event into the outbox of a socket, and record it in the trace of the socket.
    SendEvent {
        vault: &'a VaultId,
        seat: SeatId,
        event: &'a E,
        delivery: EventDelivery,
    },
    /// Send `vault:joined`, record it in the trace, and acknowledge the join.
    SendJoined {
        vault: &'a VaultId,
        seat: SeatId,
        join: TracedJoin,
        ack: Option<JoinAckId>,
        reason: JoinedReason,
    },
    /// Send the error of a refused join, and acknowledge the join with it.
    RefuseJoin {
        vault: &'a VaultId,
        socket: RelaySocketId,
        ack: Option<JoinAckId>,
        error: VaultError,
    },
    /// The socket left the vault before this join was answered.
    CancelJoin { ack: JoinAckId },
    /// Send the error that tells a client that its user is no longer a member.
    SendRemoved {
        vault: &'a VaultId,
        socket: RelaySocketId,
    },
    /// Record in the trace that the subscription continues at this position.
    RecordResume {
        vault: &'a VaultId,
        seat: SeatId,
        position: ResumePosition,
    },
    /// Record in the trace that the vault ended the subscription.
    RecordEnd { seat: SeatId },
    /// Record in the trace that the client left the vault.
    RecordLeave { seat: SeatId },
    /// Close the transport of a socket that cannot be served without a gap.
    CloseSocket {
        vault: &'a VaultId,
        socket: RelaySocketId,
        reason: OutOfStepReason,
    },
    /// Send the input `OutboxDrained` when the outbox of the socket has room for a page of events, or the socket is closed.
    AwaitOutboxRoom { socket: RelaySocketId },
    /// Send the input `MailboxDrained` after the notices that wait in the mailbox of the relay.
    AwaitMailboxDrained { vault: &'a VaultId },
    /// Send the input `Tick` at this time. A later `WakeAt` replaces it.
    WakeAt(MonotonicTime),
}

/// How an event reaches a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventDelivery {
    /// When it was committed.
    Live,
    /// In the answer to a query.
    Replayed,
}

/// Why `vault:joined` is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinedReason {
    /// The vault has answered a join.
    Answered,
    /// The client did not receive the `vault:joined` of its former connection.
    SentAgain,
}

/// Why a socket is out of step with a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutOfStepReason {
    /// An event is missing between `last_sent` and `event`. This is a defect.
    Gap { last_sent: Seq, event: Seq },
    /// The vault no longer has the events after `last_sent`.
    Lost,
}
