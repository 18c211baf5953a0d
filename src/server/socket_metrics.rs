//! Metrics of sockets: how many are open, why they closed, what waits in their outboxes. Protocol violations are logged, too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use actix_socketio::engineio::{CloseReason, SessionObserver, TransportType};
use prometheus::{Histogram, IntCounter, IntCounterVec, IntGaugeVec};
use tracing::info;

use crate::telemetry::{
    metrics::{
        MailboxFamilies, MailboxMetrics, MetricsRegistry, SECONDS, counter, counters, gauges,
        histogram,
    },
    throttle::LogThrottle,
};

/// The metrics of all sockets of the service. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SocketMetrics {
    open: IntGaugeVec,
    opened: IntCounterVec,
    closed: IntCounterVec,
    upgrades: IntCounter,
    slow: IntCounter,
    high_water: Arc<HighWater>,
    queue_seconds: Histogram,
    mailbox: MailboxMetrics,
}

/// The largest fill level of any outbox since the start.
#[derive(Debug, Default)]
struct HighWater {
    events: AtomicUsize,
    bytes: AtomicUsize,
}

impl SocketMetrics {
    /// Creates and registers the metrics.
    pub(super) fn register(metrics: &MetricsRegistry, mailboxes: &MailboxFamilies) -> Self {
        let sockets = Self {
            mailbox: mailboxes.for_actor("session"),
            ..Self::default()
        };
        for transport in [TransportType::Polling, TransportType::Websocket] {
            // Exports 0 before the first socket.
            sockets.open.with_label_values(&[name(transport)]);
        }
        metrics.register(sockets.open.clone());
        metrics.register(sockets.opened.clone());
        metrics.register(sockets.closed.clone());
        metrics.register(sockets.upgrades.clone());
        metrics.register(sockets.slow.clone());
        metrics.register(sockets.queue_seconds.clone());
        let marks = sockets.high_water.clone();
        metrics.register_callback(
            "outbox_high_water_events",
            "Largest number of events that waited for one socket since the start (actors.session_outbox).",
            None,
            move || vec![(String::new(), marks.events.load(Relaxed) as f64)],
        );
        let marks = sockets.high_water.clone();
        metrics.register_callback(
            "outbox_high_water_bytes",
            "Largest number of bytes that waited for one socket since the start (actors.session_outbox_bytes).",
            None,
            move || vec![(String::new(), marks.bytes.load(Relaxed) as f64)],
        );
        sockets
    }
}

impl SessionObserver for SocketMetrics {
    fn session_opened(&self, transport: TransportType) {
        self.opened.with_label_values(&[name(transport)]).inc();
        self.open.with_label_values(&[name(transport)]).inc();
    }

    fn session_upgraded(&self) {
        self.upgrades.inc();
        let open = |transport| self.open.with_label_values(&[name(transport)]);
        open(TransportType::Websocket).inc();
        open(TransportType::Polling).dec();
    }

    fn session_closed(&self, reason: CloseReason) {
        self.closed.with_label_values(&[reason.as_str()]).inc();
        if reason == CloseReason::Slow {
            self.slow.inc();
        }
        if let Some(suppressed) = violation_log(reason).and_then(LogThrottle::allow) {
            info!(%reason, suppressed, "socket closed: protocol violation");
        }
    }

    fn session_released(&self, transport: TransportType) {
        self.open.with_label_values(&[name(transport)]).dec();
    }

    /// Reads before it writes, because it runs for every frame.
    fn frame_queued(&self, frames: usize, bytes: usize) {
        if frames > self.high_water.events.load(Relaxed) {
            self.high_water.events.fetch_max(frames, Relaxed);
        }
        if bytes > self.high_water.bytes.load(Relaxed) {
            self.high_water.bytes.fetch_max(bytes, Relaxed);
        }
    }

    fn frame_taken(&self, waited: Duration) {
        self.queue_seconds.observe(waited.as_secs_f64());
    }

    fn message_handled(&self, waited: Duration, handling: Duration) {
        self.mailbox.observe(waited, handling);
    }
}

impl Default for SocketMetrics {
    fn default() -> Self {
        Self {
            open: gauges(
                "sockets",
                "Open sockets (Engine.IO sessions), by transport.",
                &["transport"],
            ),
            opened: counters(
                "sockets_opened_total",
                "Sockets opened since the start, by their first transport.",
                &["transport"],
            ),
            closed: counters(
                "sockets_closed_total",
                "Sockets closed since the start, by reason.",
                &["reason"],
            ),
            upgrades: counter(
                "socket_upgrades_total",
                "Sockets upgraded from long polling to a websocket.",
            ),
            slow: counter(
                "slow_closings_total",
                "Sockets closed because their client read too slowly (actors.session_outbox, actors.session_outbox_bytes).",
            ),
            high_water: Arc::default(),
            queue_seconds: histogram(
                "queue_to_socket_seconds",
                "Time from a frame's entry into a socket's outbox until its transport took it; one frame in 16 is timed.",
                SECONDS,
            ),
            mailbox: MailboxMetrics::default(),
        }
    }
}

/// Returns the limit of the log lines about a client that violated the protocol; `None` for any other reason.
fn violation_log(reason: CloseReason) -> Option<&'static LogThrottle> {
    static PARSE_ERROR: LogThrottle = LogThrottle::new();
    static TRANSPORT_ERROR: LogThrottle = LogThrottle::new();
    static INVALID_TEXT: LogThrottle = LogThrottle::new();
    static TOO_LARGE: LogThrottle = LogThrottle::new();
    match reason {
        CloseReason::ParseError => Some(&PARSE_ERROR),
        CloseReason::TransportError => Some(&TRANSPORT_ERROR),
        CloseReason::InvalidText => Some(&INVALID_TEXT),
        CloseReason::TooLarge => Some(&TOO_LARGE),
        CloseReason::TransportClose
        | CloseReason::PingTimeout
        | CloseReason::ConnectTimeout
        | CloseReason::Slow
        | CloseReason::Shutdown
        | CloseReason::Forced
        | CloseReason::Application(_)
        | CloseReason::Fault => None,
    }
}

fn name(transport: TransportType) -> &'static str {
    match transport {
        TransportType::Polling => "polling",
        TransportType::Websocket => "websocket",
    }
}
