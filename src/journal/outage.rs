//! Logs outages of the database without repeating a line for each failed request.
//!
//! An outage makes hundreds of requests fail at once, again and again. The monitor logs the first failure, then at most
//! one line per minute, and one line when the outage is over. These lines carry no request span: callers receive their own
//! errors, and the log has their consequences at `debug`.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{DbErr, RuntimeErr, sqlx};
use tracing::{info, warn};

use super::error::FailureClass;
use crate::telemetry::throttle::LogThrottle;

/// Tracks whether one kind of database operation works.
#[derive(Debug)]
pub(super) struct OutageMonitor {
    /// The operations that are monitored, for the log: `writes` or `reads`.
    operations: &'static str,
    /// Read after each success, so that a success needs no lock.
    is_ongoing: AtomicBool,
    started: Instant,
    /// When an operation last succeeded, in milliseconds after `started`; 0 for never.
    last_success: AtomicU64,
    outage: Mutex<Option<OngoingOutage>>,
    outage_throttle: LogThrottle,
    contention_throttle: LogThrottle,
}

#[derive(Debug)]
struct OngoingOutage {
    since: Instant,
    failed: u64,
    is_logged: bool,
}

impl OutageMonitor {
    /// Creates a monitor without an outage.
    pub(super) fn new(operations: &'static str) -> Self {
        Self {
            operations,
            is_ongoing: AtomicBool::new(false),
            started: Instant::now(),
            last_success: AtomicU64::new(0),
            outage: Mutex::new(None),
            outage_throttle: LogThrottle::new(),
            contention_throttle: LogThrottle::new(),
        }
    }

    /// Records a failed operation. Faults of a single statement are ignored here; the caller logs them.
    pub(super) fn record_failure(&self, error: &DbErr) {
        match FailureClass::of(error) {
            FailureClass::Fault => {}
            // The service itself closes the pool when it stops.
            FailureClass::Outage if is_pool_closed(error) => {}
            FailureClass::Outage => self.record_outage(error),
            FailureClass::Contention => {
                if let Some(suppressed) = self.contention_throttle.allow() {
                    warn!(parent: None, %error, suppressed, "lock wait timed out: another client holds a lock for too long");
                }
            }
        }
    }

    fn record_outage(&self, error: &DbErr) {
        let operations = self.operations;
        let may_log = self.outage_throttle.allow().is_some();
        // No code below panics, so a poisoned lock still guards a consistent state.
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let outage = outage.get_or_insert_with(|| OngoingOutage {
            since: Instant::now(),
            failed: 0,
            is_logged: false,
        });
        outage.failed += 1;
        let (failed, seconds) = (outage.failed, outage.since.elapsed().as_secs());
        if may_log && !outage.is_logged {
            warn!(parent: None, %error, "database unavailable for {operations}; requests that need it are refused");
        } else if may_log {
            warn!(parent: None, %error, failed, seconds, "database still unavailable for {operations}");
        }
        outage.is_logged |= may_log;
        self.is_ongoing.store(true, Ordering::Release);
    }

    /// Returns whether an operation has succeeded within this time.
    pub(super) fn has_succeeded_within(&self, time: Duration) -> bool {
        let last = self.last_success.load(Ordering::Acquire);
        last > 0 && Duration::from_millis(self.now_millis().saturating_sub(last)) < time
    }

    fn now_millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Records a successful operation, which ends an outage.
    pub(super) fn record_success(&self) {
        self.last_success
            .store(self.now_millis().max(1), Ordering::Release);
        if !self.is_ongoing.load(Ordering::Acquire) {
            return;
        }
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_ongoing.store(false, Ordering::Release);
        if let Some(outage) = outage.take()
            && outage.is_logged
        {
            let operations = self.operations;
            let (failed, seconds) = (outage.failed, outage.since.elapsed().as_secs());
            info!(parent: None, failed, seconds, "database available again for {operations}");
        }
    }
}

/// Returns whether the pool was closed.
fn is_pool_closed(error: &DbErr) -> bool {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => matches!(**error, sqlx::Error::PoolClosed),
        _ => false,
    }
}
