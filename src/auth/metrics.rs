//! Metrics of authentication.

use prometheus::IntCounterVec;

use super::session_refusal::SessionRefusal;
use crate::telemetry::metrics::{MetricsRegistry, counters};

/// Metrics of authentication. Cheap to clone; clones share the counters.
#[derive(Clone, Debug)]
pub struct AuthMetrics {
    refused: IntCounterVec,
}

impl AuthMetrics {
    /// Creates the metrics and registers them.
    pub fn register(registry: &MetricsRegistry) -> Self {
        let metrics = Self::default();
        for reason in SessionRefusal::ALL {
            // Exported before the first refusal.
            metrics.refused.with_label_values(&[&reason.to_string()]);
        }
        registry.register(metrics.refused.clone());
        metrics
    }

    /// Counts a refused session.
    pub(super) fn count_refusal(&self, reason: SessionRefusal) {
        self.refused.with_label_values(&[&reason.to_string()]).inc();
    }
}

impl Default for AuthMetrics {
    fn default() -> Self {
        Self {
            refused: counters(
                "user_sessions_refused_total",
                "Refused user sessions of requests and CONNECTs, by reason.",
                &["reason"],
            ),
        }
    }
}
