//! The bound of the open connections of each listener.
//!
//! A connection holds a permit until it has ended. A connection for which there is no permit is refused by its
//! [listener](super::listener), counted and logged. All worker threads of a listener share one limit.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use prometheus::{IntCounter, IntCounterVec};
use tracing::warn;

use crate::telemetry::{
    metrics::{MetricsRegistry, counters},
    throttle::LogThrottle,
};

/// Maximum number of connections of the admin listener: a few probes, scrapers and operators.
const MAX_ADMIN_CONNECTIONS: usize = 128;

/// Refused connections that are answered at the same time; more of them are closed without an answer.
const MAX_REFUSALS: usize = 64;

/// The limits of both listeners.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLimits {
    pub main: ConnectionLimit,
    pub admin: ConnectionLimit,
}

/// The open connections of one listener and their bound. A clone is another handle to the same limit.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLimit(Arc<ConnectionLimitState>);

#[derive(Debug)]
struct ConnectionLimitState {
    listener: &'static str,
    bound: AtomicUsize,
    open: AtomicUsize,
    /// Refused connections that are being answered.
    refusals: AtomicUsize,
    refused: IntCounter,
    log: LogThrottle,
}

/// What a new connection receives.
#[derive(Debug)]
pub(super) enum ConnectionAdmission {
    /// The connection is served, and holds the permit until it has ended.
    Serve(ConnectionPermit),
    /// The connection receives a 503 and holds the permit until then.
    Refuse(RefusalPermit),
    /// The connection is closed at once.
    Close,
}

/// The right of one connection to be open.
#[derive(Debug)]
pub(super) struct ConnectionPermit(ConnectionLimit);

/// The right of one refused connection to be answered.
#[derive(Debug)]
pub(super) struct RefusalPermit(ConnectionLimit);

impl ConnectionLimits {
    /// Creates the limits, of which the main one is configured, and registers their metrics.
    pub(super) fn register(metrics: &MetricsRegistry, main_bound: usize) -> Self {
        let refused = counters(
            "connections_refused_total",
            "Connections refused because too many were open, by listener.",
            &["listener"],
        );
        let limits = Self {
            main: ConnectionLimit::new("main", main_bound, &refused),
            admin: ConnectionLimit::new("admin", MAX_ADMIN_CONNECTIONS, &refused),
        };
        metrics.register(refused);
        let both = [limits.main.clone(), limits.admin.clone()];
        let register = |name, help, value: fn(&ConnectionLimitState) -> &AtomicUsize| {
            let both = both.clone();
            let values = move || {
                let states = both.iter().map(|limit| &limit.0);
                let value = |state| value(state).load(Relaxed) as f64;
                states
                    .map(|state| (state.listener.to_owned(), value(state)))
                    .collect()
            };
            metrics.register_callback(name, help, Some("listener"), values);
        };
        register("connections", "Open connections, by listener.", |state| {
            &state.open
        });
        register(
            "connections_max",
            "Most connections that may be open (server.max_connections, or what the limit of open files allows).",
            |state| &state.bound,
        );
        limits
    }
}

impl ConnectionLimit {
    /// Creates the limit of a listener without connections. `listener` is its name in the log and in metrics.
    fn new(listener: &'static str, bound: usize, refused: &IntCounterVec) -> Self {
        Self(Arc::new(ConnectionLimitState {
            listener,
            bound: AtomicUsize::new(bound),
            open: AtomicUsize::new(0),
            refusals: AtomicUsize::new(0),
            refused: refused.with_label_values(&[listener]),
            log: LogThrottle::new(),
        }))
    }

    /// Changes the bound. Connections above a lower bound stay open.
    pub(super) fn reconfigure(&self, bound: usize) {
        self.0.bound.store(bound, Relaxed);
    }

    /// Decides about a new connection. A refusal is counted, and logged at most once a minute.
    pub(super) fn admit(&self, peer: Option<SocketAddr>) -> ConnectionAdmission {
        let state = &*self.0;
        let bound = state.bound.load(Relaxed);
        if try_increment(&state.open, bound) {
            return ConnectionAdmission::Serve(ConnectionPermit(self.clone()));
        }
        state.refused.inc();
        if let Some(suppressed) = state.log.allow() {
            let (listener, client) = (state.listener, peer.map(|peer| peer.ip()));
            warn!(
                listener,
                bound,
                ?client,
                suppressed,
                "connection refused: too many open connections"
            );
        }
        if try_increment(&state.refusals, MAX_REFUSALS) {
            return ConnectionAdmission::Refuse(RefusalPermit(self.clone()));
        }
        ConnectionAdmission::Close
    }
}

/// Adds one to `count` if it stays within `bound`.
fn try_increment(count: &AtomicUsize, bound: usize) -> bool {
    let next = |count| (count < bound).then_some(count + 1);
    count.fetch_update(Relaxed, Relaxed, next).is_ok()
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Relaxed);
    }
}

impl Drop for RefusalPermit {
    fn drop(&mut self) {
        self.0.0.refusals.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(bound: usize) -> ConnectionLimit {
        ConnectionLimits::register(&MetricsRegistry::new(), bound).main
    }

    fn serve(limit: &ConnectionLimit) -> ConnectionPermit {
        match limit.admit(None) {
            ConnectionAdmission::Serve(permit) => permit,
            refused => panic!("{refused:?}"),
        }
    }

    fn is_refused(limit: &ConnectionLimit) -> bool {
        matches!(limit.admit(None), ConnectionAdmission::Refuse(_))
    }

    #[test]
    fn connections_are_refused_at_the_bound_until_one_ends() {
        let limit = limit(2);
        let (first, _second) = (serve(&limit), serve(&limit));
        assert!(is_refused(&limit) && is_refused(&limit));
        drop(first);
        let _third = serve(&limit);
        assert!(is_refused(&limit));
        assert_eq!(limit.0.refused.get(), 3);
    }

    #[test]
    fn changed_bound_applies_to_new_connections() {
        let limit = limit(1);
        let first = serve(&limit);
        limit.reconfigure(2);
        let second = serve(&limit);
        limit.reconfigure(1);
        drop(first);
        assert!(is_refused(&limit), "one connection is still open");
        drop(second);
        serve(&limit);
    }

    #[test]
    fn flood_of_refused_connections_is_closed_without_answers() {
        let limit = limit(0);
        let answered: Vec<_> = (0..MAX_REFUSALS).map(|_| limit.admit(None)).collect();
        assert!(
            answered
                .iter()
                .all(|admission| matches!(admission, ConnectionAdmission::Refuse(_)))
        );
        assert!(matches!(limit.admit(None), ConnectionAdmission::Close));
        drop(answered);
        assert!(is_refused(&limit));
    }
}
