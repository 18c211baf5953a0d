//! The bounds in effect, as `GET /bounds` shows them: each with its value, its present level, and how often it was reached.
//!
//! The service defines them from its configuration, at the start and after each reload; levels and counts come from the
//! metrics when they are requested.

use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use crate::telemetry::snapshot::{LabelFilter, MetricsSnapshot};

/// The bounds in effect. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct EffectiveBounds(Arc<ArcSwap<Vec<BoundDefinition>>>);

/// A bound and where its metrics are.
#[derive(Clone, Debug)]
pub struct BoundDefinition {
    /// The key of the configuration; `None` if the bound is fixed or given by the system.
    pub key: Option<&'static str>,
    /// What is bounded.
    pub what: &'static str,
    pub value: BoundValue,
    pub unit: BoundUnit,
    /// The metric that shows how much of the bound is used.
    pub level: Option<BoundLevel>,
    /// The counter of the times that the bound was reached.
    pub hits: Option<MetricSelector>,
    /// What happens then.
    pub outcome: &'static str,
}

/// The value of a bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BoundValue {
    Limit(f64),
    /// 0 in the configuration.
    Unlimited,
    /// The value of a gauge.
    Gauge(MetricSelector),
}

/// The unit of a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundUnit {
    Mutations,
    Events,
    Bytes,
    Seconds,
    Connections,
    Sockets,
    Vaults,
    Claims,
    Descriptors,
    MutationsPerSecond,
    ReadsPerSecond,
    PacketsPerSecond,
    BytesPerSecond,
}

/// A gauge that shows how much of a bound is used.
#[derive(Clone, Copy, Debug)]
pub enum BoundLevel {
    /// The level now.
    Present(MetricSelector),
    /// The highest level since the start.
    HighWater(MetricSelector),
}

/// Selects the series of one metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricSelector {
    /// Without the prefix.
    pub name: &'static str,
    pub labels: LabelFilter<'static>,
}

/// A bound with the numbers of this moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BoundView {
    key: Option<&'static str>,
    what: &'static str,
    /// `None` if there is no limit.
    value: Option<f64>,
    unit: BoundUnit,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    high_water: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hits: Option<f64>,
    outcome: &'static str,
}

/// The response of `GET /bounds`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BoundList {
    bounds: Vec<BoundView>,
}

impl EffectiveBounds {
    /// Replaces the bounds.
    pub fn replace(&self, bounds: Vec<BoundDefinition>) {
        self.0.store(Arc::new(bounds));
    }

    /// Returns the bounds with the numbers of these metrics.
    pub(super) fn view(&self, metrics: &MetricsSnapshot) -> BoundList {
        let bounds = self.0.load();
        let bounds = bounds.iter().map(|bound| bound.view(metrics)).collect();
        BoundList { bounds }
    }
}

impl BoundDefinition {
    fn view(&self, metrics: &MetricsSnapshot) -> BoundView {
        let (level, high_water) = match self.level {
            Some(BoundLevel::Present(level)) => (level.value(metrics), None),
            Some(BoundLevel::HighWater(level)) => (None, level.value(metrics)),
            None => (None, None),
        };
        BoundView {
            key: self.key,
            what: self.what,
            value: match self.value {
                BoundValue::Limit(limit) => Some(limit),
                BoundValue::Unlimited => None,
                BoundValue::Gauge(gauge) => gauge.value(metrics),
            },
            unit: self.unit,
            level,
            high_water,
            // A counter with labels exists from its first count on.
            hits: self.hits.map(|hits| hits.value(metrics).unwrap_or(0.0)),
            outcome: self.outcome,
        }
    }
}

impl MetricSelector {
    fn value(self, metrics: &MetricsSnapshot) -> Option<f64> {
        metrics.sum(self.name, self.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics::{MetricsRegistry, counters, gauges};

    const fn metric(name: &'static str, labels: LabelFilter<'static>) -> MetricSelector {
        MetricSelector { name, labels }
    }

    fn bound(value: BoundValue, level: BoundLevel) -> BoundDefinition {
        BoundDefinition {
            key: Some("limits.sockets"),
            what: "open sockets",
            value,
            unit: BoundUnit::Sockets,
            level: Some(level),
            hits: Some(metric("limited_total", &[("limit", "sockets")])),
            outcome: "refused",
        }
    }

    #[test]
    fn numbers_come_from_the_metrics() {
        let metrics = MetricsRegistry::new();
        let limited = counters("limited_total", "Limited.", &["limit"]);
        let sockets = gauges("sockets", "Sockets.", &["transport"]);
        metrics.register(limited.clone());
        metrics.register(sockets.clone());
        let bounds = EffectiveBounds::default();
        let present = BoundLevel::Present(metric("sockets", &[]));
        bounds.replace(vec![bound(BoundValue::Limit(10.0), present)]);
        let view = bounds.view(&metrics.snapshot()).bounds;
        assert_eq!((view[0].level, view[0].hits), (None, Some(0.0)));

        sockets.with_label_values(&["polling"]).set(3);
        sockets.with_label_values(&["websocket"]).set(4);
        limited.with_label_values(&["sockets"]).inc_by(5);
        limited.with_label_values(&["other"]).inc_by(6);
        let view = bounds.view(&metrics.snapshot()).bounds;
        assert_eq!(view[0].value, Some(10.0));
        assert_eq!((view[0].level, view[0].high_water), (Some(7.0), None));
        assert_eq!(view[0].hits, Some(5.0));

        let mark = BoundLevel::HighWater(metric("sockets", &[("transport", "polling")]));
        let value = BoundValue::Gauge(metric("sockets", &[("transport", "websocket")]));
        bounds.replace(vec![bound(value, mark), bound(BoundValue::Unlimited, mark)]);
        let view = bounds.view(&metrics.snapshot()).bounds;
        assert_eq!((view[0].level, view[0].high_water), (None, Some(3.0)));
        assert_eq!((view[0].value, view[1].value), (Some(4.0), None));
    }
}
