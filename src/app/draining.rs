//! The orderly way back: clients are sent elsewhere, nothing new is taken, what was taken is written and told, and then
//! sockets are let go, no faster than `server.drain_rate`, so that they do not all come back elsewhere at the same moment.
//! All of it within `server.shutdown_grace`: where that is too short, sockets are let go faster.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::{config::Server, engineio::CloseReason};

use super::Service;

/// How long sockets have to take what still waits for them, and to hear that they are closed.
const LAST_WORD: Duration = Duration::from_secs(2);

/// What is to be left of the grace when the last socket has been let go, if the grace is long enough.
const MARGIN: Duration = Duration::from_secs(3);

/// How many sockets are let go at once: what they leave is written in one transaction.
const AT_ONCE: usize = 256;

/// How often some are let go.
const TICK: Duration = Duration::from_millis(50);

/// So much of what was held up is made up for; more would be many at once.
const MADE_UP: Duration = Duration::from_millis(250);

impl Service {
    /// Lets everybody go in order, within `server.shutdown_grace`: everybody is served as before until
    /// `server.drain_delay` is over; then nothing new is taken, what was taken is written and told, transports are closed
    /// so that clients come back at once elsewhere; the listeners go last.
    pub async fn stop(self) {
        let begun = Instant::now();
        self.readiness.withdraw();
        let Server {
            shutdown_grace: grace,
            drain_delay: delay,
            ..
        } = self.config.server;
        let in_order = async {
            if !delay.is_zero() {
                info!(?delay, "/readyz fails; serving as before for a while");
                tokio::time::sleep(delay).await;
            }
            self.readiness.drain();
            self.tunable.vaults.settle().await;
            self.let_everybody_go(begun + grace - MARGIN.min(grace / 4))
                .await;
            // Who polls is told by his next poll; who has vanished between two of them never asks.
            let last_word = tokio::time::timeout(LAST_WORD, self.sessions.drained());
            if last_word.await.is_err() {
                let sockets = self.sessions.open();
                info!(sockets, "some sockets did not fetch the last word");
            }
            for server in self.servers.iter().rev() {
                // Whoever has sent half a request, or does not read its answer, would be waited for until the grace is over.
                if tokio::time::timeout(LAST_WORD, server.stop(true))
                    .await
                    .is_err()
                {
                    drop(server.stop(false));
                }
            }
            let journal = self.tunable.vaults.journal().clone();
            if let Err(error) = journal.close().await {
                warn!(%error, "the database did not close in order");
            }
        };
        if tokio::time::timeout(grace, in_order).await.is_err() {
            let sockets = self.sessions.open();
            warn!(
                sockets,
                "server.shutdown_grace is over: ending with what is left"
            );
            for server in &self.servers {
                // Sent at once; whoever sends half a request is not waited for.
                drop(server.stop(false));
            }
        }
    }

    /// Lets all sockets go before a time: first who may come back as the one that he was, for what he leaves is to be in
    /// the database before, then all others.
    async fn let_everybody_go(&self, until: Instant) {
        // They may come back any moment, and have nothing to be closed.
        self.recovery.let_the_absent_go().await;
        let mut left = self.sessions.staying().len();
        let mut pace = Pace::new(self.config.server.drain_rate, until);
        if left > 0 {
            info!(sockets = left, "letting go of the sockets");
        }
        loop {
            let batch = pace.batch(left, Instant::now());
            let gone = self.recovery.let_some_go(batch.most).await;
            if gone == 0 {
                break;
            }
            left = left.saturating_sub(gone);
            batch.over(left).await;
        }
        // Who has gone by himself meanwhile may come back as well.
        self.recovery.let_the_absent_go().await;
        let mut others = self.sessions.staying();
        while !others.is_empty() {
            let batch = pace.batch(others.len(), Instant::now());
            for session in others.drain(..batch.most.min(others.len())) {
                session.close(CloseReason::Shutdown);
            }
            batch.over(others.len()).await;
        }
        // Handshakes that were under way when nothing new was taken any more.
        self.sessions.close_all(CloseReason::Shutdown);
    }
}

/// How fast sockets are let go.
struct Pace {
    /// In a second; 0 for all at once.
    rate: u32,
    /// When all have to be gone.
    until: Instant,
    /// It was said that the rate is too slow.
    hurries: bool,
    /// How many may go by now and have not, and since when more may.
    due: f64,
    since: Option<Instant>,
}

/// Some sockets that are let go together, and when the next ones are.
#[derive(Debug, PartialEq)]
struct Batch {
    most: usize,
    next: Instant,
}

impl Batch {
    /// Waits until the next ones are let go, if there are any.
    async fn over(&self, left: usize) {
        if left > 0 {
            tokio::time::sleep_until(self.next.into()).await;
        }
    }
}

impl Pace {
    fn new(rate: u32, until: Instant) -> Self {
        Self {
            rate,
            until,
            hurries: false,
            due: 0.0,
            since: None,
        }
    }

    /// What is let go now, of so many that are left: by the rate, or as much faster as it takes for all to be gone in
    /// time.
    fn batch(&mut self, left: usize, now: Instant) -> Batch {
        let remains = self.until.saturating_duration_since(now);
        if self.rate > 0 && f64::from(self.rate) * remains.as_secs_f64() < left as f64 {
            self.hurry(left, remains);
        }
        if self.rate == 0 || remains.is_zero() {
            let most = AT_ONCE;
            return Batch { most, next: now };
        }
        let rate = f64::from(self.rate).max(left as f64 / remains.as_secs_f64());
        let each_time = (rate * TICK.as_secs_f64()).clamp(1.0, AT_ONCE as f64);
        self.due = match self.since.replace(now) {
            Some(since) => self.due + rate * now.duration_since(since).as_secs_f64(),
            None => each_time,
        };
        self.due = self.due.min((rate * MADE_UP.as_secs_f64()).max(each_time));
        let most = (self.due.round() as usize).clamp(1, AT_ONCE);
        self.due -= most as f64;
        let pause = (each_time - self.due).max(0.0) / rate;
        let next = now + Duration::from_secs_f64(pause);
        Batch { most, next }
    }

    fn hurry(&mut self, sockets: usize, remains: Duration) {
        if !self.hurries {
            self.hurries = true;
            warn!(
                sockets,
                ?remains,
                "server.drain_rate is too slow for server.shutdown_grace: letting go faster"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const NO_TIME: Duration = Duration::ZERO;

    /// How many are let go in each second, of so many at this rate, where each batch takes as long as `takes` says.
    fn seconds(
        (sockets, rate): (usize, u32),
        within: Duration,
        takes: impl Fn(usize) -> Duration,
    ) -> Vec<usize> {
        let begun = Instant::now();
        let mut pace = Pace::new(rate, begun + within);
        let (mut left, mut now, mut gone) = (sockets, begun, Vec::new());
        for number in 0.. {
            let batch = pace.batch(left, now);
            assert!((1..=AT_ONCE).contains(&batch.most));
            let many = batch.most.min(left);
            left -= many;
            let second = (now - begun).as_secs() as usize;
            gone.resize(gone.len().max(second + 1), 0);
            gone[second] += many;
            if left == 0 {
                break;
            }
            now = batch.next.max(now + takes(number));
        }
        gone
    }

    #[test]
    fn so_many_go_in_a_second_as_the_rate_says() {
        let gone = seconds((3_500, 1_000), LONG, |_| NO_TIME);
        assert_eq!(gone.len(), 4, "{gone:?}");
        assert!(
            gone[..3].iter().all(|many| many.abs_diff(1_000) <= 50),
            "{gone:?}"
        );
        assert_eq!(seconds((5, 2), LONG, |_| NO_TIME), [2, 2, 1]);
        let fast = seconds((100_000, 50_000), LONG, |_| NO_TIME);
        assert!(fast[0].abs_diff(50_000) <= AT_ONCE, "{fast:?}");
    }

    #[test]
    fn without_a_rate_all_go_at_once() {
        assert_eq!(seconds((5_000, 0), LONG, |_| NO_TIME), [5_000]);
    }

    #[test]
    fn where_there_is_too_little_time_they_go_faster_and_evenly() {
        let gone = seconds((5_000, 100), Duration::from_secs(5), |_| NO_TIME);
        assert_eq!(gone.iter().sum::<usize>(), 5_000);
        assert_eq!(gone.len(), 5, "{gone:?}");
        assert!(
            gone.iter().all(|many| many.abs_diff(1_000) < 150),
            "{gone:?}"
        );
        // No time at all.
        assert_eq!(seconds((5_000, 100), NO_TIME, |_| NO_TIME), [5_000]);
    }

    #[test]
    fn where_each_takes_long_more_go_together_and_the_rate_is_kept() {
        let gone = seconds((1_000, 100), Duration::from_secs(20), |_| 4 * TICK);
        assert!((10..=11).contains(&gone.len()), "{gone:?}");
        assert!(gone.iter().all(|many| *many <= 120), "{gone:?}");
    }

    #[test]
    fn what_was_held_up_for_long_is_not_made_up_for_at_once() {
        let held_up = |number| if number == 5 { 40 * TICK } else { NO_TIME };
        let gone = seconds((5_000, 1_000), LONG, held_up);
        assert!(gone.len() >= 6, "{gone:?}");
        assert!(gone.iter().all(|many| *many <= 1_300), "{gone:?}");
    }
}
