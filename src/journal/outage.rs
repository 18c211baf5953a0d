//! Whether the database can be used, as everybody finds out who uses it. When it cannot, hundreds find out at once and
//! again and again: that is told once by who noticed first, then once a minute, and once more when it is over. What it
//! meant for whom is told by their answers, and by the log at `debug`: so these lines name nobody's request.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use sea_orm::{DbErr, RuntimeErr, sqlx};
use tracing::{info, warn};

use super::error::Trouble;
use crate::seldom::Seldom;

/// One use of the database, and whether it is possible.
#[derive(Debug)]
pub(super) struct Outage {
    /// What the database can be when all is well: `written to`, `read`.
    what: &'static str,
    /// Looked at by everybody who has succeeded, so that they need no lock.
    is_on: AtomicBool,
    noted: Mutex<Option<Noted>>,
    outages: Seldom,
    contentions: Seldom,
}

#[derive(Debug)]
struct Noted {
    since: Instant,
    failed: u64,
    /// Whether whoever reads the log knows.
    is_said: bool,
}

impl Outage {
    /// All is well until somebody finds otherwise.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            is_on: AtomicBool::new(false),
            noted: Mutex::new(None),
            outages: Seldom::new(),
            contentions: Seldom::new(),
        }
    }

    /// Somebody has failed. A fault of the statement is for him to tell, and no outage.
    pub(super) fn note(&self, error: &DbErr) {
        match Trouble::of(error) {
            Trouble::Fault => {}
            Trouble::Outage if is_closed(error) => {} // by ourselves
            Trouble::Outage => self.begin(error),
            Trouble::Contention => {
                if let Some(unsaid) = self.contentions.now() {
                    warn!(parent: None, %error, unsaid, "a lock of the database was waited for in vain: somebody else holds it for long");
                }
            }
        }
    }

    fn begin(&self, error: &DbErr) {
        let what = self.what;
        let is_news = self.outages.now().is_some();
        // Nothing in here can panic half-way.
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = noted.get_or_insert_with(|| Noted {
            since: Instant::now(),
            failed: 0,
            is_said: false,
        });
        noted.failed += 1;
        let (failed, seconds) = (noted.failed, noted.since.elapsed().as_secs());
        if is_news && !noted.is_said {
            warn!(parent: None, %error, "the database cannot be {what}: what needs that is refused until it can");
        } else if is_news {
            warn!(parent: None, %error, failed, seconds, "the database still cannot be {what}");
        }
        noted.is_said |= is_news;
        self.is_on.store(true, Ordering::Release);
    }

    /// Somebody has succeeded.
    pub(super) fn over(&self) {
        if !self.is_on.load(Ordering::Acquire) {
            return;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_on.store(false, Ordering::Release);
        if let Some(noted) = noted.take()
            && noted.is_said
        {
            let (what, failed, seconds) =
                (self.what, noted.failed, noted.since.elapsed().as_secs());
            info!(parent: None, failed, seconds, "the database can be {what} again");
        }
    }
}

/// Whether the pool was closed, which happens when the service stops.
fn is_closed(error: &DbErr) -> bool {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => matches!(**error, sqlx::Error::PoolClosed),
        _ => false,
    }
}
