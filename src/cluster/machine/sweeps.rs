//! The sweep: heads are compared once a second, and whenever the bus or a database connection is connected.

use std::collections::VecDeque;

use crate::{domain::MonotonicTime, journal::JournalHeads};

use super::{
    effect::ClusterEffect,
    state::{ClusterMachine, LinkState, SWEEP_INTERVAL, SweepState},
};

impl ClusterMachine {
    /// Lets a sweep begin that sees all commits whose hints were lost before the bus was connected, or the epoch of the database
    /// that was connected.
    pub(super) fn sweep_after_connect(&mut self, now: MonotonicTime) {
        match self.sweep {
            SweepState::Idle => self.next_sweep = now,
            SweepState::Running | SweepState::RunningBeforeConnect => {
                self.sweep = SweepState::RunningBeforeConnect;
            }
        }
    }

    pub(super) fn sweep_if_due(
        &mut self,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        if self.sweep == SweepState::Idle && self.next_sweep <= now {
            self.sweep = SweepState::Running;
            self.next_sweep = now + SWEEP_INTERVAL;
            effects.push_back(ClusterEffect::Sweep);
        }
    }

    pub(super) fn swept(
        &mut self,
        heads: Option<JournalHeads>,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        match self.sweep {
            SweepState::Idle | SweepState::Running => {}
            SweepState::RunningBeforeConnect => self.next_sweep = now,
        }
        self.sweep = SweepState::Idle;
        let Some(JournalHeads {
            epoch,
            changed,
            rewound,
        }) = heads
        else {
            return;
        };
        if epoch != self.epoch {
            effects.push_back(ClusterEffect::ReplaceEpoch(epoch.clone()));
            self.epoch = epoch;
            self.unnamed.clear();
            // All vaults are loaded again.
            return;
        }
        effects.extend(rewound.into_iter().map(ClusterEffect::CheckHead));
        if !self.unnamed.is_empty() {
            effects.push_back(ClusterEffect::RecordLost(self.unnamed.len() as u64));
            self.unnamed.clear();
        }
        let expects_hints = matches!(self.link, LinkState::Up(_));
        for head in changed {
            if expects_hints {
                self.unnamed.insert(head.vault.clone(), head.head);
            }
            effects.push_back(ClusterEffect::MoveHead(head));
        }
    }
}
