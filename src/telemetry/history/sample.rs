//! One sample of the history: what changed between two readings of the metrics.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::telemetry::{
    bucket_counts::BucketCounts,
    snapshot::{LabelFilter, MetricsSnapshot},
};

/// The kinds of actors whose mailboxes are measured.
const ACTORS: [&str; 4] = ["vault", "relay", "session", "committer"];

/// All metrics at one moment.
#[derive(Clone, Debug, Default)]
pub struct MetricsReading {
    /// When, on a clock without jumps.
    pub at: Duration,
    /// When, for people, as ISO 8601.
    pub time: String,
    /// The CPU time that the process has used.
    pub cpu: Duration,
    pub metrics: MetricsSnapshot,
}

/// The time between two readings, and what happened in it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HistorySample {
    /// The end of the time.
    pub time: String,
    /// Its length.
    pub seconds: f64,
    /// Open sockets by transport, at the end.
    pub sockets: BTreeMap<String, f64>,
    pub subscribers: f64,
    pub deliveries_per_second: f64,
    /// Committed mutations.
    pub mutations_per_second: f64,
    /// Time that a message waited, by kind of actor; absent where none was handled.
    pub mailbox_wait: BTreeMap<&'static str, Quantiles>,
    /// Time of a transaction; absent where none was committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<Quantiles>,
    /// Sockets closed, by reason; reasons without one are absent.
    pub closes_per_second: BTreeMap<String, f64>,
    /// Refused requests and events of clients.
    pub refusals_per_second: f64,
    pub memory_bytes: f64,
    /// Used CPU time by time: 2 means two cores.
    pub cpu_cores: f64,
}

/// Two quantiles of a time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p99: f64,
}

impl HistorySample {
    /// Returns the sample of the time between two readings.
    pub fn between(earlier: &MetricsReading, later: &MetricsReading) -> Self {
        let seconds = later.at.saturating_sub(earlier.at).as_secs_f64();
        let interval = Interval {
            earlier: &earlier.metrics,
            later: &later.metrics,
            seconds,
        };
        let gauge = |name| later.metrics.sum(name, &[]).unwrap_or_default();
        let committed = &[("outcome", "committed")];
        let mailbox_wait = ACTORS.into_iter().filter_map(|actor| {
            let waits = interval.quantiles("mailbox_wait_seconds", &[("actor", actor)])?;
            Some((actor, waits))
        });
        Self {
            time: later.time.clone(),
            seconds,
            sockets: owned(later.metrics.by_label("sockets", "transport")),
            subscribers: gauge("subscribers"),
            deliveries_per_second: interval.rate("deliveries_total", &[]),
            mutations_per_second: interval.rate("mutations_total", committed),
            mailbox_wait: mailbox_wait.collect(),
            commit: interval.quantiles("commit_seconds", &[]),
            closes_per_second: interval.rates_by_label("sockets_closed_total", "reason"),
            refusals_per_second: interval.rate("http_refusals_total", &[])
                + interval.rate("event_refusals_total", &[]),
            memory_bytes: gauge("process_resident_memory_bytes"),
            cpu_cores: per_second(later.cpu.saturating_sub(earlier.cpu).as_secs_f64(), seconds),
        }
    }
}

/// Two readings and the time between them.
struct Interval<'a> {
    earlier: &'a MetricsSnapshot,
    later: &'a MetricsSnapshot,
    seconds: f64,
}

impl Interval<'_> {
    fn rate(&self, name: &str, labels: LabelFilter<'_>) -> f64 {
        let now = self.later.sum(name, labels).unwrap_or_default();
        let before = self.earlier.sum(name, labels).unwrap_or_default();
        per_second(increase(before, now), self.seconds)
    }

    fn rates_by_label(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let rate = |(value, _): (&str, f64)| {
            let rate = self.rate(name, &[(label, value)]);
            (rate > 0.0).then(|| (value.to_owned(), rate))
        };
        self.later.by_label(name, label).filter_map(rate).collect()
    }

    fn quantiles(&self, name: &str, labels: LabelFilter<'_>) -> Option<Quantiles> {
        let earlier = self.earlier.histogram(name, labels);
        let new: BucketCounts = self.later.histogram(name, labels).since(&earlier);
        Some(Quantiles {
            p50: new.quantile(0.5)?,
            p99: new.quantile(0.99)?,
        })
    }
}

/// Returns how much a counter rose. A lower value means that it began anew at 0.
fn increase(before: f64, now: f64) -> f64 {
    if now < before { now } else { now - before }
}

fn per_second(amount: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { amount / seconds } else { 0.0 }
}

fn owned<'a>(values: impl Iterator<Item = (&'a str, f64)>) -> BTreeMap<String, f64> {
    values
        .map(|(label, value)| (label.to_owned(), value))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::{
        MailboxFamilies, MetricsRegistry, SECONDS, counter, counters, gauges, histogram,
    };

    fn reading(at: u64, metrics: &MetricsRegistry) -> MetricsReading {
        MetricsReading {
            at: Duration::from_secs(at),
            time: format!("at {at}"),
            cpu: Duration::from_millis(500 * at),
            metrics: metrics.snapshot(),
        }
    }

    #[test]
    fn rates_are_increases_by_time() {
        let metrics = MetricsRegistry::new();
        let deliveries = counter("deliveries_total", "Deliveries.");
        let mutations = counters("mutations_total", "Mutations.", &["kind", "outcome"]);
        let closed = counters("sockets_closed_total", "Closed.", &["reason"]);
        let refused = counters("http_refusals_total", "Refused.", &["code"]);
        let events = counters("event_refusals_total", "Refused.", &["code"]);
        metrics.register(deliveries.clone());
        for family in [&mutations, &closed, &refused, &events] {
            metrics.register(family.clone());
        }
        deliveries.inc_by(100);
        closed.with_label_values(&["ping timeout"]).inc();
        let earlier = reading(10, &metrics);
        deliveries.inc_by(50);
        mutations
            .with_label_values(&["source_created", "committed"])
            .inc_by(10);
        mutations
            .with_label_values(&["source_deleted", "committed"])
            .inc_by(5);
        mutations
            .with_label_values(&["source_created", "vault_busy"])
            .inc_by(7);
        closed.with_label_values(&["slow"]).inc_by(2);
        refused.with_label_values(&["rate_limited"]).inc_by(3);
        events.with_label_values(&["not_found"]).inc_by(2);
        let sample = HistorySample::between(&earlier, &reading(15, &metrics));
        assert_eq!(sample.seconds, 5.0);
        assert_eq!(sample.time, "at 15");
        assert_eq!(sample.deliveries_per_second, 10.0);
        assert_eq!(sample.mutations_per_second, 3.0);
        assert_eq!(
            sample.closes_per_second,
            BTreeMap::from([("slow".to_owned(), 0.4)])
        );
        assert_eq!(sample.refusals_per_second, 1.0);
        assert_eq!(sample.cpu_cores, 0.5);
        assert!(sample.memory_bytes > 0.0);
    }

    #[test]
    fn gauges_are_those_of_the_later_reading() {
        let metrics = MetricsRegistry::new();
        let sockets = gauges("sockets", "Sockets.", &["transport"]);
        metrics.register(sockets.clone());
        sockets.with_label_values(&["polling"]).set(3);
        let earlier = reading(0, &metrics);
        sockets.with_label_values(&["polling"]).set(1);
        sockets.with_label_values(&["websocket"]).set(2);
        let sample = HistorySample::between(&earlier, &reading(5, &metrics));
        let expected = [("polling", 1.0), ("websocket", 2.0)].into_iter();
        assert_eq!(sample.sockets, owned(expected));
    }

    #[test]
    fn quantiles_are_those_of_new_observations_and_absent_without_any() {
        let metrics = MetricsRegistry::new();
        let mailboxes = MailboxFamilies::register(&metrics);
        let (vault, relay) = (mailboxes.for_actor("vault"), mailboxes.for_actor("relay"));
        let commit = histogram("commit_seconds", "Commits.", SECONDS);
        metrics.register(commit.clone());
        let observe = |waited| vault.observe(Duration::from_millis(waited), Duration::ZERO);
        relay.observe(Duration::from_secs(1), Duration::ZERO);
        (0..1000).for_each(|_| observe(2000));
        let earlier = reading(0, &metrics);
        (0..100).for_each(|_| observe(20));
        let sample = HistorySample::between(&earlier, &reading(5, &metrics));
        let waits = sample.mailbox_wait["vault"];
        assert!((0.01..0.025).contains(&waits.p50), "{waits:?}");
        assert!((0.01..=0.025).contains(&waits.p99), "{waits:?}");
        assert!(!sample.mailbox_wait.contains_key("relay"));
        assert_eq!(sample.commit, None);
    }

    #[test]
    fn counter_that_began_anew_rose_by_its_value() {
        assert_eq!(increase(100.0, 7.0), 7.0);
        assert_eq!(increase(7.0, 100.0), 93.0);
        assert_eq!(increase(0.0, 0.0), 0.0);
    }

    #[test]
    fn readings_at_the_same_time_have_no_rates() {
        let metrics = MetricsRegistry::new();
        let reading = reading(3, &metrics);
        let sample = HistorySample::between(&reading, &reading);
        assert_eq!((sample.cpu_cores, sample.deliveries_per_second), (0.0, 0.0));
    }
}
