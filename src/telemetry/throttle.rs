//! Rate limit for log lines that would repeat.
//!
//! An outage under load must not hide all other lines in the log. A [`LogThrottle`] allows one line per minute and
//! counts those that it suppressed, so that the next line can report the count.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Shortest time between two lines.
const INTERVAL: Duration = Duration::from_secs(60);

/// Limits one kind of log line to one per minute.
#[derive(Debug, Default)]
pub struct LogThrottle(Mutex<ThrottleState>);

#[derive(Debug, Default)]
struct ThrottleState {
    last_logged: Option<Instant>,
    suppressed: u64,
}

impl LogThrottle {
    /// Creates a throttle that allows the first line.
    pub const fn new() -> Self {
        Self(Mutex::new(ThrottleState {
            last_logged: None,
            suppressed: 0,
        }))
    }

    /// Returns the number of lines suppressed since the last one if a line may be logged now; `None` suppresses it.
    pub fn allow(&self) -> Option<u64> {
        self.allow_at(Instant::now())
    }

    fn allow_at(&self, now: Instant) -> Option<u64> {
        // No code below panics, so a poisoned lock still guards a consistent state.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.last_logged.is_some_and(|at| now - at < INTERVAL) {
            state.suppressed += 1;
            return None;
        }
        state.last_logged = Some(now);
        Some(std::mem::take(&mut state.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_is_allowed_and_the_next_reports_the_suppressed_ones() {
        let (throttle, start) = (LogThrottle::new(), Instant::now());
        assert_eq!(throttle.allow_at(start), Some(0));
        assert_eq!(throttle.allow_at(start + INTERVAL / 3), None);
        assert_eq!(throttle.allow_at(start + INTERVAL / 2), None);
        assert_eq!(throttle.allow_at(start + INTERVAL), Some(2));
        assert_eq!(throttle.allow_at(start + INTERVAL), None);
    }
}
