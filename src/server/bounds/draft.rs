//! The parts of a bound's definition.

use std::time::Duration;

use crate::{
    api::{BoundDefinition, BoundLevel, BoundUnit, BoundValue, MetricSelector},
    telemetry::snapshot::LabelFilter,
};

/// A bound without metrics, to which [`level`](Draft::level) and [`hits`](Draft::hits) add them.
pub(super) struct Draft(BoundDefinition);

/// Begins a bound: what is bounded, its value, its unit and the outcome at the bound.
pub(super) fn bound(
    what: &'static str,
    value: BoundValue,
    unit: BoundUnit,
    outcome: &'static str,
) -> Draft {
    Draft(BoundDefinition {
        key: None,
        what,
        value,
        unit,
        level: None,
        hits: None,
        outcome,
    })
}

impl Draft {
    /// Adds the key of the configuration.
    pub(super) fn key(self, key: &'static str) -> Self {
        Self(BoundDefinition {
            key: Some(key),
            ..self.0
        })
    }

    /// Adds the metric of the present or highest level.
    pub(super) fn level(self, level: BoundLevel) -> Self {
        Self(BoundDefinition {
            level: Some(level),
            ..self.0
        })
    }

    /// Adds the metric that counts how often the bound was reached.
    pub(super) fn hits(self, hits: MetricSelector) -> Self {
        Self(BoundDefinition {
            hits: Some(hits),
            ..self.0
        })
    }
}

/// Selects a metric without labels.
pub(super) const fn metric(name: &'static str) -> MetricSelector {
    MetricSelector { name, labels: &[] }
}

/// Selects the series of a metric with these labels.
pub(super) const fn labelled(name: &'static str, labels: LabelFilter<'static>) -> MetricSelector {
    MetricSelector { name, labels }
}

/// Returns the value of a key whose 0 means that there is no limit.
pub(super) fn optional(limit: u32) -> BoundValue {
    match limit {
        0 => BoundValue::Unlimited,
        limit => BoundValue::Limit(f64::from(limit)),
    }
}

/// Returns the value of a key that is a number.
pub(super) fn number(limit: usize) -> BoundValue {
    BoundValue::Limit(limit as f64)
}

/// Returns the value of a key that is a time.
pub(super) fn seconds(duration: Duration) -> BoundValue {
    BoundValue::Limit(duration.as_secs_f64())
}

/// Returns the finished definitions.
pub(super) fn finish(drafts: impl IntoIterator<Item = Draft>) -> Vec<BoundDefinition> {
    drafts.into_iter().map(|Draft(bound)| bound).collect()
}
