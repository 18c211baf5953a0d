//! Graceful shutdown.
//!
//! New work is refused, accepted mutations are committed and delivered, then sockets are closed in batches, no faster than
//! `server.drain_rate`, so that their clients do not all reconnect elsewhere at the same moment. Everything ends within
//! `server.shutdown_grace`; if that is too short for the rate, sockets are closed faster.

use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::config::ServerConfig;
use actix_socketio::engineio::CloseReason;

use super::service::Service;

/// Time that closed sockets have to receive what still waits for them.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// Part of the grace period that is kept for the steps after the last socket, if the period is long enough.
const MARGIN: Duration = Duration::from_secs(3);

/// Sockets per batch: the recovery states of a batch are written in one transaction.
const BATCH: usize = 256;

/// Shortest time between two batches.
const TICK: Duration = Duration::from_millis(50);

/// Longest delay that later batches make up for; making up for more would close too many sockets at once.
const MAX_CATCH_UP: Duration = Duration::from_millis(250);

impl Service {
    /// Shuts down within `server.shutdown_grace`. The service works as before until `server.drain_delay` has passed. Then
    /// new work is refused, accepted mutations are committed and delivered, and transports are closed so that clients
    /// reconnect at once elsewhere. The listeners close last.
    pub async fn stop(self) {
        let begun = Instant::now();
        self.readiness.withdraw();
        let ServerConfig {
            shutdown_grace: grace,
            drain_delay: delay,
            ..
        } = self.config.server;
        let shutdown = async {
            if !delay.is_zero() {
                info!(
                    ?delay,
                    "/readyz fails; draining begins after server.drain_delay"
                );
                tokio::time::sleep(delay).await;
            }
            self.readiness.drain();
            self.reloadable.vaults.drain().await;
            self.close_sockets(begun + grace - MARGIN.min(grace / 4))
                .await;
            // A polling client receives the rest with its next poll; a client that has vanished never polls again.
            let flushed = tokio::time::timeout(FLUSH_TIMEOUT, self.sessions.drained());
            if flushed.await.is_err() {
                let sockets = self.sessions.open();
                info!(
                    sockets,
                    "some polling clients did not fetch their last events"
                );
            }
            for server in self.servers.iter().rev() {
                // A client that sends half a request, or does not read its answer, must not use up the grace period.
                if tokio::time::timeout(FLUSH_TIMEOUT, server.stop(true))
                    .await
                    .is_err()
                {
                    drop(server.stop(false));
                }
            }
            let journal = self.reloadable.vaults.journal().clone();
            if let Err(error) = journal.close().await {
                warn!(%error, "the database was not closed cleanly");
            }
        };
        if tokio::time::timeout(grace, shutdown).await.is_err() {
            let sockets = self.sessions.open();
            warn!(
                sockets,
                "server.shutdown_grace has passed: closing the remaining sockets"
            );
            for server in &self.servers {
                // The command is sent at once; its completion is not awaited.
                drop(server.stop(false));
            }
        }
    }

    /// Closes all sockets before `deadline`: first those with a recovery state, which must be stored before the transport is
    /// closed, then all others.
    async fn close_sockets(&self, deadline: Instant) {
        // Disconnected clients may reconnect at any moment; they have no transport to close.
        self.recovery.persist_disconnected().await;
        let mut remaining = self.sessions.active().len();
        let mut pace = DrainPace::new(self.config.server.drain_rate, deadline);
        if remaining > 0 {
            info!(sockets = remaining, "closing sockets");
        }
        loop {
            let batch = pace.next_batch(remaining, Instant::now());
            let closed = self.recovery.drain_sockets(batch.size).await;
            if closed == 0 {
                break;
            }
            remaining = remaining.saturating_sub(closed);
            batch.wait(remaining).await;
        }
        // Clients that disconnected meanwhile may reconnect as well.
        self.recovery.persist_disconnected().await;
        let mut others = self.sessions.active();
        while !others.is_empty() {
            let batch = pace.next_batch(others.len(), Instant::now());
            for session in others.drain(..batch.size.min(others.len())) {
                session.close(CloseReason::Shutdown);
            }
            batch.wait(others.len()).await;
        }
        // Handshakes that were in progress when draining began.
        self.sessions.close_all(CloseReason::Shutdown);
    }
}

/// Decides how many sockets are closed when.
struct DrainPace {
    /// Sockets per second; 0 closes all at once.
    rate: u32,
    /// All sockets must be closed by then.
    deadline: Instant,
    /// Whether it was logged that the rate is too slow.
    warned: bool,
    /// Sockets that the rate allows by now and that are not closed yet.
    allowance: f64,
    /// When `allowance` was last increased.
    updated: Option<Instant>,
}

/// Sockets that are closed together, and when the next batch may be closed.
#[derive(Debug, PartialEq)]
struct DrainBatch {
    size: usize,
    next: Instant,
}

impl DrainBatch {
    /// Waits until the next batch, if any sockets remain.
    async fn wait(&self, remaining: usize) {
        if remaining > 0 {
            tokio::time::sleep_until(self.next.into()).await;
        }
    }
}

impl DrainPace {
    fn new(rate: u32, deadline: Instant) -> Self {
        Self {
            rate,
            deadline,
            warned: false,
            allowance: 0.0,
            updated: None,
        }
    }

    /// Returns the batch to close now of `remaining` sockets: by the rate, or faster if the deadline requires it.
    fn next_batch(&mut self, remaining: usize, now: Instant) -> DrainBatch {
        let time_left = self.deadline.saturating_duration_since(now);
        if self.rate > 0 && f64::from(self.rate) * time_left.as_secs_f64() < remaining as f64 {
            self.warn_too_slow(remaining, time_left);
        }
        if self.rate == 0 || time_left.is_zero() {
            return DrainBatch {
                size: BATCH,
                next: now,
            };
        }
        let rate = f64::from(self.rate).max(remaining as f64 / time_left.as_secs_f64());
        let per_tick = (rate * TICK.as_secs_f64()).clamp(1.0, BATCH as f64);
        self.allowance = match self.updated.replace(now) {
            Some(updated) => self.allowance + rate * now.duration_since(updated).as_secs_f64(),
            None => per_tick,
        };
        self.allowance = self
            .allowance
            .min((rate * MAX_CATCH_UP.as_secs_f64()).max(per_tick));
        let size = (self.allowance.round() as usize).clamp(1, BATCH);
        self.allowance -= size as f64;
        let pause = (per_tick - self.allowance).max(0.0) / rate;
        let next = now + Duration::from_secs_f64(pause);
        DrainBatch { size, next }
    }

    fn warn_too_slow(&mut self, sockets: usize, time_left: Duration) {
        if !self.warned {
            self.warned = true;
            warn!(
                sockets,
                ?time_left,
                "server.drain_rate is too slow for server.shutdown_grace: closing sockets faster"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    const NONE: Duration = Duration::ZERO;

    /// A drain of `sockets` sockets at `rate`, within `grace`.
    struct Drain {
        sockets: usize,
        rate: u32,
        grace: Duration,
    }

    /// Returns the number of sockets closed in each second, where `batch_time` says how long each batch takes.
    fn closed_per_second(drain: Drain, batch_time: impl Fn(usize) -> Duration) -> Vec<usize> {
        let begun = Instant::now();
        let mut pace = DrainPace::new(drain.rate, begun + drain.grace);
        let (mut left, mut now, mut closed) = (drain.sockets, begun, Vec::new());
        for number in 0.. {
            let batch = pace.next_batch(left, now);
            assert!((1..=BATCH).contains(&batch.size));
            let count = batch.size.min(left);
            left -= count;
            let second = (now - begun).as_secs() as usize;
            closed.resize(closed.len().max(second + 1), 0);
            closed[second] += count;
            if left == 0 {
                break;
            }
            now = batch.next.max(now + batch_time(number));
        }
        closed
    }

    #[test]
    fn sockets_are_closed_at_the_configured_rate() {
        let closed = closed_per_second(
            Drain {
                sockets: 3_500,
                rate: 1_000,
                grace: LONG,
            },
            |_| NONE,
        );
        assert_eq!(closed.len(), 4, "{closed:?}");
        assert!(
            closed[..3].iter().all(|count| count.abs_diff(1_000) <= 50),
            "{closed:?}"
        );
        assert_eq!(
            closed_per_second(
                Drain {
                    sockets: 5,
                    rate: 2,
                    grace: LONG
                },
                |_| NONE
            ),
            [2, 2, 1]
        );
        let fast = closed_per_second(
            Drain {
                sockets: 100_000,
                rate: 50_000,
                grace: LONG,
            },
            |_| NONE,
        );
        assert!(fast[0].abs_diff(50_000) <= BATCH, "{fast:?}");
    }

    #[test]
    fn sockets_are_closed_at_once_without_a_rate() {
        assert_eq!(
            closed_per_second(
                Drain {
                    sockets: 5_000,
                    rate: 0,
                    grace: LONG
                },
                |_| NONE
            ),
            [5_000]
        );
    }

    #[test]
    fn short_grace_period_closes_sockets_faster_and_evenly() {
        let closed = closed_per_second(
            Drain {
                sockets: 5_000,
                rate: 100,
                grace: Duration::from_secs(5),
            },
            |_| NONE,
        );
        assert_eq!(closed.iter().sum::<usize>(), 5_000);
        assert_eq!(closed.len(), 5, "{closed:?}");
        assert!(
            closed.iter().all(|count| count.abs_diff(1_000) < 150),
            "{closed:?}"
        );
        // No grace period at all.
        assert_eq!(
            closed_per_second(
                Drain {
                    sockets: 5_000,
                    rate: 100,
                    grace: NONE
                },
                |_| NONE
            ),
            [5_000]
        );
    }

    #[test]
    fn slow_batches_grow_so_that_the_rate_is_kept() {
        let closed = closed_per_second(
            Drain {
                sockets: 1_000,
                rate: 100,
                grace: Duration::from_secs(20),
            },
            |_| 4 * TICK,
        );
        assert!((10..=11).contains(&closed.len()), "{closed:?}");
        assert!(closed.iter().all(|count| *count <= 120), "{closed:?}");
    }

    #[test]
    fn long_delay_is_not_made_up_for_at_once() {
        let delayed = |number| if number == 5 { 40 * TICK } else { NONE };
        let closed = closed_per_second(
            Drain {
                sockets: 5_000,
                rate: 1_000,
                grace: LONG,
            },
            delayed,
        );
        assert!(closed.len() >= 6, "{closed:?}");
        assert!(closed.iter().all(|count| *count <= 1_300), "{closed:?}");
    }
}
