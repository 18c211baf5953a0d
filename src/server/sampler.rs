//! Samples the metrics for the history of the operators' page.

use std::time::{Duration, Instant};

use chrono::{SecondsFormat, Utc};
use rustix::time::{ClockId, clock_gettime};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::telemetry::{
    history::{MetricsHistory, MetricsReading, SAMPLE_INTERVAL},
    metrics::MetricsRegistry,
};

/// The task that samples. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct MetricsSampler(JoinHandle<()>);

impl MetricsSampler {
    /// Starts the task on the current thread.
    pub(super) fn start(metrics: MetricsRegistry, history: MetricsHistory) -> Self {
        Self(actix_web::rt::spawn(async move {
            let began = Instant::now();
            let mut ticks = interval(SAMPLE_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                history.record(read(&metrics, began));
            }
        }))
    }
}

impl Drop for MetricsSampler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn read(metrics: &MetricsRegistry, began: Instant) -> MetricsReading {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    MetricsReading {
        at: began.elapsed(),
        time: now(),
        cpu: Duration::try_from(cpu).unwrap_or_default(),
        metrics: metrics.snapshot(),
    }
}

/// Returns the present time as ISO 8601 with milliseconds.
pub(super) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}
