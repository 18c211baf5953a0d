//! The times at which joins are refused because their vault has not answered.

use std::collections::BTreeSet;

use crate::domain::{MonotonicTime, SubscriberId, VaultId};

/// The deadlines of all pending joins, and the wake-up that was requested for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct JoinDeadlines {
    deadlines: BTreeSet<JoinDeadline>,
    /// When the shell sends the next tick. At or before the first deadline.
    wake_at: Option<MonotonicTime>,
}

/// The deadline of the oldest pending join of one seat.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct JoinDeadline {
    pub(super) at: MonotonicTime,
    pub(super) subscriber: SubscriberId,
    pub(super) vault: VaultId,
}

impl JoinDeadlines {
    pub(super) fn insert(&mut self, deadline: JoinDeadline) {
        self.deadlines.insert(deadline);
    }

    pub(super) fn remove(&mut self, deadline: &JoinDeadline) {
        self.deadlines.remove(deadline);
    }

    pub(super) fn contains(&self, deadline: &JoinDeadline) -> bool {
        self.deadlines.contains(deadline)
    }

    /// Records a tick and removes the first deadline that has passed.
    pub(super) fn take_due(&mut self, now: MonotonicTime) -> Option<JoinDeadline> {
        self.wake_at.take_if(|at| *at <= now);
        let is_due = self.deadlines.first().is_some_and(|first| first.at <= now);
        is_due.then(|| self.deadlines.pop_first()).flatten()
    }

    /// Returns when the shell should send a tick, if that is earlier than requested before.
    pub(super) fn take_wake_up(&mut self) -> Option<MonotonicTime> {
        let first = self.deadlines.first()?.at;
        if self.wake_at.is_some_and(|at| at <= first) {
            return None;
        }
        self.wake_at = Some(first);
        Some(first)
    }
}
