//! What a step of the machine is given beside its input.

use crate::domain::MonotonicTime;

use super::effect::VaultEffects;

/// The time of an input, and where its effects go.
pub(super) struct Step<'a> {
    pub(super) now: MonotonicTime,
    pub(super) effects: &'a mut VaultEffects,
}
