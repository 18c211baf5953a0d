//! Times that only grow, for deadlines and durations within one process.

use std::{
    ops::Add,
    sync::OnceLock,
    time::{Duration, Instant},
};

/// Microseconds since the process first read this clock. An integer, so that a simulation can choose it and states that
/// contain it can be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MonotonicTime(u64);

impl MonotonicTime {
    /// Returns the time with this number of microseconds.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Reads the clock.
    pub fn now() -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let elapsed = START.get_or_init(Instant::now).elapsed();
        Self(micros(elapsed))
    }

    /// Returns the time that has passed since an earlier time, or zero if it is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for MonotonicTime {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

/// Returns a duration in microseconds. The 64 bits hold more than 500,000 years.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_added_and_measured_without_overflow() {
        let time = MonotonicTime::from_micros(5);
        let later = time + Duration::from_millis(1);
        assert_eq!(later.since(time), Duration::from_millis(1));
        assert_eq!(time.since(later), Duration::ZERO);
        assert_eq!(time + Duration::MAX, MonotonicTime::from_micros(u64::MAX));
    }
}
