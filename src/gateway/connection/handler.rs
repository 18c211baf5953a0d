//! Handles what the Socket.IO layer reports of a connection: events of the client, heartbeats and the end.

use serde_json::Value;
use tracing::{Span, debug, debug_span, info};

use crate::{
    access::limits::RateLimited,
    domain::VaultId,
    gateway::{
        protocol::{self, ClientEvent, ClientRequest, UNKNOWN_EVENT},
        socket_meter::RATE_LIMITED,
    },
    telemetry::throttle::LogThrottle,
};
use actix_socketio::{Ack, DisconnectReason, IncomingEvent, SocketHandler, engineio::Heartbeat};

use super::{
    lifecycle::ConnectionEnd,
    responses::ResponseContext,
    state::{QueuedRequest, UserConnection},
};

/// Limits the line about sockets that were closed because they kept exceeding their rates.
static RATE_LIMITED_LOG: LogThrottle = LogThrottle::new();

impl UserConnection {
    /// Returns what the response to an event needs.
    fn response_context(&self, event: String, args: &[Value], ack: Option<Ack>) -> ResponseContext {
        let vault = protocol::named_vault(args);
        ResponseContext {
            span: self.event_span(&event, vault.as_ref()),
            vault,
            event,
            ack,
        }
    }

    /// Returns the span of one event. It exists at level `debug` only, see `docs/decisions/0004`. The name of an unknown
    /// event is not logged, because it may contain anything.
    fn event_span(&self, event: &str, vault: Option<&VaultId>) -> Span {
        let socket = &self.0.socket;
        debug_span!(
            "event",
            event.name = ClientEvent::from_name(event).map_or(UNKNOWN_EVENT, ClientEvent::name),
            vault.id = vault.map(display),
            user.id = %self.0.user.id,
            socket.id = socket.id(),
            session.sid = %socket.session_alias(),
        )
    }
}

impl SocketHandler for UserConnection {
    fn on_event(&mut self, event: IncomingEvent) {
        if self.0.has_left.get() {
            return; // the transport is about to be closed
        }
        let IncomingEvent {
            name, args, ack, ..
        } = event;
        let response = self.response_context(name, &args, ack);
        match ClientRequest::parse(&response.event, &args) {
            Ok(request) => self.enqueue(QueuedRequest { request, response }),
            Err(problem) => self.fail(response, problem),
        }
    }

    fn on_refused_event(&mut self, event: IncomingEvent) {
        if self.0.has_left.get() {
            return; // the transport is about to be closed
        }
        let response = self.response_context(event.name, &event.args, event.ack);
        // The meter has counted the refusal.
        self.fail(response, RateLimited::Events.into());
    }

    fn on_disconnect(&mut self, reason: DisconnectReason) {
        let socket = &self.0.socket;
        if reason == DisconnectReason::Closed(RATE_LIMITED)
            && let Some(suppressed) = RATE_LIMITED_LOG.allow()
        {
            info!(user.id = %self.0.user.id, socket.id = socket.id(), suppressed, "socket closed: rate limited");
        }
        debug!(user.id = %self.0.user.id, socket.id = socket.id(), session.sid = %socket.session_alias(), %reason, "socket disconnected");
        self.0.context.metrics.disconnect(reason);
        self.end(match reason {
            DisconnectReason::ClientNamespace | DisconnectReason::ServerNamespace => {
                ConnectionEnd::Final
            }
            DisconnectReason::Closed(_) => ConnectionEnd::Recoverable,
        });
    }

    fn on_heartbeat(&mut self, beat: Heartbeat) {
        let dropped = self.0.delivery.with_trace(|trace| {
            match beat {
                Heartbeat::Sent => trace.record_ping(),
                Heartbeat::Answered => trace.record_pong(),
            }
            trace.take_dropped()
        });
        let trace_dropped = &self.0.context.metrics.trace_dropped;
        trace_dropped.inc_by(dropped.unwrap_or(0));
    }
}
