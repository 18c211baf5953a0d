//! The metric of refusals by limit, and their log lines.

use std::{net::IpAddr, sync::Arc};

use prometheus::IntCounterVec;
use tracing::{field::display, info};

use crate::{
    domain::UserId,
    telemetry::{
        metrics::{MetricsRegistry, counters},
        throttle::LogThrottle,
    },
};

use super::refusal::{LimitExceeded, LimitRefusal, RateLimited};

/// Counts and logs refusals by the key of the limit. Clones share the counters.
#[derive(Clone, Debug)]
pub(super) struct LimitMetrics {
    refused: IntCounterVec,
    logs: Arc<[(&'static str, LogThrottle)]>,
}

/// The user, address or socket that a limit refuses.
#[derive(Clone, Copy, Debug)]
pub(super) enum LimitSubject<'a> {
    User(&'a UserId),
    /// `None` if the address is unknown.
    Client(Option<IpAddr>),
    /// A socket, whose user may be unknown.
    Socket,
}

impl LimitMetrics {
    /// Adds the counters to the registry.
    pub(super) fn register(&self, metrics: &MetricsRegistry) {
        metrics.register(self.refused.clone());
    }

    /// Counts a refusal, logs it if its limit was not logged recently, and returns it.
    pub(super) fn count<R: LimitRefusal>(&self, refusal: R, subject: LimitSubject<'_>) -> R {
        let key = refusal.config_key();
        self.refused.with_label_values(&[key]).inc();
        let log = self.logs.iter().find(|(limit, _)| *limit == key);
        if let Some(suppressed) = log.and_then(|(_, throttle)| throttle.allow()) {
            let (user, client) = match subject {
                LimitSubject::User(user) => (Some(user), None),
                LimitSubject::Client(client) => (None, client),
                LimitSubject::Socket => (None, None),
            };
            let (user, client) = (user.map(display), client.map(display));
            info!(
                limit = key,
                user.id = user,
                client,
                suppressed,
                "refused by a limit"
            );
        }
        refusal
    }
}

impl Default for LimitMetrics {
    fn default() -> Self {
        let refused = counters(
            "limited_total",
            "Requests, events, joins and sockets that a limit refused, by the key of the limit (limits.*).",
            &["limit"],
        );
        let keys = [
            RateLimited::Mutations.config_key(),
            RateLimited::Reads.config_key(),
            RateLimited::Events.config_key(),
            RateLimited::Bytes.config_key(),
            LimitExceeded::JoinsPerSocket.config_key(),
            LimitExceeded::SocketsPerUser.config_key(),
            LimitExceeded::SocketsPerAddress.config_key(),
            LimitExceeded::Sockets.config_key(),
        ];
        for key in keys {
            // Creates the counter, so that it is exported as 0 before the first refusal.
            refused.with_label_values(&[key]);
        }
        let logs = keys.map(|key| (key, LogThrottle::new()));
        Self {
            refused,
            logs: Arc::new(logs),
        }
    }
}
