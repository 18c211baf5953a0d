//! One step of the machine.

use crate::domain::MonotonicTime;

use super::effect::{RelayEffect, RelayEffects};

/// The time of one input, and where its effects go.
pub(super) struct RelayStep<'a, F> {
    pub(super) now: MonotonicTime,
    pub(super) effects: &'a mut F,
}

impl<F: RelayEffects> RelayStep<'_, F> {
    pub(super) fn perform(&mut self, effect: RelayEffect<'_, F::Event>) {
        self.effects.perform(effect);
    }
}
