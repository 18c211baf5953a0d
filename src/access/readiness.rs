//! The readiness of a service: ready, then withdrawn, then draining; never back.
//!
//! A withdrawn service still serves all requests, while load balancers notice that `/readyz` fails. A draining service
//! accepts nothing new.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

const READY: u8 = 0;
const WITHDRAWN: u8 = 1;
const DRAINING: u8 = 2;

/// The readiness of a service. Cheap to clone; clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// Returns whether load balancers may send clients to this service.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == READY
    }

    /// Returns whether the service rejects new work: handshakes, CONNECTs and mutations.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire) == DRAINING
    }

    /// Reports the service as not ready from now on.
    pub fn withdraw(&self) {
        self.0.fetch_max(WITHDRAWN, Ordering::AcqRel);
    }

    /// Rejects new work from now on.
    pub fn drain(&self) {
        self.0.fetch_max(DRAINING, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_withdraws_then_drains_and_never_becomes_ready_again() {
        let readiness = Readiness::default();
        let seen = readiness.clone();
        assert!(seen.is_ready() && !seen.is_draining());
        readiness.withdraw();
        assert!(!seen.is_ready() && !seen.is_draining());
        readiness.drain();
        readiness.withdraw();
        assert!(!seen.is_ready() && seen.is_draining());
    }
}
