//! The namespace of the contract's events on one worker thread: authenticates a CONNECT, recovers the former connection,
//! and starts a new one.

use std::{rc::Rc, time::Instant};

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tracing::{Instrument, Span, debug, debug_span, field};

use crate::{
    access::{
        limits::{Limits, RateLimited},
        readiness::Readiness,
    },
    auth::{Authenticator, Credentials},
    contract::problem::Problem,
    vault::Vaults,
};
use actix_socketio::{
    ConnectRefusal, DisconnectReason, IncomingEvent, Namespace, Socket, SocketHandler,
    engineio::{CloseReason, Heartbeat, OpenRequest, ProtocolVersion},
};

use super::{
    bounds::GatewayBounds,
    connection::{ConnectionContext, ConnectionEnd, ConnectionParams, UserConnection},
    connections::ConnectionRegistry,
    expiry_watch::ExpiryWatch,
    metrics::GatewayMetrics,
    recovery::{ClaimedSocket, RecoveryRequest, RecoveryStore},
    relay::{RelayOptions, WorkerRelay},
};

/// The parameters of a gateway.
#[derive(Clone)]
pub struct GatewayOptions {
    pub bounds: GatewayBounds,
    /// The limits of users and sockets.
    pub limits: Limits,
    pub recovery: RecoveryStore,
    /// While the service drains, the transport of a CONNECT is closed.
    pub readiness: Readiness,
    pub metrics: GatewayMetrics,
}

/// The namespace of the contract's events, on one worker thread.
pub struct Gateway {
    authenticator: Rc<Authenticator>,
    context: Rc<ConnectionContext>,
    relay: WorkerRelay,
    readiness: Readiness,
}

impl Gateway {
    /// Starts the gateway of this worker thread. Requires an actix runtime.
    pub fn start(authenticator: Authenticator, vaults: Vaults, options: GatewayOptions) -> Self {
        let connections = ConnectionRegistry::default();
        let relay_options = RelayOptions {
            bounds: options.bounds,
            metrics: options.metrics.clone(),
        };
        let relay = WorkerRelay::start(relay_options, connections.clone());
        Self {
            authenticator: Rc::new(authenticator),
            context: Rc::new(ConnectionContext {
                vaults,
                connections,
                limits: options.limits,
                recovery: options.recovery,
                metrics: options.metrics,
            }),
            relay,
            readiness: options.readiness,
        }
    }
}

impl Namespace for Gateway {
    fn connect(
        &self,
        socket: Socket,
        auth: Value,
        request: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn SocketHandler>, ConnectRefusal>> {
        let (authenticator, context) = (self.authenticator.clone(), self.context.clone());
        let relay = self.relay.clone();
        let draining = self.readiness.is_draining();
        // The span has no socket id, because a recovered socket gets its former id later.
        let span =
            debug_span!("connect", session.sid = %socket.session_alias(), user.id = field::Empty);
        let connected = async move {
            if draining {
                context.metrics.connect("draining");
                // The official client does not reconnect after a CONNECT_ERROR.
                return Err(ConnectRefusal::Close(CloseReason::Shutdown));
            }
            let token = auth.get("token").and_then(Value::as_str);
            let credentials = match token.filter(|token| !token.is_empty()) {
                // A token of the payload decides alone, so the headers are not parsed.
                Some(token) => Credentials::default().with_payload(Some(token)),
                None => authenticator.credentials(&request.headers()),
            };
            let recovery = match socket.version() {
                ProtocolVersion::V4 if context.recovery.is_enabled() => {
                    RecoveryRequest::from_auth(&auth)
                }
                // Clients of version 3 have no recovery.
                ProtocolVersion::V4 | ProtocolVersion::V3 => RecoveryRequest::Off,
            };
            // The payload may be large, and the session may be looked up for a long time.
            drop(auth);
            let session = authenticator.authenticate(&credentials).await;
            let session = session.map_err(|error| refuse(&context, error.into()))?;
            let user = session.principal.clone();
            Span::current().record("user.id", field::display(&user.id));
            let claimed = match &recovery {
                RecoveryRequest::Claim(claim) => context.recovery.claim(claim, &user.id).await,
                RecoveryRequest::New | RecoveryRequest::Off => None,
            };
            // After the claim, because a connection that was taken over has released its permit.
            let permit = match context.limits.acquire_user_socket(&user.id) {
                Ok(permit) => permit,
                Err(error) => {
                    if let Some(claimed) = claimed {
                        claimed.refuse();
                    }
                    return Err(refuse(&context, error.into()));
                }
            };
            let recovered = claimed.and_then(ClaimedSocket::confirm);
            let recovers = recovered.is_some();
            let outcome = if recovers { "recovered" } else { "connected" };
            context.metrics.connect(outcome);
            let params = ConnectionParams {
                socket: socket.clone(),
                user,
                permit,
                // It may have been replaced during authentication.
                relay: relay.current(),
                recovery,
                recovered,
            };
            let expiry = ExpiryWatch::new(authenticator, session, socket.clone());
            let connection = UserConnection::new(context, params);
            debug!(
                socket.id = socket.id(),
                recovered = recovers,
                "socket connected"
            );
            Ok(Box::new(ExpiringConnection { connection, expiry }) as Box<dyn SocketHandler>)
        };
        Box::pin(connected.instrument(span))
    }

    fn refuse_connect(&self) -> ConnectRefusal {
        // The meter has counted the refusal.
        refuse(&self.context, RateLimited::Events.into())
    }
}

/// Logs and counts a refused CONNECT. Returns its answer: the code as the message, and the error as its `data`.
fn refuse(context: &ConnectionContext, problem: Problem) -> ConnectRefusal {
    debug!(reason = %problem.message, "CONNECT refused");
    context.metrics.connect(problem.code.metric_label());
    ConnectRefusal::ConnectError {
        message: problem.code.name(),
        data: serde_json::to_value(problem).ok(),
    }
}

/// A connection with the expiry of its user session.
struct ExpiringConnection {
    connection: UserConnection,
    expiry: ExpiryWatch,
}

impl SocketHandler for ExpiringConnection {
    fn on_event(&mut self, event: IncomingEvent) {
        self.connection.on_event(event);
    }

    fn on_refused_event(&mut self, event: IncomingEvent) {
        self.connection.on_refused_event(event);
    }

    fn on_disconnect(&mut self, reason: DisconnectReason) {
        self.connection.on_disconnect(reason);
    }

    fn on_heartbeat(&mut self, beat: Heartbeat) {
        self.connection.on_heartbeat(beat);
        self.expiry.check(Instant::now());
    }

    fn deadline(&self) -> Option<Instant> {
        self.expiry.deadline()
    }

    fn on_wake(&mut self, now: Instant) {
        self.expiry.check(now);
    }
}

impl Drop for ExpiringConnection {
    /// Ends the connection also after a panic, which calls no `on_disconnect`.
    fn drop(&mut self) {
        self.connection.end(ConnectionEnd::Recoverable);
    }
}
