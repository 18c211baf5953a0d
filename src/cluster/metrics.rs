//! The metrics of the connection between nodes.

use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntCounterVec, IntGaugeVec};

use crate::telemetry::metrics::{MetricsRegistry, SECONDS, counter, counters, gauges, histogram};

use super::{machine::ClaimOutcome, message::ClaimAnswer};

/// The metrics of the connection between nodes. Clones share them.
#[derive(Clone, Debug)]
pub struct ClusterMetrics {
    bus_up: IntGaugeVec,
    peers: IntGaugeVec,
    pub(super) reconnects: IntCounter,
    pub(super) hints_sent: IntCounter,
    pub(super) hints_received: IntCounter,
    hints_dropped: IntCounterVec,
    pub(super) hints_lost: IntCounter,
    lag: Histogram,
    sweep: Histogram,
    pub(super) sweep_failures: IntCounter,
    claims_asked: IntCounterVec,
    claims_answered: IntCounterVec,
    pub(super) claims_refused: IntCounter,
    claims_pending: IntGaugeVec,
}

/// Why hints were not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The bus is not connected.
    BusDown,
    /// Too many hints waited.
    QueueFull,
}

impl ClusterMetrics {
    /// Creates the metrics and registers them.
    pub fn register(registry: &MetricsRegistry) -> Self {
        let metrics = Self::default();
        registry.register(metrics.bus_up.clone());
        registry.register(metrics.peers.clone());
        registry.register(metrics.reconnects.clone());
        registry.register(metrics.hints_sent.clone());
        registry.register(metrics.hints_received.clone());
        registry.register(metrics.hints_dropped.clone());
        registry.register(metrics.hints_lost.clone());
        registry.register(metrics.lag.clone());
        registry.register(metrics.sweep.clone());
        registry.register(metrics.sweep_failures.clone());
        registry.register(metrics.claims_asked.clone());
        registry.register(metrics.claims_answered.clone());
        registry.register(metrics.claims_refused.clone());
        registry.register(metrics.claims_pending.clone());
        for reason in [DropReason::BusDown, DropReason::QueueFull] {
            metrics.record_dropped(reason, 0);
        }
        for outcome in ClaimOutcome::ALL {
            metrics.claims_asked.with_label_values(&[label_of(outcome)]);
        }
        for answer in [ClaimAnswer::HandedOver, ClaimAnswer::NotHere] {
            let answer = label_of_answer(answer);
            metrics.claims_answered.with_label_values(&[answer]);
        }
        metrics
    }

    /// Records whether the bus is connected. Without a call the gauge has no value.
    pub(super) fn set_bus_up(&self, is_up: bool) {
        self.bus_up.with_label_values::<&str>(&[]).set(is_up.into());
    }

    /// Records how many other nodes have sent a message within the last seconds.
    pub(super) fn set_peers(&self, peers: usize) {
        let peers = i64::try_from(peers).unwrap_or(i64::MAX);
        self.peers.with_label_values::<&str>(&[]).set(peers);
    }

    pub(super) fn record_dropped(&self, reason: DropReason, hints: u64) {
        let label = match reason {
            DropReason::BusDown => "bus down",
            DropReason::QueueFull => "queue full",
        };
        self.hints_dropped.with_label_values(&[label]).inc_by(hints);
    }

    /// Records the way of a heartbeat through the bus and back.
    pub(super) fn record_lag(&self, lag: Duration) {
        self.lag.observe(lag.as_secs_f64());
    }

    /// Counts a claim of a client of this node.
    pub(super) fn record_claim(&self, outcome: ClaimOutcome) {
        let label = label_of(outcome);
        self.claims_asked.with_label_values(&[label]).inc();
    }

    /// Counts an answer to a claim of another node.
    pub(super) fn record_answer(&self, answer: ClaimAnswer) {
        let label = label_of_answer(answer);
        self.claims_answered.with_label_values(&[label]).inc();
    }

    /// Records how many claims wait for the answers of other nodes.
    pub(super) fn set_claims_pending(&self, claims: usize) {
        let claims = i64::try_from(claims).unwrap_or(i64::MAX);
        let gauge = self.claims_pending.with_label_values::<&str>(&[]);
        gauge.set(claims);
    }

    pub(super) fn record_sweep(&self, duration: Duration) {
        self.sweep.observe(duration.as_secs_f64());
    }
}

fn label_of(outcome: ClaimOutcome) -> &'static str {
    match outcome {
        ClaimOutcome::HandedOver => "handed over",
        ClaimOutcome::NotHere => "not here",
        ClaimOutcome::NoPeers => "no peers",
        ClaimOutcome::TimedOut => "timed out",
        ClaimOutcome::BusDown => "bus down",
        ClaimOutcome::QueueFull => "queue full",
    }
}

fn label_of_answer(answer: ClaimAnswer) -> &'static str {
    match answer {
        ClaimAnswer::HandedOver => "yes",
        ClaimAnswer::NotHere => "no",
    }
}

impl Default for ClusterMetrics {
    fn default() -> Self {
        Self {
            bus_up: gauges(
                "bus_up",
                "Whether the bus between nodes works (cluster.bus): 1 or 0.",
                &[],
            ),
            peers: gauges(
                "bus_peers",
                "Other nodes that have sent a message through the bus within the last ten seconds.",
                &[],
            ),
            reconnects: counter(
                "bus_connects_total",
                "Connections of the bus that were established.",
            ),
            hints_sent: counter("hints_sent_total", "Hints sent to other nodes."),
            hints_received: counter("hints_received_total", "Hints received from other nodes."),
            hints_dropped: counters(
                "hints_dropped_total",
                "Hints that were not sent: bus down, or queue full.",
                &["reason"],
            ),
            hints_lost: counter(
                "hints_lost_total",
                "Moved heads that the sweep found and no hint has named until the next sweep.",
            ),
            lag: histogram(
                "hint_lag_seconds",
                "Time of a heartbeat of this node through the bus and back.",
                SECONDS,
            ),
            sweep: histogram(
                "sweep_seconds",
                "Duration of the query that compares the heads of the vaults with subscribers.",
                SECONDS,
            ),
            sweep_failures: counter(
                "sweep_failures_total",
                "Sweeps that the database did not answer.",
            ),
            claims_asked: counters(
                "peer_claims_total",
                "Claims of clients of this node for connections that it does not have, by outcome.",
                &["outcome"],
            ),
            claims_answered: counters(
                "peer_claims_answered_total",
                "Answers of this node to the claims of other nodes: yes or no.",
                &["answer"],
            ),
            claims_refused: counter(
                "peer_claims_refused_total",
                "Claims of other nodes that were answered with no because too many were being answered.",
            ),
            claims_pending: gauges(
                "peer_claims_pending",
                "Claims of clients of this node that wait for the answers of other nodes.",
                &[],
            ),
        }
    }
}
