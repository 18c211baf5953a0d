//! A snapshot of all metrics as numbers that can be compared with a later snapshot.

use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::bucket_counts::BucketCounts;

/// The values of all metrics at one moment. Names are without the prefix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsSnapshot(Vec<MetricSeries>);

/// The value of one metric for one combination of labels.
#[derive(Clone, Debug, PartialEq)]
struct MetricSeries {
    name: String,
    labels: Vec<(String, String)>,
    value: SeriesValue,
}

#[derive(Clone, Debug, PartialEq)]
enum SeriesValue {
    Number(f64),
    Histogram(BucketCounts),
}

/// Selects the series with these values of labels, whatever their other labels are.
pub type LabelFilter<'a> = &'a [(&'a str, &'a str)];

impl MetricsSnapshot {
    /// Reads the families of a registry whose names begin with `prefix`.
    pub(super) fn read(families: &[MetricFamily], prefix: &str) -> Self {
        let series = families.iter().flat_map(|family| {
            let served = family.name();
            let name = served.strip_prefix(prefix).unwrap_or(served).to_owned();
            let kind = family.get_field_type();
            family.get_metric().iter().map(move |metric| MetricSeries {
                name: name.clone(),
                labels: labels(metric),
                value: value(metric, kind),
            })
        });
        Self(series.collect())
    }

    /// Returns the sum of the selected counters or gauges; `None` if there is none.
    pub fn sum(&self, name: &str, labels: LabelFilter<'_>) -> Option<f64> {
        let numbers = self.select(name, labels).filter_map(MetricSeries::number);
        numbers.reduce(|sum, number| sum + number)
    }

    /// Returns each value of a label with its counter or gauge.
    pub fn by_label<'a>(
        &'a self,
        name: &'a str,
        label: &'a str,
    ) -> impl Iterator<Item = (&'a str, f64)> {
        self.select(name, &[])
            .filter_map(move |series| Some((series.label(label)?, series.number()?)))
    }

    /// Returns the sum of the selected histograms; an empty one if there is none.
    pub fn histogram(&self, name: &str, labels: LabelFilter<'_>) -> BucketCounts {
        let mut sum = BucketCounts::default();
        for series in self.select(name, labels) {
            if let SeriesValue::Histogram(counts) = &series.value {
                sum.add(counts);
            }
        }
        sum
    }

    fn select<'a>(
        &'a self,
        name: &'a str,
        labels: LabelFilter<'a>,
    ) -> impl Iterator<Item = &'a MetricSeries> {
        self.0.iter().filter(move |series| {
            let has = |(label, value): &(&str, &str)| series.label(label) == Some(*value);
            series.name == name && labels.iter().all(has)
        })
    }
}

impl MetricSeries {
    fn label(&self, name: &str) -> Option<&str> {
        let found = self.labels.iter().find(|(label, _)| label == name);
        found.map(|(_, value)| value.as_str())
    }

    fn number(&self) -> Option<f64> {
        match self.value {
            SeriesValue::Number(number) => Some(number),
            SeriesValue::Histogram(_) => None,
        }
    }
}

fn labels(metric: &Metric) -> Vec<(String, String)> {
    let pairs = metric.get_label().iter();
    pairs
        .map(|pair| (pair.name().to_owned(), pair.value().to_owned()))
        .collect()
}

fn value(metric: &Metric, kind: MetricType) -> SeriesValue {
    match kind {
        MetricType::COUNTER => SeriesValue::Number(metric.get_counter().get_value()),
        MetricType::HISTOGRAM => SeriesValue::Histogram(BucketCounts::read(metric.get_histogram())),
        // The service has no summaries.
        MetricType::GAUGE | MetricType::SUMMARY | MetricType::UNTYPED => {
            SeriesValue::Number(metric.get_gauge().get_value())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::telemetry::metrics::{MetricsRegistry, counters, gauges, histograms};

    #[test]
    fn series_are_selected_by_name_and_labels() {
        let metrics = MetricsRegistry::new();
        let closed = counters("closed_total", "Closed.", &["reason", "transport"]);
        let open = gauges("open", "Open.", &["transport"]);
        metrics.register(closed.clone());
        metrics.register(open.clone());
        closed.with_label_values(&["slow", "polling"]).inc_by(2);
        closed.with_label_values(&["slow", "websocket"]).inc_by(3);
        closed.with_label_values(&["timeout", "polling"]).inc_by(4);
        open.with_label_values(&["polling"]).set(7);
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.sum("closed_total", &[]), Some(9.0));
        assert_eq!(
            snapshot.sum("closed_total", &[("reason", "slow")]),
            Some(5.0)
        );
        assert_eq!(snapshot.sum("closed_total", &[("reason", "other")]), None);
        assert_eq!(snapshot.sum("closed", &[]), None);
        assert_eq!(
            snapshot.by_label("open", "transport").collect::<Vec<_>>(),
            [("polling", 7.0)]
        );
    }

    #[test]
    fn histograms_are_added_over_labels() {
        let metrics = MetricsRegistry::new();
        let seconds = histograms("seconds", "Time.", &["actor"], &[1.0, 2.0]);
        metrics.register(seconds.clone());
        seconds.with_label_values(&["vault"]).observe(0.5);
        seconds.with_label_values(&["relay"]).observe(1.5);
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.histogram("seconds", &[]).count(), 2);
        assert_eq!(
            snapshot.histogram("seconds", &[("actor", "vault")]).count(),
            1
        );
        assert_eq!(snapshot.histogram("minutes", &[]).count(), 0);
        assert_eq!(snapshot.sum("seconds", &[]), None);
    }
}
