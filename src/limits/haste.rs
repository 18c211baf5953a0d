//! One socket's haste: what is too much of it is refused, and who does not stop for [`PATIENCE`] is sent away.

use std::time::{Duration, Instant};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

/// How long a socket may go on sending too much.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who sent nothing that was too much for so long has stopped.
const CALM: Duration = Duration::from_secs(1);

/// Counts the events of one socket.
pub struct Haste<C: Clock = DefaultClock> {
    quota: Option<Quota>,
    limiter: Option<RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>>,
    too_much: Option<TooMuch>,
}

/// Since when a socket has been sending too much, and when it last did.
#[derive(Clone, Copy)]
struct TooMuch {
    since: Instant,
    last: Instant,
}

/// What is to be done about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hurry {
    /// It is taken.
    None,
    /// It is refused.
    TooMuch,
    /// It is refused, and the socket has been at it for too long.
    Lasting,
}

impl Haste {
    /// So many events in a second with a burst of twice that, or as many as come.
    pub(super) fn new(quota: Option<Quota>) -> Self {
        Self {
            quota,
            limiter: quota.map(RateLimiter::direct),
            too_much: None,
        }
    }

    /// Counts by this quota from now on. Where it is another, the socket begins anew.
    pub(super) fn keep_to(&mut self, quota: Option<Quota>) {
        if self.quota != quota {
            *self = Self::new(quota);
        }
    }
}

impl<C: Clock> Haste<C> {
    /// Counts an event that comes now.
    pub(super) fn event(&mut self, now: Instant) -> Hurry {
        let Some(limiter) = &self.limiter else {
            return Hurry::None;
        };
        if limiter.check().is_ok() {
            return Hurry::None;
        }
        let going_on = self.too_much.filter(|before| now - before.last < CALM);
        let since = going_on.map_or(now, |before| before.since);
        self.too_much = Some(TooMuch { since, last: now });
        if now - since < PATIENCE {
            Hurry::TooMuch
        } else {
            Hurry::Lasting
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    const SLICE: Duration = Duration::from_millis(100);

    /// A socket that may send ten events in a second, and its clock.
    struct Story {
        haste: Haste<FakeRelativeClock>,
        clock: FakeRelativeClock,
        now: Instant,
    }

    impl Story {
        fn begin() -> Self {
            let clock = FakeRelativeClock::default();
            let quota = Quota::per_second(NonZeroU32::new(10).unwrap());
            let limiter = RateLimiter::direct_with_clock(quota, clock.clone());
            Self {
                haste: Haste {
                    quota: Some(quota),
                    limiter: Some(limiter),
                    too_much: None,
                },
                clock,
                now: Instant::now(),
            }
        }

        /// Sends so many events in each tenth of a second for a while; how the last one ended.
        fn sends(&mut self, in_each: usize, lasting: Duration) -> Hurry {
            let mut last = Hurry::None;
            for _ in 0..(lasting.as_millis() / SLICE.as_millis()) {
                for _ in 0..in_each {
                    last = self.haste.event(self.now);
                }
                self.clock.advance(SLICE);
                self.now += SLICE;
            }
            last
        }
    }

    #[test]
    fn who_keeps_to_the_rate_is_never_refused() {
        let mut socket = Story::begin();
        assert_eq!(socket.sends(1, Duration::from_secs(60)), Hurry::None);
    }

    #[test]
    fn who_sends_too_much_is_refused_and_after_ten_seconds_sent_away() {
        let mut socket = Story::begin();
        assert_eq!(socket.sends(3, Duration::from_secs(9)), Hurry::TooMuch);
        assert_eq!(socket.sends(3, Duration::from_secs(3)), Hurry::Lasting);
    }

    #[test]
    fn who_pauses_begins_anew() {
        let mut socket = Story::begin();
        for _ in 0..5 {
            assert_eq!(socket.sends(3, Duration::from_secs(9)), Hurry::TooMuch);
            socket.sends(0, Duration::from_secs(2));
        }
    }
}
