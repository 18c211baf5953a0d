//! Hints that the journal's head has moved, from other nodes and from the sweep of this node.
//!
//! A hint makes a vault with subscribers read the events that it misses. The read does not hold up the vault's own
//! transaction: an event applies only at the head's successor, whichever of both brings it first. Hints of a vault without
//! subscribers are ignored, since the next join compares the head. A hint that arrives while a join waits, or while the sinks
//! of all subscribers have fallen behind, is noted: they may be attached at an older head.

use crate::{
    domain::Seq,
    journal::{CommittedEvent, DatabaseSharing},
    vault::error::VaultError,
};

use super::{
    effect::{VaultEffect, VaultFact},
    hint_read::HintRead,
    ids::MissedPurpose,
    queue::{OwnEvents, QueueGate},
    state::VaultMachine,
    step::Step,
};

impl VaultMachine {
    /// Reads the missed events, unless the vault has them or needs none.
    pub(super) fn remote_head(&mut self, hinted: Seq, step: &mut Step<'_>) {
        if self.head().is_none_or(|head| head >= hinted) {
            return;
        }
        let awaits_subscribers = self.awaits_subscribers();
        match &mut self.hint_read {
            HintRead::Reading { latest, .. } | HintRead::Noted { latest } => {
                *latest = hinted.max(*latest);
            }
            HintRead::Idle if self.fanout.has_subscribers() => self.read_hinted(hinted, step),
            HintRead::Idle if awaits_subscribers => {
                self.hint_read = HintRead::Noted { latest: hinted };
            }
            HintRead::Idle => {}
        }
    }

    /// Follows a noted hint when the joins that were waiting have ended.
    pub(super) fn follow_noted_hint(&mut self, step: &mut Step<'_>) {
        let HintRead::Noted { latest } = self.hint_read else {
            return;
        };
        let is_needed = self.head().is_some_and(|head| head < latest);
        if is_needed && self.fanout.has_subscribers() {
            self.read_hinted(latest, step);
        } else if !is_needed || !self.awaits_subscribers() {
            self.hint_read = HintRead::Idle;
        }
    }

    /// Returns whether a join waits, or a sink that fell behind will attach its subscribers again.
    fn awaits_subscribers(&self) -> bool {
        !self.joins.is_empty() || !self.reads.is_empty() || !self.fanout.is_empty()
    }

    fn read_hinted(&mut self, hinted: Seq, step: &mut Step<'_>) {
        let Some(after) = self.head() else {
            return;
        };
        self.hint_read = HintRead::Reading {
            started_for: hinted,
            latest: hinted,
        };
        step.effects.push(VaultEffect::ReadMissed {
            purpose: MissedPurpose::Hint,
            after,
        });
    }

    /// Publishes the missed events. A failed read is repeated by the next hint, the sweep's at the latest.
    pub(super) fn hint_read(
        &mut self,
        missed: Result<Vec<CommittedEvent>, VaultError>,
        step: &mut Step<'_>,
    ) {
        let previous = std::mem::replace(&mut self.hint_read, HintRead::Idle);
        let HintRead::Reading {
            started_for,
            latest,
        } = previous
        else {
            return;
        };
        if let Ok(events) = missed
            && !self.leaves_far_ahead_to_transaction(&events)
        {
            match self.queue.gate {
                QueueGate::Open if !events.is_empty() => {
                    let foreign = VaultEffect::Report(VaultFact::ForeignWriter);
                    step.effects.push(foreign);
                }
                QueueGate::Closed | QueueGate::Unresolved { .. } if !events.is_empty() => {
                    self.queue.publication = OwnEvents::PerhapsPublished;
                }
                QueueGate::Open | QueueGate::Closed | QueueGate::Unresolved { .. } => {}
            }
            self.publish_read(events, step);
            // The read may be older than a hint that came meanwhile.
            if latest > started_for {
                self.remote_head(latest, step);
            }
        }
    }

    /// Reports the head that this node has committed, so that other nodes read its events.
    pub(super) fn announce_head(&self, head: Seq, step: &mut Step<'_>) {
        match self.options.sharing {
            DatabaseSharing::ThisProcess => {}
            DatabaseSharing::SeveralProcesses => {
                step.effects.push(VaultEffect::AnnounceHead(head));
            }
        }
    }
}
