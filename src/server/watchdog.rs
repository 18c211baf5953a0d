//! The watchdog detects stalled threads.
//!
//! The service runs on few threads, and each of them handles one message after another. A blocked thread delays every
//! vault and socket on it without any error. So a task on each thread [records a heartbeat](Watchdog::heartbeat) every
//! [`HEARTBEAT_INTERVAL`]. A metric shows for how long a thread is overdue, and the watchdog's own thread logs it.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use crate::telemetry::metrics::MetricsRegistry;

/// Time between two heartbeats of a thread.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(250);

/// A thread is overdue after this time without a heartbeat; a shorter delay is normal under load.
const OVERDUE_AFTER: Duration = Duration::from_secs(1);

/// A thread that is overdue for this long is logged as stalled.
const STALLED_AFTER: Duration = Duration::from_secs(5);

/// Time between two checks of the watchdog thread.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Monitors the threads of one service. Cheap to clone; monitoring ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct Watchdog {
    threads: MonitoredThreads,
    /// The watchdog thread ends when this sender is dropped.
    _stop: mpsc::SyncSender<()>,
}

#[derive(Clone, Debug, Default)]
struct MonitoredThreads(Arc<Mutex<Vec<Arc<ThreadHeartbeat>>>>);

/// The last heartbeat of a thread.
#[derive(Debug)]
struct ThreadHeartbeat {
    thread: String,
    /// Origin of `last_ms`.
    began: Instant,
    last_ms: AtomicU64,
}

impl Watchdog {
    /// Starts monitoring. The metric `thread_stalled_seconds` shows overdue threads.
    pub fn start(metrics: &MetricsRegistry) -> Self {
        let threads = MonitoredThreads::default();
        let monitored = threads.clone();
        metrics.register_callback(
            "thread_stalled_seconds",
            "Time since a thread last made progress; 0 below one second.",
            Some("thread"),
            move || {
                let now = Instant::now();
                let overdue = |heartbeat: &Arc<ThreadHeartbeat>| {
                    (
                        heartbeat.thread.clone(),
                        heartbeat.overdue(now).as_secs_f64(),
                    )
                };
                monitored.heartbeats().iter().map(overdue).collect()
            },
        );
        let (stop, stopped) = mpsc::sync_channel(0);
        let monitored = threads.clone();
        let spawned = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || log_stalls(&monitored, &stopped));
        if let Err(error) = spawned {
            warn!(%error, "watchdog thread could not be started; stalled threads show in metrics only");
        }
        Self {
            threads,
            _stop: stop,
        }
    }

    /// Returns the task that records heartbeats. Spawn it on the thread to be monitored.
    pub fn heartbeat(&self, thread: String) -> impl Future<Output = ()> + Send + use<> {
        let heartbeat = Arc::new(ThreadHeartbeat {
            thread,
            began: Instant::now(),
            last_ms: AtomicU64::new(0),
        });
        let threads = self.threads.clone();
        threads.heartbeats().push(heartbeat.clone());
        let monitored = MonitoredThread { heartbeat, threads };
        async move {
            loop {
                monitored.heartbeat.beat(Instant::now());
                tokio::time::sleep(HEARTBEAT_INTERVAL).await;
            }
        }
    }
}

/// Ends the monitoring of a thread when dropped, which happens when the thread ends.
struct MonitoredThread {
    heartbeat: Arc<ThreadHeartbeat>,
    threads: MonitoredThreads,
}

impl Drop for MonitoredThread {
    fn drop(&mut self) {
        let is_another =
            |heartbeat: &Arc<ThreadHeartbeat>| !Arc::ptr_eq(heartbeat, &self.heartbeat);
        self.threads.heartbeats().retain(is_another);
    }
}

impl MonitoredThreads {
    fn heartbeats(&self) -> MutexGuard<'_, Vec<Arc<ThreadHeartbeat>>> {
        // No code that holds the lock panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ThreadHeartbeat {
    fn beat(&self, now: Instant) {
        self.last_ms.store(self.millis_at(now), Relaxed);
    }

    /// Returns the time since the last heartbeat; zero below [`OVERDUE_AFTER`].
    fn overdue(&self, now: Instant) -> Duration {
        let silent = self
            .millis_at(now)
            .saturating_sub(self.last_ms.load(Relaxed));
        let silent = Duration::from_millis(silent);
        if silent < OVERDUE_AFTER {
            return Duration::ZERO;
        }
        silent
    }

    fn millis_at(&self, time: Instant) -> u64 {
        let millis = time.saturating_duration_since(self.began).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }
}

/// Logs each thread once when it stalls and once when it resumes, until the last [`Watchdog`] is dropped.
fn log_stalls(threads: &MonitoredThreads, stopped: &mpsc::Receiver<()>) {
    let mut known: Vec<Arc<ThreadHeartbeat>> = Vec::new();
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(CHECK_INTERVAL) {
        let now = Instant::now();
        let is_stalled = |thread: &&Arc<ThreadHeartbeat>| thread.overdue(now) >= STALLED_AFTER;
        let stalled: Vec<_> = threads
            .heartbeats()
            .iter()
            .filter(is_stalled)
            .cloned()
            .collect();
        let contains = |list: &[Arc<ThreadHeartbeat>], thread: &Arc<ThreadHeartbeat>| {
            list.iter().any(|other| Arc::ptr_eq(other, thread))
        };
        for thread in stalled.iter().filter(|thread| !contains(&known, thread)) {
            let seconds = thread.overdue(now).as_secs();
            warn!(thread = thread.thread, seconds, "thread stalled");
        }
        for thread in known.iter().filter(|thread| !contains(&stalled, thread)) {
            info!(thread = thread.thread, "thread resumed");
        }
        known = stalled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalled(metrics: &MetricsRegistry) -> Option<f64> {
        let text = metrics.text();
        let mut lines = text.lines();
        lines.find_map(|line| {
            let value = line.strip_prefix("vaultcast_thread_stalled_seconds{thread=\"one\"} ")?;
            value.parse().ok()
        })
    }

    #[test]
    fn thread_is_overdue_after_several_missed_heartbeats() {
        let began = Instant::now();
        let heartbeat = ThreadHeartbeat {
            thread: "one".to_owned(),
            began,
            last_ms: AtomicU64::new(0),
        };
        heartbeat.beat(began + Duration::from_secs(10));
        let overdue = |millis| heartbeat.overdue(began + Duration::from_millis(millis));
        assert_eq!(overdue(10_900), Duration::ZERO);
        assert_eq!(overdue(12_500), Duration::from_millis(2500));
        heartbeat.beat(began + Duration::from_secs(13));
        assert_eq!(overdue(13_100), Duration::ZERO);
    }

    #[test]
    fn stalled_thread_is_reported_until_it_resumes_and_removed_when_it_ends() {
        let metrics = MetricsRegistry::new();
        let watchdog = Watchdog::start(&metrics);
        let (hold, held) = mpsc::channel::<()>();
        let _system = actix::System::new();
        let arbiter = actix::Arbiter::new();
        arbiter.spawn(watchdog.heartbeat("one".to_owned()));
        arbiter.spawn(async move {
            let _released = held.recv();
        });
        while stalled(&metrics).unwrap() < 1.0 {
            thread::sleep(Duration::from_millis(20));
        }
        drop(hold);
        while stalled(&metrics).unwrap() > 0.0 {
            thread::sleep(Duration::from_millis(20));
        }
        arbiter.stop();
        arbiter.join().unwrap();
        assert_eq!(stalled(&metrics), None);
    }
}
