//! How much one user may change in a second, whichever door he comes through. One [`Limits`] is shared by all
//! worker threads and by both doors.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use thiserror::Error;

use crate::domain::UserId;

/// How often users whose burst is whole again are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// A user asks for more than he may; in a second at the latest he may again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("too many changes in a short time")]
pub struct RateLimited;

/// What one user may do. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Limits {
    /// `None` where there is no limit.
    mutations: Option<Arc<DefaultKeyedRateLimiter<UserId>>>,
}

impl Limits {
    /// So many mutations of one user in a second, with a burst of twice that; 0 for no limit.
    pub fn new(mutations_per_second: u32) -> Self {
        let quota = quota(mutations_per_second);
        Self {
            mutations: quota.map(|quota| Arc::new(RateLimiter::hashmap(quota))),
        }
    }

    /// Counts a mutation that this user asks for.
    ///
    /// # Errors
    /// `RateLimited` when he has asked for too many.
    pub fn mutation(&self, by: &UserId) -> Result<(), RateLimited> {
        match &self.mutations {
            Some(limiter) => limiter.check_key(by).map_err(|_| RateLimited),
            None => Ok(()),
        }
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
        let limits = Limits::new(0);
        assert!((0..10_000).all(|_| limits.mutation(&user("ana")).is_ok()));
    }
}
