//! How much one user, one socket and one address may do, whichever door they come through. One [`Limits`] is shared by
//! all worker threads and by both doors, and can be [set anew](Limits::retune) at any time. A limit of 0 is none, everywhere.
//!
//! `haste.rs` is one socket's, `places.rs` counts what is open, `refusals.rs` who was refused.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use thiserror::Error;

use crate::{config, domain::UserId, metrics::Metrics};

mod haste;
mod places;
mod refusals;

pub use haste::{Haste, Hurry};
pub use places::Place;
pub use refusals::Refusal;

use places::Places;
use refusals::Refusals;

/// How often users whose burst is whole again are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Somebody asks for more than he may; in a second at the latest he may again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RateLimited {
    /// `limits.mutations_per_second`
    #[error("Too many changes, try again in a second")]
    Mutations,
    /// `limits.socket_events_per_second`
    #[error("Too many events, try again in a second")]
    Events,
}

/// Somebody has as much as he may have at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitExceeded {
    /// `limits.joins_per_socket`
    #[error("Too many vaults joined by one socket")]
    Joins,
    /// `limits.sockets_per_user`
    #[error("Too many sockets of one user")]
    SocketsOfUser,
    /// `limits.sockets_per_address`
    #[error("Too many sockets of one address")]
    SocketsOfAddress,
    /// `limits.sockets`
    #[error("Too many sockets")]
    Sockets,
}

/// What everybody may do. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Limits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    rules: ArcSwap<Rules>,
    of_users: Places<UserId>,
    of_addresses: Places<IpAddr>,
    of_all: Places<()>,
    refusals: Refusals,
}

/// What is in force.
#[derive(Debug)]
struct Rules {
    set: config::Limits,
    /// `None` where there is no limit.
    mutations: Option<Arc<DefaultKeyedRateLimiter<UserId>>>,
    events_of_socket: Option<Quota>,
}

impl Rules {
    fn new(set: &config::Limits) -> Self {
        let mutations = quota(set.mutations_per_second);
        Self {
            set: set.clone(),
            mutations: mutations.map(|quota| Arc::new(RateLimiter::hashmap(quota))),
            events_of_socket: quota(set.socket_events_per_second),
        }
    }
}

impl Limits {
    /// The limits that are set, with nothing counted yet.
    pub fn new(limits: &config::Limits) -> Self {
        Self(Arc::new(Shared {
            rules: ArcSwap::from_pointee(Rules::new(limits)),
            of_users: Places::default(),
            of_addresses: Places::default(),
            of_all: Places::default(),
            refusals: Refusals::default(),
        }))
    }

    /// Sets other limits, for everybody and at once. Nobody is sent away: whoever has more than he may have now gets
    /// no more. A rate that is another than before is counted anew.
    pub fn retune(&self, limits: &config::Limits) {
        let mut rules = Rules::new(limits);
        let before = self.0.rules.load();
        if before.set.mutations_per_second == limits.mutations_per_second {
            rules.mutations.clone_from(&before.mutations);
        }
        self.0.rules.store(Arc::new(rules));
    }

    /// Has it told how often each limit refused somebody.
    pub fn register(&self, metrics: &Metrics) {
        self.0.refusals.register(metrics);
    }

    /// Counts that somebody is refused, where that was not found out here.
    pub fn refuse<R: Refusal>(&self, refusal: R) -> R {
        self.0.refusals.count(refusal)
    }

    /// Counts a mutation that this user asks for.
    ///
    /// # Errors
    /// `RateLimited` when he has asked for too many.
    pub fn mutation(&self, by: &UserId) -> Result<(), RateLimited> {
        match &self.0.rules.load().mutations {
            Some(limiter) => {
                let asked = limiter.check_key(by);
                asked.map_err(|_| self.refuse(RateLimited::Mutations))
            }
            None => Ok(()),
        }
    }

    /// What counts the events of one socket.
    pub fn haste(&self) -> Haste {
        Haste::new(self.0.rules.load().events_of_socket)
    }

    /// Counts an event that a socket sends now.
    pub fn event(&self, haste: &mut Haste, now: Instant) -> Hurry {
        haste.keep_to(self.0.rules.load().events_of_socket);
        haste.event(now)
    }

    /// Whether a socket that has joined so many vaults may join another.
    ///
    /// # Errors
    /// When it may not.
    pub fn join(&self, joined: usize) -> Result<(), LimitExceeded> {
        if self.may_join(joined) {
            Ok(())
        } else {
            Err(self.refuse(LimitExceeded::Joins))
        }
    }

    /// Likewise, where nobody is refused yet.
    pub fn may_join(&self, joined: usize) -> bool {
        let limit = self.0.rules.load().set.joins_per_socket as usize;
        limit == 0 || joined < limit
    }

    /// Counts a socket of this address, until both places are dropped.
    ///
    /// # Errors
    /// When there are too many, of this address or in all.
    pub fn socket(&self, address: Option<IpAddr>) -> Result<(Place, Option<Place>), LimitExceeded> {
        let Shared {
            rules,
            of_all,
            of_addresses,
            ..
        } = &*self.0;
        let rules = rules.load();
        let of_all = of_all.take((), rules.set.sockets);
        let of_all = of_all.ok_or_else(|| self.refuse(LimitExceeded::Sockets))?;
        let of_address = address.map(|address| {
            let place = of_addresses.take(address, rules.set.sockets_per_address);
            place.ok_or_else(|| self.refuse(LimitExceeded::SocketsOfAddress))
        });
        Ok((of_all, of_address.transpose()?))
    }

    /// Counts a socket of this user, until the place is dropped.
    ///
    /// # Errors
    /// When he has too many.
    pub fn socket_of(&self, user: &UserId) -> Result<Place, LimitExceeded> {
        let limit = self.0.rules.load().set.sockets_per_user;
        let place = self.0.of_users.take(user.clone(), limit);
        place.ok_or_else(|| self.refuse(LimitExceeded::SocketsOfUser))
    }

    /// Forgets, again and again, who has not asked for a while, so that memory holds only who is busy. Never ends.
    pub async fn forget_the_idle(self) {
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            if let Some(limiter) = &self.0.rules.load().mutations {
                limiter.retain_recent();
            }
        }
    }
}

fn quota(per_second: u32) -> Option<Quota> {
    let rate = NonZeroU32::new(per_second)?;
    Some(Quota::per_second(rate).allow_burst(rate.saturating_add(per_second)))
}

#[cfg(test)]
mod tests {
    use governor::{
        clock::FakeRelativeClock, middleware::NoOpMiddleware, nanos::Nanos,
        state::keyed::DefaultKeyedStateStore,
    };

    use super::*;

    type States = DefaultKeyedStateStore<UserId>;

    fn user(id: &str) -> UserId {
        UserId::new(id).unwrap()
    }

    #[test]
    fn a_user_may_ask_in_a_burst_of_twice_the_rate_and_then_at_the_rate() {
        let clock = FakeRelativeClock::default();
        let quota = quota(10).unwrap();
        let limiter: RateLimiter<_, _, _, NoOpMiddleware<Nanos>> =
            RateLimiter::new(quota, States::default(), clock.clone());
        let asks = |id: &str, times: usize| {
            let taken = |_: &usize| limiter.check_key(&user(id)).is_ok();
            (0..times).filter(taken).count()
        };
        assert_eq!(asks("ana", 30), 20);
        assert_eq!(asks("ben", 1), 1, "another one's haste is not his");
        clock.advance(Duration::from_millis(500));
        assert_eq!(asks("ana", 30), 5);
        clock.advance(Duration::from_secs(60));
        assert_eq!(asks("ana", 30), 20);
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = Limits::new(&config::Limits {
            mutations_per_second: 0,
            joins_per_socket: 0,
            ..config::Limits::default()
        });
        assert!(limits.may_join(1_000_000));
        assert!((0..10_000).all(|_| limits.mutation(&user("ana")).is_ok()));
        assert_eq!(limits.join(1_000_000), Ok(()));
        let sockets: Vec<_> = (0..100).map(|_| limits.socket(None)).collect();
        assert!(sockets.iter().all(Result::is_ok));
    }

    #[test]
    fn other_limits_hold_at_once_for_whoever_is_there() {
        let set = config::Limits::default();
        let limits = Limits::new(&set);
        let (mut haste, now) = (limits.haste(), Instant::now());
        let mut taken = |times: usize| {
            let event = |_: &usize| limits.event(&mut haste, now) == Hurry::None;
            (0..times).filter(event).count()
        };
        let open: Vec<_> = (0..3).map(|_| limits.socket(None).unwrap()).collect();
        let ana: Vec<_> = (0..2).map(|_| limits.socket_of(&user("ana"))).collect();
        assert_eq!(taken(150), 150);

        limits.retune(&config::Limits {
            socket_events_per_second: 1,
            joins_per_socket: 5,
            sockets_per_user: 2,
            sockets: 3,
            ..set.clone()
        });
        assert_eq!(taken(10), 2);
        assert_eq!(limits.join(5), Err(LimitExceeded::Joins));
        assert_eq!(
            limits.socket_of(&user("ana")).unwrap_err(),
            LimitExceeded::SocketsOfUser
        );
        assert_eq!(limits.socket(None).unwrap_err(), LimitExceeded::Sockets);
        drop((open, ana));
        assert!(limits.socket(None).is_ok());
        assert!(limits.socket_of(&user("ana")).is_ok());

        limits.retune(&set);
        assert_eq!(taken(150), 150);
    }

    #[test]
    fn a_rate_of_mutations_is_counted_anew_only_when_it_is_another() {
        let set = |mutations_per_second, sockets| config::Limits {
            mutations_per_second,
            sockets,
            ..config::Limits::default()
        };
        let limits = Limits::new(&set(1, 0));
        let asks = |times: usize| {
            let taken = |_: &usize| limits.mutation(&user("ana")).is_ok();
            (0..times).filter(taken).count()
        };
        assert_eq!(asks(5), 2);
        limits.retune(&set(1, 7));
        assert_eq!(asks(5), 0);
        limits.retune(&set(2, 7));
        assert_eq!(asks(10), 4);
        limits.retune(&set(0, 7));
        assert_eq!(asks(10), 10);
    }

    #[test]
    fn a_socket_counts_for_its_address_and_for_all_until_it_is_gone() {
        let limits = Limits::new(&config::Limits {
            sockets_per_address: 1,
            sockets: 2,
            ..config::Limits::default()
        });
        let address = |last| Some(IpAddr::from([127, 0, 0, last]));
        let first = limits.socket(address(1)).unwrap();
        assert_eq!(
            limits.socket(address(1)).unwrap_err(),
            LimitExceeded::SocketsOfAddress
        );
        // Who was refused is not counted either.
        let _second = limits.socket(address(2)).unwrap();
        assert_eq!(
            limits.socket(address(3)).unwrap_err(),
            LimitExceeded::Sockets
        );
        drop(first);
        assert!(limits.socket(address(1)).is_ok());
    }

    #[test]
    fn who_was_refused_is_counted_by_the_limit_that_did() {
        let metrics = Metrics::new();
        let limits = Limits::new(&config::Limits {
            mutations_per_second: 1,
            joins_per_socket: 1,
            sockets_per_user: 1,
            sockets_per_address: 0,
            ..config::Limits::default()
        });
        limits.register(&metrics);
        let _place = limits.socket_of(&user("ana")).unwrap();
        for _ in 0..3 {
            assert!(limits.socket_of(&user("ana")).is_err());
        }
        let refused = (0..10).filter(|_| limits.mutation(&user("ana")).is_err());
        assert_eq!(refused.count(), 8);
        assert!(limits.join(1).is_err());
        let text = metrics.text();
        for told in [
            "sockets_per_user\"} 3",
            "mutations_per_second\"} 8",
            "joins_per_socket\"} 1",
            "sockets_per_address\"} 0",
        ] {
            assert!(
                text.contains(&format!("vaultcast_limited_total{{limit=\"{told}\n")),
                "{told} in {text}"
            );
        }
    }
}
