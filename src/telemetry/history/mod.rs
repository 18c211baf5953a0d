//! The history of the service: its metrics of the last 15 minutes, for a page that needs no other program.
//!
//! A task reads the registry every [`SAMPLE_INTERVAL`] and keeps the difference to the reading before as a [`HistorySample`].
//! The paths that count pay nothing for it. A thread that stalls leaves a gap.

mod sample;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use sample::{HistorySample, MetricsReading, Quantiles};

/// The time between two samples.
pub const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// The number of samples that are kept: 15 minutes.
pub const MAX_SAMPLES: usize = 180;

/// The latest samples. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MetricsHistory(Arc<Mutex<HistoryState>>);

#[derive(Debug, Default)]
struct HistoryState {
    last: Option<MetricsReading>,
    samples: VecDeque<HistorySample>,
}

impl MetricsHistory {
    /// Adds the sample of the time since the reading before. The first reading only begins it.
    pub fn record(&self, reading: MetricsReading) {
        let mut state = self.state();
        if let Some(last) = &state.last {
            let sample = HistorySample::between(last, &reading);
            if state.samples.len() == MAX_SAMPLES {
                state.samples.pop_front();
            }
            state.samples.push_back(sample);
        }
        state.last = Some(reading);
    }

    /// Returns the samples after a time, the oldest first; all without a time.
    pub fn samples(&self, after: Option<&str>) -> Vec<HistorySample> {
        // Times of one format and zone sort as texts.
        let is_later = |sample: &&HistorySample| after.is_none_or(|after| *sample.time > *after);
        self.state()
            .samples
            .iter()
            .filter(is_later)
            .cloned()
            .collect()
    }

    fn state(&self) -> MutexGuard<'_, HistoryState> {
        // No code that holds the lock panics half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(number: usize) -> MetricsReading {
        MetricsReading {
            at: SAMPLE_INTERVAL * u32::try_from(number).unwrap(),
            time: format!("{number:04}"),
            ..MetricsReading::default()
        }
    }

    fn times(samples: &[HistorySample]) -> Vec<&str> {
        samples.iter().map(|sample| sample.time.as_str()).collect()
    }

    #[test]
    fn sample_needs_two_readings() {
        let history = MetricsHistory::default();
        history.record(reading(0));
        assert_eq!(history.samples(None), []);
        history.record(reading(1));
        let samples = history.samples(None);
        assert_eq!(times(&samples), ["0001"]);
        assert_eq!(samples[0].seconds, 5.0);
    }

    #[test]
    fn latest_samples_are_kept() {
        let history = MetricsHistory::default();
        (0..MAX_SAMPLES + 10).for_each(|number| history.record(reading(number)));
        let samples = history.samples(None);
        assert_eq!(samples.len(), MAX_SAMPLES);
        assert_eq!(samples[0].time, "0010");
        assert_eq!(samples[MAX_SAMPLES - 1].time, "0189");
    }

    #[test]
    fn samples_after_a_time_are_returned() {
        let history = MetricsHistory::default();
        (0..4).for_each(|number| history.record(reading(number)));
        assert_eq!(times(&history.samples(Some("0001"))), ["0002", "0003"]);
        assert_eq!(times(&history.samples(Some("0003"))), [""; 0]);
    }
}
