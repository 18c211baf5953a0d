//! The rates of one socket: of its packets and of their bytes. Packets over a rate are refused; a socket that continues
//! over a rate for [`DISCONNECT_AFTER`] is disconnected.

use std::{
    num::NonZeroU32,
    time::{Duration, Instant},
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};

use super::refusal::RateLimited;

/// How long a socket may continuously exceed its rates.
const DISCONNECT_AFTER: Duration = Duration::from_secs(10);

/// A socket without a refused packet for this time no longer exceeds its rates.
const STREAK_GAP: Duration = Duration::from_secs(1);

/// The quotas of one socket; `None` without a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SocketRates {
    /// Events, and the other packets of the socket.
    pub(super) events: Option<Quota>,
    pub(super) bytes: Option<Quota>,
}

/// Limits the rates of one socket.
pub struct SocketRateLimiter<C: Clock = DefaultClock> {
    rates: SocketRates,
    events: Option<UnkeyedLimiter<C>>,
    bytes: Option<UnkeyedLimiter<C>>,
    streak: Option<RefusalStreak>,
}

type UnkeyedLimiter<C> =
    RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A series of refused packets without a longer gap than [`STREAK_GAP`].
#[derive(Clone, Copy)]
struct RefusalStreak {
    first: Instant,
    last: Instant,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    /// Process the packet.
    Allowed,
    /// Refuse the packet.
    Limited(RateLimited),
    /// Refuse the packet and disconnect the socket, which has exceeded its rates for too long.
    Disconnect(RateLimited),
}

impl SocketRateLimiter {
    /// Returns a limiter with these quotas.
    pub(super) fn new(rates: SocketRates) -> Self {
        Self::with_clock(rates, DefaultClock::default())
    }

    /// Applies quotas. If they differ from the present ones, counting starts again.
    pub(super) fn set_rates(&mut self, rates: SocketRates) {
        if self.rates != rates {
            *self = Self::new(rates);
        }
    }
}

impl<C: Clock + Clone> SocketRateLimiter<C> {
    fn with_clock(rates: SocketRates, clock: C) -> Self {
        let limiter = |quota| RateLimiter::direct_with_clock(quota, clock.clone());
        Self {
            rates,
            events: rates.events.map(limiter),
            bytes: rates.bytes.map(limiter),
            streak: None,
        }
    }

    /// Counts a packet of `bytes` bytes that arrives at `now`.
    pub(super) fn check(&mut self, bytes: usize, now: Instant) -> RateDecision {
        let Some(refusal) = self.exceeded_rate(bytes) else {
            return RateDecision::Allowed;
        };
        let continued = self.streak.filter(|streak| now - streak.last < STREAK_GAP);
        let first = continued.map_or(now, |streak| streak.first);
        self.streak = Some(RefusalStreak { first, last: now });
        if now - first < DISCONNECT_AFTER {
            RateDecision::Limited(refusal)
        } else {
            RateDecision::Disconnect(refusal)
        }
    }

    /// Counts a packet and returns the rate that it exceeds.
    fn exceeded_rate(&self, bytes: usize) -> Option<RateLimited> {
        if let Some(events) = &self.events
            && events.check().is_err()
        {
            return Some(RateLimited::Events);
        }
        let (limiter, quota) = (self.bytes.as_ref()?, self.rates.bytes?);
        let size = NonZeroU32::new(u32::try_from(bytes).unwrap_or(u32::MAX))?;
        // A packet that is larger than a burst counts as a burst; otherwise it could never be sent.
        let fits = limiter.check_n(size.min(quota.burst_size()));
        match fits {
            Ok(Ok(())) => None,
            Ok(Err(_)) | Err(_) => Some(RateLimited::Bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;

    use super::*;

    const SLICE: Duration = Duration::from_millis(100);

    /// A socket with a limit of ten events and 1,000 bytes per second, and its clock.
    struct SimulatedSocket {
        rate_limiter: SocketRateLimiter<FakeRelativeClock>,
        clock: FakeRelativeClock,
        now: Instant,
    }

    impl SimulatedSocket {
        fn new() -> Self {
            let clock = FakeRelativeClock::default();
            let per_second = |rate| Some(Quota::per_second(NonZeroU32::new(rate).unwrap()));
            let rates = SocketRates {
                events: per_second(10),
                bytes: per_second(1000),
            };
            Self {
                rate_limiter: SocketRateLimiter::with_clock(rates, clock.clone()),
                clock,
                now: Instant::now(),
            }
        }

        /// Sends `per_slice` events of one byte in each tenth of a second of `duration`. Returns the decision for the last.
        fn send(&mut self, per_slice: usize, duration: Duration) -> RateDecision {
            self.send_sized(per_slice, 1, duration)
        }

        fn send_sized(
            &mut self,
            per_slice: usize,
            bytes: usize,
            duration: Duration,
        ) -> RateDecision {
            let mut last = RateDecision::Allowed;
            for _ in 0..(duration.as_millis() / SLICE.as_millis()) {
                for _ in 0..per_slice {
                    last = self.rate_limiter.check(bytes, self.now);
                }
                self.clock.advance(SLICE);
                self.now += SLICE;
            }
            last
        }
    }

    #[test]
    fn socket_within_its_rate_is_never_limited() {
        let mut socket = SimulatedSocket::new();
        assert_eq!(
            socket.send(1, Duration::from_secs(60)),
            RateDecision::Allowed
        );
    }

    #[test]
    fn socket_over_its_rate_is_limited_and_disconnected_after_ten_seconds() {
        let mut socket = SimulatedSocket::new();
        assert_eq!(
            socket.send(3, Duration::from_secs(9)),
            RateDecision::Limited(RateLimited::Events)
        );
        assert_eq!(
            socket.send(3, Duration::from_secs(3)),
            RateDecision::Disconnect(RateLimited::Events)
        );
    }

    #[test]
    fn pause_of_the_socket_ends_its_streak() {
        let mut socket = SimulatedSocket::new();
        for _ in 0..5 {
            assert_eq!(
                socket.send(3, Duration::from_secs(9)),
                RateDecision::Limited(RateLimited::Events)
            );
            socket.send(0, Duration::from_secs(2));
        }
    }

    #[test]
    fn large_packets_at_a_legal_rate_are_limited_by_their_bytes() {
        let mut socket = SimulatedSocket::new();
        let allowed = socket.send_sized(1, 100, Duration::from_secs(60));
        assert_eq!(allowed, RateDecision::Allowed);
        let limited = socket.send_sized(1, 200, Duration::from_secs(9));
        assert_eq!(limited, RateDecision::Limited(RateLimited::Bytes));
        let disconnected = socket.send_sized(1, 200, Duration::from_secs(4));
        assert_eq!(disconnected, RateDecision::Disconnect(RateLimited::Bytes));
    }

    #[test]
    fn packet_larger_than_a_burst_is_allowed_after_a_pause() {
        let mut socket = SimulatedSocket::new();
        let second = Duration::from_secs(1);
        for _ in 0..3 {
            assert_eq!(
                socket.rate_limiter.check(900_000, socket.now),
                RateDecision::Allowed
            );
            let refused = socket.rate_limiter.check(1, socket.now);
            assert_eq!(refused, RateDecision::Limited(RateLimited::Bytes));
            socket.clock.advance(second);
            socket.now += second;
        }
    }
}
