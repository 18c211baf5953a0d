//! How often each limit refused somebody.

use prometheus::IntCounterVec;

use crate::metrics::{Metrics, counters};

use super::{LimitExceeded, RateLimited};

/// Refusals by the key of the limit. A clone counts together with it.
#[derive(Clone, Debug)]
pub(super) struct Refusals(IntCounterVec);

/// What a limit says to whom it refuses.
pub trait Refusal {
    /// The limit's name under `limits` in the configuration.
    fn key(&self) -> &'static str;
}

impl Refusal for RateLimited {
    fn key(&self) -> &'static str {
        match self {
            Self::Mutations => "mutations_per_second",
            Self::Events => "socket_events_per_second",
        }
    }
}

impl Refusal for LimitExceeded {
    fn key(&self) -> &'static str {
        match self {
            Self::Joins => "joins_per_socket",
            Self::SocketsOfUser => "sockets_per_user",
            Self::SocketsOfAddress => "sockets_per_address",
            Self::Sockets => "sockets",
        }
    }
}

impl Refusals {
    /// Has them told.
    pub(super) fn register(&self, metrics: &Metrics) {
        metrics.add(self.0.clone());
    }

    /// Counts one, and passes it on.
    pub(super) fn count<R: Refusal>(&self, refusal: R) -> R {
        self.0.with_label_values(&[refusal.key()]).inc();
        refusal
    }
}

impl Default for Refusals {
    fn default() -> Self {
        let refused = counters(
            "limited_total",
            "Requests, events, joins and sockets that were refused by a limit (limits.*), by its key.",
            &["limit"],
        );
        for key in [
            RateLimited::Mutations.key(),
            RateLimited::Events.key(),
            LimitExceeded::Joins.key(),
            LimitExceeded::SocketsOfUser.key(),
            LimitExceeded::SocketsOfAddress.key(),
            LimitExceeded::Sockets.key(),
        ] {
            // What has not happened yet is told as 0.
            refused.with_label_values(&[key]);
        }
        Self(refused)
    }
}
