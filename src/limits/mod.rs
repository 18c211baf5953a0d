//! How much one user, one socket and one address may do, whichever door they come through. One [`Limits`] is shared by
//! all worker threads and by both doors. A limit of 0 is none, everywhere.
//!
//! `haste.rs` is one socket's, `places.rs` counts what is open, `refusals.rs` who was refused.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

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
pub struct Limits {
    /// `None` where there is no limit.
    mutations: Option<Arc<DefaultKeyedRateLimiter<UserId>>>,
    events_of_socket: Option<Quota>,
    joins_of_socket: u32,
    of_users: Places<UserId>,
    of_addresses: Places<IpAddr>,
    of_all: Places<()>,
    refusals: Refusals,
}

impl Limits {
    /// The limits that are set, with nothing counted yet.
    pub fn new(limits: &config::Limits) -> Self {
        let mutations = quota(limits.mutations_per_second);
        Self {
            mutations: mutations.map(|quota| Arc::new(RateLimiter::hashmap(quota))),
            events_of_socket: quota(limits.socket_events_per_second),
            joins_of_socket: limits.joins_per_socket,
            of_users: Places::new(limits.sockets_per_user),
            of_addresses: Places::new(limits.sockets_per_address),
            of_all: Places::new(limits.sockets),
            refusals: Refusals::default(),
        }
    }

    /// Has it told how often each limit refused somebody.
    pub fn register(&self, metrics: &Metrics) {
        self.refusals.register(metrics);
    }

    /// Counts that somebody is refused, where that was not found out here.
    pub fn refuse<R: Refusal>(&self, refusal: R) -> R {
        self.refusals.count(refusal)
    }

    /// Counts a mutation that this user asks for.
    ///
    /// # Errors
    /// `RateLimited` when he has asked for too many.
    pub fn mutation(&self, by: &UserId) -> Result<(), RateLimited> {
        match &self.mutations {
            Some(limiter) => {
                let asked = limiter.check_key(by);
                asked.map_err(|_| self.refuse(RateLimited::Mutations))
            }
            None => Ok(()),
        }
    }

    /// What counts the events of one socket.
    pub fn haste(&self) -> Haste {
        Haste::new(self.events_of_socket)
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
        let limit = self.joins_of_socket as usize;
        limit == 0 || joined < limit
    }

    /// Counts a socket of this address, until both places are dropped.
    ///
    /// # Errors
    /// When there are too many, of this address or in all.
    pub fn socket(&self, address: Option<IpAddr>) -> Result<(Place, Option<Place>), LimitExceeded> {
        let of_all = self.of_all.take(());
        let of_all = of_all.ok_or_else(|| self.refuse(LimitExceeded::Sockets))?;
        let of_address = address.map(|address| {
            let place = self.of_addresses.take(address);
            place.ok_or_else(|| self.refuse(LimitExceeded::SocketsOfAddress))
        });
        Ok((of_all, of_address.transpose()?))
    }

    /// Counts a socket of this user, until the place is dropped.
    ///
    /// # Errors
    /// When he has too many.
    pub fn socket_of(&self, user: &UserId) -> Result<Place, LimitExceeded> {
        let place = self.of_users.take(user.clone());
        place.ok_or_else(|| self.refuse(LimitExceeded::SocketsOfUser))
    }

    /// Forgets, again and again, who has not asked for a while, so that memory holds only who is busy. Never ends
    /// where there is a limit.
    pub async fn forget_the_idle(self) {
        let Some(limiter) = self.mutations else {
            return;
        };
        loop {
            tokio::time::sleep(FORGET_EVERY).await;
            limiter.retain_recent();
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
