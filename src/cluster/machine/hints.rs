//! Hints: when those of this node are sent, and what those of other nodes do.

use std::collections::VecDeque;

use crate::domain::{MonotonicTime, VaultHead};

use super::{
    effect::ClusterEffect,
    state::{ClusterMachine, DelayedHints, LinkState},
};

impl ClusterMachine {
    pub(super) fn hints_waiting(
        &mut self,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        match &mut self.link {
            LinkState::Off => effects.push_back(ClusterEffect::SkipHints),
            // They would be late when the bus is connected again, and the sweep of the other nodes is not.
            LinkState::Disconnected { .. } | LinkState::Connecting => {
                effects.push_back(ClusterEffect::DropHints);
            }
            LinkState::Up(link) => link.hints_due = Some(link.next_hints.max(now)),
        }
    }

    pub(super) fn hints_received(
        &mut self,
        hints: Vec<VaultHead>,
        follow_at: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        for hint in &hints {
            self.name_head(hint);
        }
        match self.peers.len() {
            // The sender is the only other node.
            0 | 1 => effects.extend(hints.into_iter().map(ClusterEffect::MoveHead)),
            _ => {
                let last = self.delayed.back().map_or(follow_at, |delayed| delayed.at);
                let at = follow_at.max(last);
                self.delayed.push_back(DelayedHints { at, hints });
            }
        }
    }

    /// Reports the hints whose delay has ended.
    pub(super) fn follow_delayed_hints(
        &mut self,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        while let Some(due) = self.delayed.pop_front_if(|delayed| delayed.at <= now) {
            effects.extend(due.hints.into_iter().map(ClusterEffect::MoveHead));
        }
    }

    /// Reports the heads that commits of this node have moved. A sweep that has found one of them has not found a lost hint.
    pub fn hints_taken(&mut self, hints: &[VaultHead]) {
        for hint in hints {
            self.name_head(hint);
        }
    }

    fn name_head(&mut self, hint: &VaultHead) {
        if self
            .unnamed
            .get(&hint.vault)
            .is_some_and(|found| *found <= hint.head)
        {
            self.unnamed.remove(&hint.vault);
        }
    }
}
