//! How ready a service is. It first withdraws, so that those who send clients here notice and send them elsewhere, while
//! everybody is served as before; then it drains, and takes nothing new. There is no way back.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

const READY: u8 = 0;
const WITHDRAWN: u8 = 1;
const DRAINING: u8 = 2;

/// Whether a service is ready, and whether it takes anything new. Cheap to clone; a clone is the same.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// Whether clients are to be sent here.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == READY
    }

    /// Whether nothing new is taken any longer: no handshake, no CONNECT, no mutation.
    pub fn is_draining(&self) -> bool {
        self.0.load(Ordering::Acquire) == DRAINING
    }

    /// Clients are to be sent elsewhere from now on.
    pub fn withdraw(&self) {
        self.0.fetch_max(WITHDRAWN, Ordering::AcqRel);
    }

    /// Nothing new is taken from now on.
    pub fn drain(&self) {
        self.0.fetch_max(DRAINING, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_withdraws_and_then_drains_and_does_not_turn_back() {
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
