//! The metrics registry, served as `vaultcast_…` in the text format of Prometheus.
//!
//! Each module defines its own metrics and registers them under unique names. There is no global registry:
//! [`MetricsRegistry`] is created with the service and passed down. Metrics that are not registered, as in tests, count
//! without being served. A number that the service keeps anyway is not stored twice: a
//! [callback](MetricsRegistry::register_callback) reads it at each scrape.

use std::time::{Duration, Instant};

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
    TextEncoder,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto::MetricFamily,
};

use super::snapshot::MetricsSnapshot;

/// Prefix of every metric name.
const PREFIX: &str = "vaultcast";

/// [`PREFIX`] as served names begin with it.
const SERVED_PREFIX: &str = "vaultcast_";

/// Bucket bounds of duration histograms, in seconds: from 10 µs, the cost of a message, to 10 s, the longest timeout.
pub const SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Bucket bounds of size histograms: messages in a queue, mutations in a batch.
pub const COUNTS: &[f64] = &[
    0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0,
];

/// The metrics of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MetricsRegistry(Registry);

impl MetricsRegistry {
    /// Creates a registry with the metrics of the process (memory, CPU, descriptors).
    pub fn new() -> Self {
        let registry = Registry::new_custom(Some(PREFIX.to_owned()), None);
        let metrics = Self(registry.expect("the prefix is a valid metric name"));
        metrics.register(ProcessCollector::for_self());
        metrics
    }

    /// Returns all metrics in the text format of Prometheus.
    pub fn text(&self) -> String {
        let families = self.0.gather();
        let text = TextEncoder::new().encode_to_string(&families);
        text.expect("registered families are named, and their texts are UTF-8")
    }

    /// Returns all metrics as numbers.
    pub fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot::read(&self.0.gather(), SERVED_PREFIX)
    }

    /// Registers a metric.
    ///
    /// # Panics
    /// When a metric of the same name is registered.
    pub fn register(&self, metric: impl Collector + 'static) {
        let registered = self.0.register(Box::new(metric));
        registered.expect("each module registers its metrics once, under unique names");
    }

    /// Registers a gauge that is computed at each scrape. `values` returns one value for each value of `label`; without a
    /// label, one value with an empty label value.
    ///
    /// # Panics
    /// When a metric of the same name is registered.
    pub fn register_callback<F>(
        &self,
        name: &str,
        help: &str,
        label: Option<&'static str>,
        values: F,
    ) where
        F: Fn() -> Vec<(String, f64)> + Send + Sync + 'static,
    {
        let labels = label.into_iter().map(str::to_owned).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), labels, Default::default());
        let gauge = CallbackGauge {
            desc: desc.expect("the name is a valid metric name"),
            label,
            values: Box::new(values),
        };
        let registered = self.0.register(Box::new(gauge));
        registered.expect("each module registers its metrics once, under unique names");
    }
}

impl Default for MetricsRegistry {
    fn default() -> Self {
        Self::new()
    }
}

/// A gauge that a callback computes at each scrape.
struct CallbackGauge {
    desc: Desc,
    label: Option<&'static str>,
    values: Box<dyn Fn() -> Vec<(String, f64)> + Send + Sync>,
}

impl Collector for CallbackGauge {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let opts = Opts::new(self.desc.fq_name.clone(), self.desc.help.clone());
        let labels: Vec<&str> = self.label.into_iter().collect();
        let gauges = prometheus::GaugeVec::new(opts, &labels)
            .expect("the description was accepted at registration");
        for (value, number) in (self.values)() {
            let values: Vec<&str> = self.label.iter().map(|_| value.as_str()).collect();
            gauges.with_label_values(&values).set(number);
        }
        gauges.collect()
    }
}

/// Creates a counter.
pub fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect("the name is a valid metric name")
}

/// Creates a family of counters, one for each value of the labels.
pub fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("the names are valid metric names")
}

/// Creates a family of gauges, one for each value of the labels.
pub fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect("the names are valid metric names")
}

/// Creates a histogram with these bucket bounds.
pub fn histogram(name: &str, help: &str, bounds: &[f64]) -> Histogram {
    let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    Histogram::with_opts(opts).expect("the name is valid and the bounds ascend")
}

/// Creates a family of histograms, one for each value of the labels.
pub fn histograms(name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> HistogramVec {
    let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    HistogramVec::new(opts, labels).expect("the names are valid and the bounds ascend")
}

/// Metric families of the mailboxes of all actors, labelled by kind of actor.
#[derive(Clone, Debug)]
pub struct MailboxFamilies {
    depth: HistogramVec,
    wait: HistogramVec,
    handling: HistogramVec,
}

impl MailboxFamilies {
    /// Creates and registers the families.
    pub fn register(metrics: &MetricsRegistry) -> Self {
        let mailboxes = Self::default();
        metrics.register(mailboxes.depth.clone());
        metrics.register(mailboxes.wait.clone());
        metrics.register(mailboxes.handling.clone());
        mailboxes
    }

    /// Returns the metrics of one kind of actor.
    pub fn for_actor(&self, actor: &str) -> MailboxMetrics {
        MailboxMetrics {
            depth: self.depth.with_label_values(&[actor]),
            wait: self.wait.with_label_values(&[actor]),
            handling: self.handling.with_label_values(&[actor]),
        }
    }
}

impl Default for MailboxFamilies {
    fn default() -> Self {
        let actor = &["actor"];
        Self {
            depth: histograms(
                "mailbox_depth_messages",
                "Messages that waited in an actor's mailbox when a message was sent to it, without that message.",
                actor,
                COUNTS,
            ),
            wait: histograms(
                "mailbox_wait_seconds",
                "Time that a message waited in an actor's mailbox.",
                actor,
                SECONDS,
            ),
            handling: histograms(
                "mailbox_handling_seconds",
                "Time that an actor spent handling a message.",
                actor,
                SECONDS,
            ),
        }
    }
}

/// Metrics of the mailboxes of one kind of actor.
#[derive(Clone, Debug)]
pub struct MailboxMetrics {
    depth: Histogram,
    wait: Histogram,
    handling: Histogram,
}

impl MailboxMetrics {
    /// Records that a message is sent to a mailbox in which `waiting` messages wait.
    pub fn message_sent(&self, waiting: usize) {
        self.depth.observe(waiting as f64);
    }

    /// Records that the actor takes a message that was sent at this time. Handling ends when the returned timer is dropped.
    pub fn message_taken(&self, sent: Instant) -> HandlingTimer {
        let now = Instant::now();
        self.wait.observe(now.duration_since(sent).as_secs_f64());
        HandlingTimer {
            started: now,
            seconds: self.handling.clone(),
        }
    }

    /// Records a message that waited in the mailbox and was handled.
    pub fn observe(&self, waited: Duration, handling: Duration) {
        self.wait.observe(waited.as_secs_f64());
        self.handling.observe(handling.as_secs_f64());
    }
}

impl Default for MailboxMetrics {
    fn default() -> Self {
        MailboxFamilies::default().for_actor("")
    }
}

/// Measures the handling of a message until it is dropped.
pub struct HandlingTimer {
    /// When handling began.
    pub started: Instant,
    seconds: Histogram,
}

impl Drop for HandlingTimer {
    fn drop(&mut self) {
        self.seconds.observe(self.started.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_metrics_are_served_with_the_prefix() {
        let metrics = MetricsRegistry::new();
        let joins = counters("joins_total", "Joins.", &["outcome"]);
        metrics.register(joins.clone());
        joins.with_label_values(&["joined"]).inc_by(3);
        let text = metrics.text();
        assert!(
            text.contains("# HELP vaultcast_joins_total Joins.\n"),
            "{text}"
        );
        assert!(
            text.contains("vaultcast_joins_total{outcome=\"joined\"} 3\n"),
            "{text}"
        );
    }

    #[test]
    fn callback_gauges_are_computed_at_each_scrape() {
        let metrics = MetricsRegistry::new();
        metrics.register_callback("vaults", "Vaults.", None, || vec![(String::new(), 7.0)]);
        metrics.register_callback("threads", "Threads.", Some("name"), || {
            vec![("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]
        });
        let text = metrics.text();
        for line in [
            "vaultcast_vaults 7",
            "vaultcast_threads{name=\"a\"} 1",
            "vaultcast_threads{name=\"b\"} 2",
        ] {
            assert!(
                text.lines().any(|served| served == line),
                "{line} in {text}"
            );
        }
    }

    #[test]
    fn process_metrics_are_served() {
        let text = MetricsRegistry::new().text();
        for name in [
            "resident_memory_bytes",
            "cpu_seconds_total",
            "open_fds",
            "max_fds",
        ] {
            assert!(
                text.contains(&format!("\nvaultcast_process_{name} ")),
                "{name} in {text}"
            );
        }
    }

    #[test]
    fn mailbox_records_depth_wait_and_handling() {
        let metrics = MetricsRegistry::new();
        let relay = MailboxFamilies::register(&metrics).for_actor("relay");
        relay.message_sent(5);
        drop(relay.message_taken(Instant::now()));
        let text = metrics.text();
        for name in ["depth_messages", "wait_seconds", "handling_seconds"] {
            let count = format!("vaultcast_mailbox_{name}_count{{actor=\"relay\"}} 1");
            assert!(
                text.lines().any(|served| served == count),
                "{count} in {text}"
            );
        }
    }
}
