//! The watchdog: which threads do not get on.
//!
//! Whatever the service does, it does on few threads, each of which does one thing after the other: one that is held up
//! holds up everybody on it, without an error and without a line. So a task on each of them [gives a sign](Watchdog::sign)
//! of life every [`EVERY`]; whoever asks for metrics, and the watchdog's own thread, see which of them are
//! overdue.

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

use crate::metrics::Metrics;

/// How often a thread gives a sign of life.
const EVERY: Duration = Duration::from_millis(250);

/// A thread is overdue when it has given none for so long; under load one may come a little late.
const OVERDUE: Duration = Duration::from_secs(1);

/// When one that is overdue is worth a line in the log.
const ALARMING: Duration = Duration::from_secs(5);

/// How often it is looked whether one is.
const LOOK: Duration = Duration::from_secs(1);

/// Watches the threads of one service. Cheap to clone; it ends with the last clone.
#[derive(Clone, Debug)]
pub struct Watchdog {
    watched: Watched,
    /// Its thread waits for nothing else.
    _awake: mpsc::SyncSender<()>,
}

#[derive(Clone, Debug, Default)]
struct Watched(Arc<Mutex<Vec<Arc<Pulse>>>>);

/// A thread's signs of life.
#[derive(Debug)]
struct Pulse {
    thread: String,
    /// From when on time is counted, in milliseconds.
    began: Instant,
    last: AtomicU64,
}

impl Watchdog {
    /// Begins to watch; what it sees is told as `thread_stalled_seconds`.
    pub fn start(metrics: &Metrics) -> Self {
        let watched = Watched::default();
        let seen = watched.clone();
        metrics.read(
            "thread_stalled_seconds",
            "For how long a thread has not got on with its work: 0 while it does, at least every second.",
            Some("thread"),
            move || {
                let now = Instant::now();
                let one = |pulse: &Arc<Pulse>| {
                    (pulse.thread.clone(), pulse.overdue(now).as_secs_f64())
                };
                seen.pulses().iter().map(one).collect()
            },
        );
        let (awake, asleep) = mpsc::sync_channel(0);
        let seen = watched.clone();
        let spawned = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || look_after(&seen, &asleep));
        if let Err(error) = spawned {
            warn!(%error, "nobody looks after the threads; their metrics are told all the same");
        }
        Self {
            watched,
            _awake: awake,
        }
    }

    /// Gives signs of life for as long as it is polled: to be spawned on the thread that is meant.
    pub fn sign(&self, thread: String) -> impl Future<Output = ()> + Send + use<> {
        let pulse = Arc::new(Pulse {
            thread,
            began: Instant::now(),
            last: AtomicU64::new(0),
        });
        let watched = self.watched.clone();
        watched.pulses().push(pulse.clone());
        let living = Living { pulse, watched };
        async move {
            loop {
                living.pulse.beat(Instant::now());
                tokio::time::sleep(EVERY).await;
            }
        }
    }
}

/// A thread is watched until this is dropped, with all that is spawned on it.
struct Living {
    pulse: Arc<Pulse>,
    watched: Watched,
}

impl Drop for Living {
    fn drop(&mut self) {
        let is_another = |pulse: &Arc<Pulse>| !Arc::ptr_eq(pulse, &self.pulse);
        self.watched.pulses().retain(is_another);
    }
}

impl Watched {
    fn pulses(&self) -> MutexGuard<'_, Vec<Arc<Pulse>>> {
        // Nothing in here can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pulse {
    fn beat(&self, now: Instant) {
        self.last.store(self.at(now), Relaxed);
    }

    /// For how long nothing was heard of it, where that is longer than it should be.
    fn overdue(&self, now: Instant) -> Duration {
        let silent = self.at(now).saturating_sub(self.last.load(Relaxed));
        let silent = Duration::from_millis(silent);
        if silent < OVERDUE {
            return Duration::ZERO;
        }
        silent
    }

    fn at(&self, time: Instant) -> u64 {
        let millis = time.saturating_duration_since(self.began).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX)
    }
}

/// Says when a thread is held up, once, and when it gets on again; until nobody is watched any longer.
fn look_after(watched: &Watched, asleep: &mpsc::Receiver<()>) {
    let mut stuck: Vec<Arc<Pulse>> = Vec::new();
    while let Err(RecvTimeoutError::Timeout) = asleep.recv_timeout(LOOK) {
        let now = Instant::now();
        let is_alarming = |pulse: &&Arc<Pulse>| pulse.overdue(now) >= ALARMING;
        let alarming: Vec<_> = watched
            .pulses()
            .iter()
            .filter(is_alarming)
            .cloned()
            .collect();
        let is_in = |some: &[Arc<Pulse>], one: &Arc<Pulse>| {
            some.iter().any(|other| Arc::ptr_eq(other, one))
        };
        for pulse in alarming.iter().filter(|pulse| !is_in(&stuck, pulse)) {
            let seconds = pulse.overdue(now).as_secs();
            warn!(thread = pulse.thread, seconds, "a thread does not get on");
        }
        for pulse in stuck.iter().filter(|pulse| !is_in(&alarming, pulse)) {
            info!(thread = pulse.thread, "a thread gets on again");
        }
        stuck = alarming;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalled(metrics: &Metrics) -> Option<f64> {
        let text = metrics.text();
        let mut lines = text.lines();
        lines.find_map(|line| {
            let value = line.strip_prefix("vaultcast_thread_stalled_seconds{thread=\"one\"} ")?;
            value.parse().ok()
        })
    }

    #[test]
    fn a_pulse_is_overdue_when_it_has_missed_several_beats() {
        let began = Instant::now();
        let pulse = Pulse {
            thread: "one".to_owned(),
            began,
            last: AtomicU64::new(0),
        };
        pulse.beat(began + Duration::from_secs(10));
        let overdue = |millis| pulse.overdue(began + Duration::from_millis(millis));
        assert_eq!(overdue(10_900), Duration::ZERO);
        assert_eq!(overdue(12_500), Duration::from_millis(2500));
        pulse.beat(began + Duration::from_secs(13));
        assert_eq!(overdue(13_100), Duration::ZERO);
    }

    #[test]
    fn a_thread_that_is_held_up_is_seen_until_it_gets_on_and_forgotten_with_its_end() {
        let metrics = Metrics::new();
        let watchdog = Watchdog::start(&metrics);
        let (hold, held) = mpsc::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let sign = watchdog.sign("one".to_owned());
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let watched = thread::spawn(move || {
            runtime.spawn(sign);
            runtime.spawn(async move { held.recv() });
            let _end = runtime.block_on(ended);
        });
        while stalled(&metrics).unwrap() < 1.0 {
            thread::sleep(Duration::from_millis(20));
        }
        drop(hold);
        while stalled(&metrics).unwrap() > 0.0 {
            thread::sleep(Duration::from_millis(20));
        }
        drop(end);
        watched.join().unwrap();
        assert_eq!(stalled(&metrics), None);
    }
}
