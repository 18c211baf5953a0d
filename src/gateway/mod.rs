//! Door two: sockets. The contract's events on the generic Socket.IO layer.
//!
//! `protocol.rs` knows the contract's words, `connection.rs` is one connected user, `relay.rs`, `room.rs` and `mailbox.rs`
//! hand a worker thread's share of every vault's events to its sockets, within `bounds.rs`; `trace.rs` and `recovery.rs` let a client come back
//! as the one that it was. A [`Gateway`] is built once per worker thread.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use tracing::{Instrument, Span, debug, debug_span, field};

use crate::{
    auth::{Gate, Session},
    engineio::{CloseReason, Heartbeat, OpenRequest},
    limits::Limits,
    problem::Problem,
    readiness::Readiness,
    socketio::{DisconnectReason, Events, IncomingEvent, Namespace, Refusal, Socket},
    vault::Vaults,
};

mod bounds;
mod connection;
mod mailbox;
mod meters;
mod offset;
mod protocol;
mod recovery;
mod relay;
mod room;
mod trace;

use connection::{Connection, Context};
use recovery::Claim;
use relay::Relay;

pub use bounds::Bounds;
pub use meters::Meters;
pub use protocol::NAMESPACE;
pub use recovery::Recovery;

/// The session that a socket came with is over: its transport is closed, and the client comes back with what it
/// has now.
const SESSION_OVER: CloseReason = CloseReason::Application("session expired");

/// What a gateway is built with.
#[derive(Clone)]
pub struct GatewayOptions {
    /// How much may wait, and how long.
    pub bounds: Bounds,
    /// How much users and sockets may do.
    pub limits: Limits,
    /// Who may come back as the one that he was.
    pub recovery: Recovery,
    /// When the service drains, a CONNECT has its transport closed.
    pub readiness: Readiness,
    /// What is counted.
    pub meters: Meters,
}

/// The namespace in which the contract's events are spoken, on one worker thread.
pub struct Gateway {
    gate: Gate,
    context: Context,
    readiness: Readiness,
}

impl Gateway {
    /// Starts the gateway of this worker thread; needs its actix runtime.
    pub fn start(gate: Gate, vaults: Vaults, options: GatewayOptions) -> Self {
        let epoch = vaults.journal().epoch();
        let history = (epoch, options.recovery.is_on());
        let relay = Relay::start(options.bounds, history, options.meters.clone());
        Self {
            gate,
            context: Context {
                vaults,
                relay,
                limits: options.limits,
                recovery: options.recovery,
                meters: options.meters,
            },
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
    ) -> LocalBoxFuture<'static, Result<Box<dyn Events>, Refusal>> {
        let (gate, context) = (self.gate.clone(), self.context.clone());
        let draining = self.readiness.is_draining();
        // Its id is not asked for before it is decided who he is.
        let span = debug_span!("connect", session.sid = %socket.session(), user.id = field::Empty);
        let admitted = async move {
            if draining {
                context.meters.connect("draining");
                // After a CONNECT_ERROR the official client would stay away.
                return Err(Refusal::Close(CloseReason::Shutdown));
            }
            let token = auth.get("token").and_then(Value::as_str);
            let credentials = gate.credentials(&request.headers()).with_payload(token);
            let session = gate.admit(&credentials).await.map_err(|error| {
                let problem = Problem::from(error);
                debug!(reason = %problem.message, "a CONNECT was refused");
                context.meters.connect(problem.code.label());
                Refusal::message(problem.message)
            })?;
            let by = session.principal.clone();
            Span::current().record("user.id", field::display(&by.id));
            let claim = Claim::of(&auth).filter(|_| context.recovery.is_on());
            let recovered = match &claim {
                Some(claim) => context.recovery.claim(claim, &by.id).await,
                None => None,
            };
            // What is left of him by another transport has given its place back now.
            let place = context.limits.socket_of(&by.id);
            let place = place.map_err(|error| {
                debug!(%error, "a CONNECT was refused");
                let problem = Problem::from(error);
                context.meters.connect(problem.code.label());
                Refusal::ConnectError {
                    message: "LIMIT_EXCEEDED".to_owned(),
                    data: serde_json::to_value(problem).ok(),
                }
            })?;
            let outcome = recovered.as_ref().map_or("connected", |_| "recovered");
            context.meters.connect(outcome);
            let end = Alarm::set(gate, session, socket.clone());
            let recovers = recovered.is_some();
            let connected = socket.clone();
            let connection = Connection::new(context, socket, (by, place), (claim, recovered));
            debug!(
                socket.id = connected.id(),
                recovered = recovers,
                "a socket connected"
            );
            Ok(Box::new(Admitted {
                connection,
                _end: end,
            }) as Box<dyn Events>)
        };
        Box::pin(admitted.instrument(span))
    }
}

/// A connected user, until his session ends.
struct Admitted {
    connection: Connection,
    _end: Alarm,
}

impl Events for Admitted {
    fn on_event(&mut self, event: IncomingEvent) {
        self.connection.on_event(event);
    }

    fn on_disconnect(&mut self, reason: DisconnectReason) {
        self.connection.on_disconnect(reason);
    }

    fn on_heartbeat(&mut self, beat: Heartbeat) {
        self.connection.on_heartbeat(beat);
    }
}

impl Drop for Admitted {
    /// Also after a panic, of which nobody else hears.
    fn drop(&mut self) {
        self.connection.end(true);
    }
}

/// Closes a socket's transport when its session is over, unless it is dropped before.
struct Alarm(tokio::task::JoinHandle<()>);

impl Alarm {
    fn set(gate: Gate, session: Session, socket: Socket) -> Self {
        Self(actix::spawn(async move {
            gate.over(session).await;
            socket.close(SESSION_OVER);
        }))
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.abort();
    }
}
