//! What would be said again and again is said once in a while, and then how often it was not said: an outage under load
//! must not bury everything else in the log.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long nothing is said of the same.
const QUIET: Duration = Duration::from_secs(60);

/// One thing that may be to be said.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    at: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// Nothing was said yet.
    pub const fn new() -> Self {
        Self(Mutex::new(Said {
            at: None,
            unsaid: 0,
        }))
    }

    /// Whether it is to be said now, and how often it was not since the last time.
    pub fn now(&self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Option<u64> {
        // Nothing in here can panic half-way.
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.at.is_some_and(|at| now - at < QUIET) {
            said.unsaid += 1;
            return None;
        }
        said.at = Some(now);
        Some(std::mem::take(&mut said.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_said_and_the_others_are_counted_until_some_time_has_passed() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        assert_eq!(seldom.at(start), Some(0));
        assert_eq!(seldom.at(start + QUIET / 3), None);
        assert_eq!(seldom.at(start + QUIET / 2), None);
        assert_eq!(seldom.at(start + QUIET), Some(2));
        assert_eq!(seldom.at(start + QUIET), None);
    }
}
