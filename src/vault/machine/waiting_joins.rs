//! Joins that wait for the database: until it has confirmed their user, or until the vault's head has been compared with the
//! journal's.
//!
//! A join takes effect at the position at which it arrived, because its caller may have sent a mutation right after it.
//! Events of transactions that started later are delivered after the join.

use std::{collections::BTreeMap, mem};

use crate::domain::Seq;

use super::{ids::SubscribeId, input::SubscribeRequest, queue::MutationQueue};

/// The joins that wait for the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct WaitingJoins {
    /// Their user is being confirmed.
    confirming: BTreeMap<SubscribeId, WaitingJoin>,
    /// They wait for the next head check.
    pub(super) waiting: Vec<WaitingJoin>,
    pub(super) check: HeadCheck,
    /// The vault's head when the running check began. The journal had reached it.
    pub(super) checked_from: Seq,
}

/// A join that waits for the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct WaitingJoin {
    pub(super) request: SubscribeRequest,
    pub(super) position: JoinPosition,
}

/// Where in the vault's order a waiting join takes effect.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum JoinPosition {
    /// Before the first event of a transaction that starts later. `started` transactions had started when it arrived.
    BeforeLaterTransactions { started: u64 },
    /// After this seq: the first event of a later transaction follows it.
    After(Seq),
    /// At the head when the check completes. The subscriber is live and receives the events until then.
    Head,
}

/// The state of the current head check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum HeadCheck {
    #[default]
    Idle,
    /// The head or the missed events are being read for these joins.
    Reading(Vec<WaitingJoin>),
    /// The journal is ahead of the vault. These joins wait for the end of the transaction in flight, which may be the
    /// reason.
    Ahead {
        journal_head: Seq,
        joins: Vec<WaitingJoin>,
    },
}

impl WaitingJoins {
    /// Returns whether no join waits.
    pub(super) fn is_empty(&self) -> bool {
        self.confirming.is_empty() && self.waiting.is_empty() && self.check == HeadCheck::Idle
    }

    /// Adds a join to the next check.
    pub(super) fn push(&mut self, join: WaitingJoin) {
        self.waiting.push(join);
    }

    /// Removes the joins for the head check whose subscribers do not wait any more, and returns their requests.
    pub(super) fn take_cancelled(
        &mut self,
        is_awaited: impl Fn(&SubscribeRequest) -> bool,
    ) -> Vec<SubscribeRequest> {
        let checked = match &mut self.check {
            HeadCheck::Idle => &mut Vec::new(),
            HeadCheck::Reading(joins) | HeadCheck::Ahead { joins, .. } => joins,
        };
        let mut cancelled = Vec::new();
        for joins in [checked, &mut self.waiting] {
            let removed = joins.extract_if(.., |join| !is_awaited(&join.request));
            cancelled.extend(removed.map(|join| join.request));
        }
        cancelled
    }

    /// Adds a join whose user the database has to confirm.
    pub(super) fn confirm(&mut self, join: WaitingJoin) {
        self.confirming.insert(join.request.id, join);
    }

    /// Takes the join of this request, with the position that it has by now.
    pub(super) fn take_confirmed(&mut self, request: SubscribeId) -> Option<WaitingJoin> {
        self.confirming.remove(&request)
    }

    /// Fixes the position of every join that arrived before the last transaction started: before `first`, the first event
    /// of that transaction.
    pub(super) fn fix_positions(&mut self, first: Seq, queue: &MutationQueue) {
        let last_transaction = queue.started;
        let position = Seq(first.0 - 1);
        let checked = match &mut self.check {
            HeadCheck::Idle => &mut Vec::new(),
            HeadCheck::Reading(joins) | HeadCheck::Ahead { joins, .. } => joins,
        };
        let joins = checked.iter_mut().chain(&mut self.waiting);
        for join in joins.chain(self.confirming.values_mut()) {
            match join.position {
                JoinPosition::BeforeLaterTransactions { started } if started < last_transaction => {
                    join.position = JoinPosition::After(position);
                }
                JoinPosition::BeforeLaterTransactions { .. }
                | JoinPosition::After(_)
                | JoinPosition::Head => {}
            }
        }
    }

    /// Ends the current check and returns its joins.
    pub(super) fn take_checked(&mut self) -> Vec<WaitingJoin> {
        match mem::take(&mut self.check) {
            HeadCheck::Idle => Vec::new(),
            HeadCheck::Reading(joins) | HeadCheck::Ahead { joins, .. } => joins,
        }
    }
}

impl JoinPosition {
    /// Returns the seq after which the join takes effect, if that is not the head.
    pub(super) fn after(&self) -> Option<Seq> {
        match self {
            Self::After(seq) => Some(*seq),
            Self::BeforeLaterTransactions { .. } | Self::Head => None,
        }
    }
}
