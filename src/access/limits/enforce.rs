//! Checks what users, sockets and addresses do against the limits in effect.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::{
    metrics::{LimitMetrics, LimitSubject},
    permits::{PermitCounter, SocketPermit},
    refusal::{LimitExceeded, LimitRefusal, RateLimited},
    socket_rate::{RateDecision, SocketRateLimiter, SocketRates},
};
use crate::{config::LimitsConfig, domain::UserId, telemetry::metrics::MetricsRegistry};

/// The interval at which users whose whole burst is available again are evicted.
const EVICTION_INTERVAL: Duration = Duration::from_secs(60);

/// The limits of a service and what counts against them. Cheap to clone; clones share the counts.
#[derive(Clone, Debug)]
pub struct Limits(Arc<LimitsState>);

#[derive(Debug)]
struct LimitsState {
    active: ArcSwap<ActiveLimits>,
    user_sockets: PermitCounter<UserId>,
    address_sockets: PermitCounter<IpAddr>,
    all_sockets: PermitCounter<()>,
    metrics: LimitMetrics,
}

/// The rate of each user; `None` without a limit.
type UserRate = Option<Arc<DefaultKeyedRateLimiter<UserId>>>;

/// The limits in effect.
#[derive(Debug)]
struct ActiveLimits {
    config: LimitsConfig,
    mutations: UserRate,
    reads: UserRate,
    socket_rates: SocketRates,
}

impl ActiveLimits {
    fn new(config: &LimitsConfig) -> Self {
        let user_rate = |per_second| {
            let limiter = |quota| Arc::new(RateLimiter::hashmap(quota));
            quota(per_second).map(limiter)
        };
        Self {
            config: config.clone(),
            mutations: user_rate(config.mutations_per_second),
            reads: user_rate(config.reads_per_second),
            socket_rates: SocketRates {
                events: quota(config.socket_events_per_second),
                bytes: quota(config.socket_bytes_per_second),
            },
        }
    }
}

/// The permits of one open socket.
#[derive(Debug)]
pub struct SocketPermits {
    /// Counts against `limits.sockets`.
    pub total: SocketPermit,
    /// Counts against `limits.sockets_per_address`; `None` if the address is unknown.
    pub address: Option<SocketPermit>,
}

impl Limits {
    /// Returns the configured limits with empty counts.
    pub fn new(config: &LimitsConfig) -> Self {
        Self(Arc::new(LimitsState {
            active: ArcSwap::from_pointee(ActiveLimits::new(config)),
            user_sockets: PermitCounter::default(),
            address_sockets: PermitCounter::default(),
            all_sockets: PermitCounter::default(),
            metrics: LimitMetrics::default(),
        }))
    }

    /// Returns the limits of the default configuration.
    #[cfg(test)]
    pub(crate) fn of_default_config() -> Self {
        Self::new(&LimitsConfig::default())
    }

    /// Replaces the limits. Open sockets and joins over a lower limit stay, but further ones are refused. The counts of
    /// users are kept unless their rate changes.
    pub fn reconfigure(&self, config: &LimitsConfig) {
        let mut active = ActiveLimits::new(config);
        let before = self.0.active.load();
        if before.config.mutations_per_second == config.mutations_per_second {
            active.mutations.clone_from(&before.mutations);
        }
        if before.config.reads_per_second == config.reads_per_second {
            active.reads.clone_from(&before.reads);
        }
        self.0.active.store(Arc::new(active));
    }

    /// Adds the metrics of the limits to the registry.
    pub fn register(&self, metrics: &MetricsRegistry) {
        self.0.metrics.register(metrics);
    }

    /// Counts a refusal of this user that the caller decided, and returns it.
    pub fn count_refusal<R: LimitRefusal>(&self, refusal: R, user: &UserId) -> R {
        self.refuse(refusal, LimitSubject::User(user))
    }

    fn refuse<R: LimitRefusal>(&self, refusal: R, subject: LimitSubject<'_>) -> R {
        self.0.metrics.count(refusal, subject)
    }

    /// Counts a mutation of this user.
    ///
    /// # Errors
    /// [`RateLimited`] if the user exceeds the mutation rate.
    pub fn check_mutation(&self, by: &UserId) -> Result<(), RateLimited> {
        let checked = self.try_mutation(by);
        checked.map_err(|refusal| self.count_refusal(refusal, by))
    }

    /// Counts a mutation of this user. A refusal is not counted in the metrics, because it may not be the answer.
    ///
    /// # Errors
    /// [`RateLimited`] if the user exceeds the mutation rate.
    pub fn try_mutation(&self, by: &UserId) -> Result<(), RateLimited> {
        check_rate(&self.0.active.load().mutations, by).map_err(|()| RateLimited::Mutations)
    }

    /// Counts a read of this user.
    ///
    /// # Errors
    /// [`RateLimited`] if the user exceeds the read rate.
    pub fn check_read(&self, by: &UserId) -> Result<(), RateLimited> {
        check_rate(&self.0.active.load().reads, by)
            .map_err(|()| self.count_refusal(RateLimited::Reads, by))
    }

    /// Returns a rate limiter for the packets of one socket.
    pub fn socket_rate_limiter(&self) -> SocketRateLimiter {
        SocketRateLimiter::new(self.0.active.load().socket_rates)
    }

    /// Counts a packet of a socket that arrives at `now` and has `bytes` bytes. A refused one is counted as a refusal.
    pub fn check_packet(
        &self,
        limiter: &mut SocketRateLimiter,
        bytes: usize,
        now: Instant,
    ) -> RateDecision {
        limiter.set_rates(self.0.active.load().socket_rates);
        let decision = limiter.check(bytes, now);
        match decision {
            RateDecision::Allowed => {}
            RateDecision::Limited(refusal) | RateDecision::Disconnect(refusal) => {
                self.refuse(refusal, LimitSubject::Socket);
            }
        }
        decision
    }

    /// Checks whether a socket that has joined `joined` vaults may join another one.
    ///
    /// # Errors
    /// [`LimitExceeded::JoinsPerSocket`], which is counted as a refusal.
    pub fn check_join(&self, joined: usize) -> Result<(), LimitExceeded> {
        if self.may_join(joined) {
            Ok(())
        } else {
            Err(self.refuse(LimitExceeded::JoinsPerSocket, LimitSubject::Socket))
        }
    }

    /// Returns whether a socket that has joined `joined` vaults may join another one. Counts no refusal.
    pub fn may_join(&self, joined: usize) -> bool {
        let limit = self.0.active.load().config.joins_per_socket as usize;
        limit == 0 || joined < limit
    }

    /// Counts a socket of this address until the permits are dropped.
    ///
    /// # Errors
    /// [`LimitExceeded`] if too many sockets are open, from this address or in total.
    pub fn acquire_socket(&self, address: Option<IpAddr>) -> Result<SocketPermits, LimitExceeded> {
        let active = self.0.active.load();
        let total = self.0.all_sockets.acquire((), active.config.sockets);
        let refuse = |exceeded| self.refuse(exceeded, LimitSubject::Client(address));
        let total = total.ok_or_else(|| refuse(LimitExceeded::Sockets))?;
        let address = address.map(|address| {
            let limit = active.config.sockets_per_address;
            let permit = self.0.address_sockets.acquire(address, limit);
            permit.ok_or_else(|| refuse(LimitExceeded::SocketsPerAddress))
        });
        Ok(SocketPermits {
            total,
            address: address.transpose()?,
        })
    }

    /// Counts a socket of this user until the permit is dropped.
    ///
    /// # Errors
    /// [`LimitExceeded::SocketsPerUser`] if too many sockets of the user are open.
    pub fn acquire_user_socket(&self, user: &UserId) -> Result<SocketPermit, LimitExceeded> {
        let limit = self.0.active.load().config.sockets_per_user;
        let permit = self.0.user_sockets.acquire(user.clone(), limit);
        permit.ok_or_else(|| self.count_refusal(LimitExceeded::SocketsPerUser, user))
    }

    /// Periodically evicts the rate states of idle users, so that only active users take memory. Never returns.
    pub async fn evict_idle_users(self) {
        loop {
            tokio::time::sleep(EVICTION_INTERVAL).await;
            let active = self.0.active.load();
            for rate in [&active.mutations, &active.reads].into_iter().flatten() {
                rate.retain_recent();
            }
        }
    }
}

/// Returns the quota of a rate, with bursts of twice the rate; `None` for the rate 0.
fn quota(per_second: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(per_second)?;
    Some(Quota::per_second(rate).allow_burst(rate.saturating_add(per_second)))
}

fn check_rate(rate: &UserRate, user: &UserId) -> Result<(), ()> {
    let checked = rate.as_ref().map_or(Ok(()), |rate| rate.check_key(user));
    checked.map_err(drop)
}

#[cfg(test)]
mod tests {
    use governor::{
        clock::FakeRelativeClock, middleware::NoOpMiddleware, nanos::Nanos,
        state::keyed::DefaultKeyedStateStore,
    };

    use super::*;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn user_may_send_a_burst_of_twice_the_rate_and_then_the_rate() {
        let clock = FakeRelativeClock::default();
        let quota = quota(10).unwrap();
        let states = DefaultKeyedStateStore::<UserId>::default();
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            RateLimiter::new(quota, states, clock.clone());
        let count_allowed = |id: &str, attempts: usize| {
            let is_allowed = |_: &usize| limiter.check_key(&user(id)).is_ok();
            (0..attempts).filter(is_allowed).count()
        };
        assert_eq!(count_allowed("ana", 30), 20);
        assert_eq!(count_allowed("ben", 1), 1, "each user has a separate rate");
        clock.advance(Duration::from_millis(500));
        assert_eq!(count_allowed("ana", 30), 5);
        clock.advance(Duration::from_secs(60));
        assert_eq!(count_allowed("ana", 30), 20);
    }

    #[test]
    fn zero_disables_a_limit() {
        let limits = Limits::new(&LimitsConfig {
            mutations_per_second: 0,
            reads_per_second: 0,
            joins_per_socket: 0,
            ..LimitsConfig::default()
        });
        assert!(limits.may_join(1_000_000));
        assert!((0..10_000).all(|_| limits.check_mutation(&user("ana")).is_ok()));
        assert!((0..10_000).all(|_| limits.check_read(&user("ana")).is_ok()));
        assert_eq!(limits.check_join(1_000_000), Ok(()));
        let sockets: Vec<_> = (0..100).map(|_| limits.acquire_socket(None)).collect();
        assert!(sockets.iter().all(Result::is_ok));
    }

    #[test]
    fn new_limits_apply_to_open_sockets_at_once() {
        let config = LimitsConfig::default();
        let limits = Limits::new(&config);
        let (mut rate_limiter, now) = (limits.socket_rate_limiter(), Instant::now());
        let mut count_allowed = |attempts: usize| {
            let mut check = || limits.check_packet(&mut rate_limiter, 100, now);
            let is_allowed = |_: &usize| check() == RateDecision::Allowed;
            (0..attempts).filter(is_allowed).count()
        };
        let sockets: Vec<_> = (0..3)
            .map(|_| limits.acquire_socket(None).unwrap())
            .collect();
        let sockets_of_ana: Vec<_> = (0..2)
            .map(|_| limits.acquire_user_socket(&user("ana")))
            .collect();
        assert_eq!(count_allowed(150), 150);

        limits.reconfigure(&LimitsConfig {
            socket_events_per_second: 1,
            joins_per_socket: 5,
            sockets_per_user: 2,
            sockets: 3,
            ..config.clone()
        });
        assert_eq!(count_allowed(10), 2);
        assert_eq!(limits.check_join(5), Err(LimitExceeded::JoinsPerSocket));
        assert_eq!(
            limits.acquire_user_socket(&user("ana")).unwrap_err(),
            LimitExceeded::SocketsPerUser
        );
        assert_eq!(
            limits.acquire_socket(None).unwrap_err(),
            LimitExceeded::Sockets
        );
        limits.reconfigure(&LimitsConfig {
            socket_bytes_per_second: 250,
            ..config.clone()
        });
        assert_eq!(count_allowed(10), 5);
        drop((sockets, sockets_of_ana));
        assert!(limits.acquire_socket(None).is_ok());
        assert!(limits.acquire_user_socket(&user("ana")).is_ok());

        limits.reconfigure(&config);
        assert_eq!(count_allowed(150), 150);
    }

    #[test]
    fn counts_of_users_restart_only_when_the_rate_changes() {
        let config = |per_second, sockets| LimitsConfig {
            mutations_per_second: per_second,
            reads_per_second: per_second,
            sockets,
            ..LimitsConfig::default()
        };
        for check in [Limits::check_mutation, Limits::check_read] {
            let limits = Limits::new(&config(1, 0));
            let count_allowed = |attempts: usize| {
                let is_allowed = |_: &usize| check(&limits, &user("ana")).is_ok();
                (0..attempts).filter(is_allowed).count()
            };
            assert_eq!(count_allowed(5), 2);
            limits.reconfigure(&config(1, 7));
            assert_eq!(count_allowed(5), 0);
            limits.reconfigure(&config(2, 7));
            assert_eq!(count_allowed(10), 4);
            limits.reconfigure(&config(0, 7));
            assert_eq!(count_allowed(10), 10);
        }
    }

    #[test]
    fn reads_and_mutations_are_counted_separately() {
        let limits = Limits::new(&LimitsConfig {
            mutations_per_second: 1,
            reads_per_second: 1,
            ..LimitsConfig::default()
        });
        while limits.check_read(&user("ana")).is_ok() {}
        assert!(limits.check_mutation(&user("ana")).is_ok());
        assert!(limits.check_read(&user("ben")).is_ok());
    }

    #[test]
    fn socket_counts_for_its_address_and_in_total_until_it_is_dropped() {
        let limits = Limits::new(&LimitsConfig {
            sockets_per_address: 1,
            sockets: 2,
            ..LimitsConfig::default()
        });
        let address = |last| Some(IpAddr::from([127, 0, 0, last]));
        let first = limits.acquire_socket(address(1)).unwrap();
        assert_eq!(
            limits.acquire_socket(address(1)).unwrap_err(),
            LimitExceeded::SocketsPerAddress
        );
        // The refused socket does not count in total either.
        let _second = limits.acquire_socket(address(2)).unwrap();
        assert_eq!(
            limits.acquire_socket(address(3)).unwrap_err(),
            LimitExceeded::Sockets
        );
        drop(first);
        assert!(limits.acquire_socket(address(1)).is_ok());
    }

    #[test]
    fn refusals_are_counted_by_limit() {
        let metrics = MetricsRegistry::new();
        let limits = Limits::new(&LimitsConfig {
            mutations_per_second: 1,
            reads_per_second: 2,
            joins_per_socket: 1,
            sockets_per_user: 1,
            sockets_per_address: 0,
            ..LimitsConfig::default()
        });
        limits.register(&metrics);
        let _permit = limits.acquire_user_socket(&user("ana")).unwrap();
        for _ in 0..3 {
            assert!(limits.acquire_user_socket(&user("ana")).is_err());
        }
        let refused = (0..10).filter(|_| limits.check_mutation(&user("ana")).is_err());
        assert_eq!(refused.count(), 8);
        // May be answered in another way, so it is not a refusal yet.
        assert!(limits.try_mutation(&user("ana")).is_err());
        let refused = (0..10).filter(|_| limits.check_read(&user("ana")).is_err());
        assert_eq!(refused.count(), 6);
        assert!(limits.check_join(1).is_err());
        let mut rate_limiter = limits.socket_rate_limiter();
        for _ in 0..4 {
            limits.check_packet(&mut rate_limiter, usize::MAX, Instant::now());
        }
        let text = metrics.text();
        for sample in [
            "sockets_per_user\"} 3",
            "mutations_per_second\"} 8",
            "reads_per_second\"} 6",
            "joins_per_socket\"} 1",
            "socket_bytes_per_second\"} 3",
            "sockets_per_address\"} 0",
        ] {
            assert!(
                text.contains(&format!("vaultcast_limited_total{{limit=\"{sample}\n")),
                "{sample} in {text}"
            );
        }
    }
}
