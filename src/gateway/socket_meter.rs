//! Meters what one socket sends, against the limits of the service.

use std::time::Instant;

use actix_socketio::{MeterDecision, PacketMeter, engineio::CloseReason};

use crate::access::limits::{Limits, RateDecision, SocketRateLimiter};

/// Closes the transport of a client that keeps exceeding its rates.
pub(super) const RATE_LIMITED: CloseReason = CloseReason::Application("rate limited");

/// The meter of one socket, from its handshake on.
pub struct SocketMeter {
    limits: Limits,
    rate_limiter: SocketRateLimiter,
}

impl SocketMeter {
    /// Returns the meter of a new socket.
    pub fn new(limits: Limits) -> Self {
        let rate_limiter = limits.socket_rate_limiter();
        Self {
            limits,
            rate_limiter,
        }
    }
}

impl PacketMeter for SocketMeter {
    fn count(&mut self, bytes: usize) -> MeterDecision {
        let Self {
            limits,
            rate_limiter,
        } = self;
        match limits.check_packet(rate_limiter, bytes, Instant::now()) {
            RateDecision::Allowed => MeterDecision::Accept,
            RateDecision::Limited(_) => MeterDecision::Refuse,
            RateDecision::Disconnect(_) => MeterDecision::Close(RATE_LIMITED),
        }
    }
}
