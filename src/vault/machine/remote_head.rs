//! Hints of other nodes that the journal's head has moved.
//!
//! A hint makes a vault with subscribers read the events that it misses. The read does not hold up the vault's own
//! transaction: an event applies only at the head's successor, whichever of both brings it first. Hints of a vault without
//! subscribers are ignored, since the next join compares the head.

use crate::{domain::Seq, journal::CommittedEvent, vault::error::VaultError};

use super::{
    effect::VaultEffect,
    hint_read::HintRead,
    ids::MissedPurpose,
    queue::{OwnEvents, QueueGate},
    state::VaultMachine,
    step::Step,
};

impl VaultMachine {
    /// Reads the missed events, unless the vault has them or needs none.
    pub(super) fn remote_head(&mut self, hinted: Seq, step: &mut Step<'_>) {
        if let HintRead::Reading { latest, .. } = &mut self.hint_read {
            *latest = hinted.max(*latest);
            return;
        }
        let Some(after) = self.head().filter(|head| *head < hinted) else {
            return;
        };
        if !self.fanout.has_subscribers() {
            return;
        }
        self.hint_read = HintRead::Reading {
            started_for: hinted,
            latest: hinted,
        };
        step.effects.push(VaultEffect::ReadMissed {
            purpose: MissedPurpose::Hint,
            after,
        });
    }

    /// Publishes the missed events. A failed read is repeated by the next hint.
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
        if let Ok(events) = missed {
            if self.queue.gate != QueueGate::Open && !events.is_empty() {
                self.queue.publication = OwnEvents::PerhapsPublished;
            }
            self.publish(events, step);
            // The read may be older than a hint that came meanwhile.
            if latest > started_for {
                self.remote_head(latest, step);
            }
        }
    }
}
