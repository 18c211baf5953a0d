//! What is counted and measured, for those who operate the service.
//!
//! Every room has its own meters and registers them here, under names of its own; they are served as
//! `vaultcast_…` in Prometheus's text form. There is no global: [`Metrics`] is made with the service, each room's meters
//! are passed to it as any other value, and meters that nobody registered count all the same.
//!
//! A number that somebody keeps already is not kept twice: it is [read](Metrics::read) when it is asked for.

use std::time::Instant;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
    core::{Collector, Desc},
    process_collector::ProcessCollector,
    proto::MetricFamily,
};

/// What every name begins with.
const PREFIX: &str = "vaultcast";

/// Bounds of histograms of durations, in seconds: from what a message costs to what nobody waits for.
pub const SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025,
    0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Bounds of histograms of how many: messages in a queue, mutations in a batch.
pub const COUNTS: &[f64] = &[
    0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0,
];

/// The meters of one service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Registry);

impl Metrics {
    /// The figures of the process, and nothing else yet.
    pub fn new() -> Self {
        let registry = Registry::new_custom(Some(PREFIX.to_owned()), None);
        let metrics = Self(registry.expect("the prefix is a name"));
        metrics.add(ProcessCollector::for_self());
        metrics
    }

    /// Everything, as Prometheus reads it.
    pub fn text(&self) -> String {
        let families = self.0.gather();
        let text = TextEncoder::new().encode_to_string(&families);
        text.expect("families that were registered have names, and texts of ours are UTF-8")
    }

    /// Registers meters that count already.
    pub fn add(&self, meter: impl Collector + 'static) {
        let registered = self.0.register(Box::new(meter));
        registered.expect("each room registers its meters once, under names of its own");
    }

    /// Registers a gauge that is read whenever it is asked for: for each value of `label`, or one without.
    pub fn read<F>(&self, name: &str, help: &str, label: Option<&'static str>, values: F)
    where
        F: Fn() -> Vec<(String, f64)> + Send + Sync + 'static,
    {
        let labels = label.into_iter().map(str::to_owned).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), labels, Default::default());
        let reading = Reading {
            desc: desc.expect("the name is a name"),
            label,
            values: Box::new(values),
        };
        let registered = self.0.register(Box::new(reading));
        registered.expect("each room registers its meters once, under names of its own");
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A gauge whose values somebody else keeps.
struct Reading {
    desc: Desc,
    label: Option<&'static str>,
    values: Box<dyn Fn() -> Vec<(String, f64)> + Send + Sync>,
}

impl Collector for Reading {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let opts = Opts::new(self.desc.fq_name.clone(), self.desc.help.clone());
        let labels: Vec<&str> = self.label.into_iter().collect();
        let gauges = prometheus::GaugeVec::new(opts, &labels).expect("it was described before");
        for (value, number) in (self.values)() {
            let values: Vec<&str> = self.label.iter().map(|_| value.as_str()).collect();
            gauges.with_label_values(&values).set(number);
        }
        gauges.collect()
    }
}

/// A counter.
pub fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect("the name is a name")
}

/// Counters of one name, one for each value of the labels.
pub fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("the names are names")
}

/// A gauge.
pub fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect("the name is a name")
}

/// Gauges of one name, one for each value of the labels.
pub fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect("the names are names")
}

/// A histogram with these bounds.
pub fn histogram(name: &str, help: &str, bounds: &[f64]) -> Histogram {
    let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    Histogram::with_opts(opts).expect("the name is a name and the bounds rise")
}

/// Histograms of one name, one for each value of the labels.
pub fn histograms(name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> HistogramVec {
    let opts = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    HistogramVec::new(opts, labels).expect("the names are names and the bounds rise")
}

/// The mailboxes of all actors, by kind.
#[derive(Clone, Debug)]
pub struct Mailboxes {
    depth: HistogramVec,
    wait: HistogramVec,
    handling: HistogramVec,
}

impl Mailboxes {
    /// Registers them.
    pub fn register(metrics: &Metrics) -> Self {
        let mailboxes = Self::default();
        metrics.add(mailboxes.depth.clone());
        metrics.add(mailboxes.wait.clone());
        metrics.add(mailboxes.handling.clone());
        mailboxes
    }

    /// The mailboxes of one kind of actor.
    pub fn of(&self, actor: &str) -> Mailbox {
        Mailbox {
            depth: self.depth.with_label_values(&[actor]),
            wait: self.wait.with_label_values(&[actor]),
            handling: self.handling.with_label_values(&[actor]),
        }
    }
}

impl Default for Mailboxes {
    fn default() -> Self {
        let actor = &["actor"];
        Self {
            depth: histograms(
                "mailbox_depth_messages",
                "Messages that waited in an actor's mailbox when one was put into it, itself not counted.",
                actor,
                COUNTS,
            ),
            wait: histograms(
                "mailbox_wait_seconds",
                "How long a message waited in an actor's mailbox.",
                actor,
                SECONDS,
            ),
            handling: histograms(
                "mailbox_handling_seconds",
                "How long an actor was busy with a message.",
                actor,
                SECONDS,
            ),
        }
    }
}

/// The mailboxes of one kind of actor.
#[derive(Clone, Debug)]
pub struct Mailbox {
    depth: Histogram,
    wait: Histogram,
    handling: Histogram,
}

impl Mailbox {
    /// A message is put into a mailbox in which so many wait.
    pub fn sent(&self, waiting: usize) {
        self.depth.observe(waiting as f64);
    }

    /// A message that was sent at this time is taken out; it is handled until what is returned is dropped.
    pub fn taken(&self, sent: Instant) -> Handling {
        let now = Instant::now();
        self.wait.observe(now.duration_since(sent).as_secs_f64());
        Handling {
            since: now,
            seconds: self.handling.clone(),
        }
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Mailboxes::default().of("")
    }
}

/// A message is being handled.
pub struct Handling {
    /// Since when.
    pub since: Instant,
    seconds: Histogram,
}

impl Drop for Handling {
    fn drop(&mut self) {
        self.seconds.observe(self.since.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_under_the_name_of_the_service() {
        let metrics = Metrics::new();
        let joins = counters("joins_total", "Joins.", &["outcome"]);
        metrics.add(joins.clone());
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
    fn a_number_that_somebody_else_keeps_is_read_when_it_is_asked_for() {
        let metrics = Metrics::new();
        metrics.read("vaults", "Vaults.", None, || vec![(String::new(), 7.0)]);
        metrics.read("threads", "Threads.", Some("name"), || {
            vec![("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]
        });
        let text = metrics.text();
        for line in [
            "vaultcast_vaults 7",
            "vaultcast_threads{name=\"a\"} 1",
            "vaultcast_threads{name=\"b\"} 2",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in {text}");
        }
    }

    #[test]
    fn the_process_tells_of_itself() {
        let text = Metrics::new().text();
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
    fn a_mailbox_tells_how_deep_it_is_and_how_long_its_messages_wait() {
        let metrics = Metrics::new();
        let relay = Mailboxes::register(&metrics).of("relay");
        relay.sent(5);
        drop(relay.taken(Instant::now()));
        let text = metrics.text();
        for name in ["depth_messages", "wait_seconds", "handling_seconds"] {
            let count = format!("vaultcast_mailbox_{name}_count{{actor=\"relay\"}} 1");
            assert!(text.lines().any(|told| told == count), "{count} in {text}");
        }
    }
}
