//! The effects of the machine, and the queue in which the shell performs them.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    domain::{MonotonicTime, Mutation, Seq, UserId, Vault},
    vault::{
        error::MutationResult,
        handle::SinkId,
        notice::{Notice, NoticeReceivers},
    },
};

use super::ids::{CallerId, MissedPurpose, SubscribeId};

/// What the shell has to do. Each kind of read answers with one input of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VaultEffect {
    /// Decide and write a batch in one transaction. No other is in flight.
    Append(Batch),
    /// Read whether a user is a member.
    ReadMembership { request: SubscribeId, user: UserId },
    /// Read the vault's head in the journal.
    ReadHead,
    /// Read at most `limit` records after a seq.
    ReadPage {
        request: SubscribeId,
        after: Seq,
        limit: usize,
    },
    /// Read all events after a seq.
    ReadMissed { purpose: MissedPurpose, after: Seq },
    /// Deliver a notice to a sink. A sink without room is an input, [`SinkFull`](super::VaultInput::SinkFull), and
    /// receives none of the later notices of this step ([`VaultEffects::skip_deliveries`]).
    Deliver {
        sink: SinkId,
        to: NoticeReceivers,
        notice: Arc<Notice>,
    },
    /// Report to a sink that its subscribers of this vault receive nothing more until it has caught up.
    ReportBehind(SinkId),
    /// Report to all sinks that the positions of their subscribers in this vault are unknown.
    ReportPositionsUnknown(PositionLoss),
    /// Report to the other nodes that this vault's head was moved by a commit of this node. Only on a shared database.
    AnnounceHead(Seq),
    /// Answer a mutation: release its queue slot, then send the result.
    Answer {
        caller: CallerId,
        result: MutationResult,
    },
    /// A request to subscribe is finished: it was answered, or expects no answer any more.
    Finish(SubscribeId),
    /// Withdraw the published members, because they are changing or the vault is not open.
    WithdrawMembers,
    /// Publish the members of [`VaultMachine::members`](super::VaultMachine::members).
    PublishMembers,
    /// Record the length of the transaction in flight, and the first of the mutations that wait for the next one.
    RecordQueue {
        in_flight: usize,
        oldest: Option<CallerId>,
    },
    /// Give [`Tick`](super::VaultInput::Tick) at this time. It replaces an earlier request.
    WakeAt(MonotonicTime),
    /// End the actor if nothing is on its way to it.
    Retire(RetireCause),
    /// End the actor after the remaining effects of this step: its state differs from the journal. The successor loads the vault again. The sinks of subscribers and
    /// of unfinished requests are notified.
    Restart,
    /// Report a fact to the operator.
    Report(VaultFact),
}

/// What has made positions of subscribers unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PositionLoss {
    /// The head of this vault went back. The recovery of sockets must be notified.
    ThisVault,
    /// The database has another epoch. The directory has notified the recovery of sockets.
    AllVaults,
}

/// Why a vault is unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetireCause {
    /// It was not used for long, or is not open.
    Idle,
    /// Its memory is needed.
    Memory,
}

/// A batch of mutations with the state on which it is decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Batch {
    pub vault: Vault,
    pub mutations: Vec<QueuedMutation>,
}

/// A mutation and its caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QueuedMutation {
    pub caller: CallerId,
    pub mutation: Mutation,
}

/// What an operator may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VaultFact {
    /// Another node writes this vault.
    ForeignWriter,
    /// The outcome of a commit is known again; it had written so many events.
    UnknownCommitResolved { events: usize },
    /// The journal has gone back to a lower head. The vault continues with the state in the journal.
    Rewound { head: Seq, journal_head: Seq },
    /// The journal is too far ahead of this head. The vault continues with the state in the journal.
    FarBehind { head: Seq },
    /// An event does not follow the head. The vault is loaded again.
    Gap { seq: Seq, head: Seq },
}

/// Effects that are not performed yet, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VaultEffects(VecDeque<VaultEffect>);

impl VaultEffects {
    pub(super) fn push(&mut self, effect: VaultEffect) {
        self.0.push_back(effect);
    }

    /// Removes the next effect.
    pub fn pop(&mut self) -> Option<VaultEffect> {
        self.0.pop_front()
    }

    /// Returns the effects in order.
    pub fn iter(&self) -> impl Iterator<Item = &VaultEffect> {
        self.0.iter()
    }

    /// Drops the notices for a sink that had no room for one: what follows must not overtake it.
    pub fn skip_deliveries(&mut self, full: SinkId) {
        let is_skipped = |effect: &VaultEffect| matches!(effect, VaultEffect::Deliver { sink, .. } if *sink == full);
        self.0.retain(|effect| !is_skipped(effect));
    }
}

impl FromIterator<VaultEffect> for VaultEffects {
    fn from_iter<I: IntoIterator<Item = VaultEffect>>(effects: I) -> Self {
        Self(effects.into_iter().collect())
    }
}
