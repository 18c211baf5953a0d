//! The epoch that this process works with. It changes while the process runs if another database was put in the place of the
//! first one.

use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::Epoch;

/// The present epoch. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct CurrentEpoch(Arc<RwLock<Epoch>>);

impl CurrentEpoch {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self(Arc::new(RwLock::new(epoch)))
    }

    pub(super) fn get(&self) -> Epoch {
        // An assignment cannot be left half done by a panic.
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set(&self, epoch: Epoch) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = epoch;
    }
}
