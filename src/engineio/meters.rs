//! What is counted of sessions. A server that was given no meters counts all the same, and nobody looks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use engineioxide_core::TransportType;
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::error::CloseReason;
use crate::metrics::{Mailbox, Mailboxes, Metrics, SECONDS, counter, counters, gauges, histogram};

/// What is counted of sessions, by all servers that share it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meters {
    open: IntGaugeVec,
    opened: IntCounterVec,
    closed: IntCounterVec,
    upgrades: IntCounter,
    slow: IntCounter,
    high_water: Arc<HighWater>,
    pub(super) queue_seconds: Histogram,
    pub(super) mailbox: Mailbox,
}

/// The most that has ever waited in one outbox.
#[derive(Debug, Default)]
struct HighWater {
    events: AtomicUsize,
    bytes: AtomicUsize,
}

/// A session counts as open, with its transport, until this is dropped.
pub(super) struct Counted(IntGauge);

impl Meters {
    /// Registers them.
    pub fn register(metrics: &Metrics, mailboxes: &Mailboxes) -> Self {
        let meters = Self {
            mailbox: mailboxes.of("session"),
            ..Self::default()
        };
        for transport in [TransportType::Polling, TransportType::Websocket] {
            // What has not happened yet is told as 0.
            meters.open.with_label_values(&[name(transport)]);
        }
        metrics.add(meters.open.clone());
        metrics.add(meters.opened.clone());
        metrics.add(meters.closed.clone());
        metrics.add(meters.upgrades.clone());
        metrics.add(meters.slow.clone());
        metrics.add(meters.queue_seconds.clone());
        let marks = meters.high_water.clone();
        metrics.read(
            "outbox_high_water_events",
            "The most events that have waited for one socket since the start (actors.session_outbox).",
            None,
            move || vec![(String::new(), marks.events.load(Relaxed) as f64)],
        );
        let marks = meters.high_water.clone();
        metrics.read(
            "outbox_high_water_bytes",
            "The most bytes that have waited for one socket since the start (actors.session_outbox_bytes).",
            None,
            move || vec![(String::new(), marks.bytes.load(Relaxed) as f64)],
        );
        meters
    }

    /// A session has opened.
    pub(super) fn opened(&self, transport: TransportType) -> Counted {
        self.opened.with_label_values(&[name(transport)]).inc();
        self.counted(transport)
    }

    /// A websocket has taken over from polling.
    pub(super) fn upgraded(&self) -> Counted {
        self.upgrades.inc();
        self.counted(TransportType::Websocket)
    }

    fn counted(&self, transport: TransportType) -> Counted {
        let open = self.open.with_label_values(&[name(transport)]);
        open.inc();
        Counted(open)
    }

    /// A session has ended.
    pub(super) fn closed(&self, reason: CloseReason) {
        self.closed.with_label_values(&[reason.as_str()]).inc();
        if reason == CloseReason::Slow {
            self.slow.inc();
        }
    }

    /// So much waits in one outbox. On the way of every frame, so it looks before it writes.
    pub(super) fn waiting(&self, events: usize, bytes: usize) {
        if events > self.high_water.events.load(Relaxed) {
            self.high_water.events.fetch_max(events, Relaxed);
        }
        if bytes > self.high_water.bytes.load(Relaxed) {
            self.high_water.bytes.fetch_max(bytes, Relaxed);
        }
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            open: gauges(
                "sockets",
                "Sockets that are open (Engine.IO sessions), by transport.",
                &["transport"],
            ),
            opened: counters(
                "sockets_opened_total",
                "Sockets that were opened, by the transport that they began with.",
                &["transport"],
            ),
            closed: counters(
                "sockets_closed_total",
                "Sockets that were closed, by reason.",
                &["reason"],
            ),
            upgrades: counter(
                "socket_upgrades_total",
                "Sockets whose websocket took over from polling.",
            ),
            slow: counter(
                "slow_closings_total",
                "Sockets that were closed because their client read too slowly (actors.session_outbox, actors.session_outbox_bytes).",
            ),
            high_water: Arc::default(),
            queue_seconds: histogram(
                "queue_to_socket_seconds",
                "From when a frame was put into a socket's outbox until its transport had taken it; one frame at a time is timed of each socket.",
                SECONDS,
            ),
            mailbox: Mailbox::default(),
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn name(transport: TransportType) -> &'static str {
    match transport {
        TransportType::Polling => "polling",
        TransportType::Websocket => "websocket",
    }
}
