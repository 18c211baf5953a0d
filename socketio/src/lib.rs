//! A Socket.IO server for actix-web that works with the unmodified official clients.
//!
//! The crate has two layers. [`engineio`] implements Engine.IO 4, and 3 if it is allowed: sessions, both transports, the upgrade and heartbeats.
//! The root of the crate implements Socket.IO 5 on top of it: namespaces, events, acknowledgements and binary data.
//!
//! An application implements two traits. A [`Namespace`] accepts or refuses clients; for each accepted client it returns
//! a [`SocketHandler`], which handles the client's events. [`SocketIo`] collects the namespaces and is the handler of an
//! [`EngineServer`](engineio::EngineServer). A complete echo server:
//!
//! ```
//! use std::rc::Rc;
//!
//! use actix_socketio::{
//!     ConnectRefusal, DisconnectReason, IncomingEvent, Namespace, Socket, SocketHandler, SocketIo,
//!     engineio::{EngineConfig, EngineServer, OpenRequest, SessionRegistry},
//! };
//! use actix_web::App;
//! use futures_util::{FutureExt, future::LocalBoxFuture};
//! use serde_json::Value;
//!
//! struct EchoNamespace;
//!
//! impl Namespace for EchoNamespace {
//!     fn connect(
//!         &self,
//!         socket: Socket,
//!         _auth: Value,
//!         _request: Rc<OpenRequest>,
//!     ) -> LocalBoxFuture<'static, Result<Box<dyn SocketHandler>, ConnectRefusal>> {
//!         async move { Ok(Box::new(EchoHandler(socket)) as Box<dyn SocketHandler>) }.boxed_local()
//!     }
//! }
//!
//! struct EchoHandler(Socket);
//!
//! impl SocketHandler for EchoHandler {
//!     fn on_event(&mut self, event: IncomingEvent) {
//!         // A tuple would become several arguments; a list becomes one.
//!         let _ = self.0.emit(&event.name, &event.args);
//!     }
//!     fn on_disconnect(&mut self, _reason: DisconnectReason) {}
//! }
//!
//! let sessions = SessionRegistry::default();
//! let factory = move || {
//!     let socketio = SocketIo::new().namespace("/", EchoNamespace);
//!     let server =
//!         EngineServer::new(EngineConfig::default(), sessions.clone(), Rc::new(socketio));
//!     App::new().configure(server.routes("/socket.io/"))
//! };
//! # let _ = factory;
//! ```
//!
//! `examples/echo.rs` adds binary data, acknowledgements, a command line, and the settings that the HTTP server needs
//! (see [`EngineServer`](engineio::EngineServer)).
//!
//! # Namespaces
//! [`SocketIo::namespace`] registers a namespace by its full name, such as `/` or `/news`. A client can be in several
//! namespaces over one connection; each has its own [`Socket`] with its own id. A CONNECT for an unknown name is answered
//! with the error `Invalid namespace`.
//!
//! # Clients of Socket.IO 2
//! [`EngineConfig::allow_eio3`](engineio::EngineConfig::allow_eio3) admits clients of Engine.IO 3. They are connected to `/` when
//! their session opens, without a CONNECT and without an auth payload: their credentials are in the headers of the request. A
//! refusal is the packet ERROR, which they emit as `error`. [`Socket::version`] distinguishes them. Events, acknowledgements, binary
//! data and other namespaces work as for all others.
//!
//! # Refusing a connection
//! A connection can be refused at two points. The first is the HTTP request that opens a session:
//! [`SocketIo::admit`] answers it with any status and body, before the server keeps any state. The value that it returns
//! for an admitted request lives as long as the session, so it can be a permit of a semaphore:
//!
//! ```
//! use std::sync::Arc;
//!
//! use actix_socketio::SocketIo;
//! use actix_web::{HttpResponse, error::InternalError};
//! use tokio::sync::Semaphore;
//!
//! fn limited(permits: Arc<Semaphore>) -> SocketIo {
//!     SocketIo::new().admit(move |_request| {
//!         permits.clone().try_acquire_owned().map_err(|error| {
//!             let response = HttpResponse::TooManyRequests().json("too many sessions");
//!             InternalError::from_response(error, response).into()
//!         })
//!     })
//! }
//! ```
//!
//! The second is the CONNECT to a namespace, which carries the auth payload: [`Namespace::connect`] returns a
//! [`ConnectRefusal`]. After [`ConnectRefusal::ConnectError`] the official client has the reason and does not retry on its
//! own. After [`ConnectRefusal::Close`] it loses its connection and reconnects on its own.
//!
//! ```
//! use actix_socketio::ConnectRefusal;
//! use serde_json::{Value, json};
//!
//! fn check(auth: &Value) -> Result<(), ConnectRefusal> {
//!     match auth["token"].as_str() {
//!         Some("valid") => Ok(()),
//!         Some(_) => Err(ConnectRefusal::message("UNAUTHORIZED")),
//!         None => Err(ConnectRefusal::ConnectError {
//!             message: "UNAUTHORIZED".into(),
//!             data: Some(json!({ "missing": "token" })),
//!         }),
//!     }
//! }
//! ```
//!
//! # Guarantees
//! - **Order.** The handler receives the events of one client in the order in which they were sent. The client receives
//!   frames in the order in which they were pushed, and the answer to its CONNECT before all of them.
//! - **No event is lost at the start.** The handler is in place before the CONNECT is answered.
//! - **One end.** [`on_disconnect`](SocketHandler::on_disconnect) is called exactly once for every handler, whatever ended
//!   the connection: the client, the server, the network, or a client that disconnects during its CONNECT. The only
//!   exception is a handler that panics: its session is closed and the handler is dropped without a call.
//!
//! # Acknowledgements
//! If a client requests an acknowledgement, [`IncomingEvent::ack`] contains an [`Ack`]: send it, store it for later, or
//! drop it to send none. The server requests an acknowledgement with [`Socket::emit_with_ack`]; the [`PendingAck`] that it
//! returns resolves with the client's [`AckResponse`] or with an [`AckError`]. A response that is unexpected or late is
//! ignored.
//!
//! # Binary data
//! Values that serialize as bytes, such as [`bytes::Bytes`], are sent as attachments. The attachments of an event arrive
//! beside its arguments, where an object `{"_placeholder":true,"num":0}` refers to each of them by index;
//! [`IncomingEvent::attachment`] resolves it. [`EventFrame::with_attachments`], [`Socket::emit_json_with_ack`] and
//! [`Ack::send_json`] accept arguments and attachments that already have this form.
//!
//! # Broadcasts and long series
//! An [`EventFrame`] is encoded once, and [`Socket::push`] sends it to any number of sockets of its namespace, which share
//! the bytes. Frames that a client has not received yet wait in its outbox, which
//! [`EngineConfig::outbox`](engineio::EngineConfig::outbox) bounds. When the outbox is full the client is closed as slow;
//! other clients are not delayed. To send a long series to one client, await [`Socket::drained_to`] between the events.
//!
//! # Connection state recovery
//! The crate provides the hooks for connection state recovery, and the application stores the state.
//! [`Socket::set_identity`] gives the client a private id (`pid`) and, for a recovered connection, its previous id. A
//! reconnecting client sends the `pid` and the offset of the last event it received in the auth payload of its CONNECT.
//! [`SocketHandler::on_heartbeat`] reports which pushed frames have arrived: those that were pushed before a ping have
//! arrived when the ping is answered. [`Socket::request_heartbeat`] sends a ping early.
//!
//! # Why a connection ends
//! [`DisconnectReason`] has a variant for every end: the client left the namespace, the server
//! [disconnected it](Socket::disconnect), or the session ended for a [`CloseReason`](engineio::CloseReason).
//! [`Socket::close`] ends the session with a reason of the application, and the official client reconnects on its own;
//! after [`disconnect`](Socket::disconnect) it does not.
//!
//! A session is closed if its client is in no namespace for
//! [`connect_timeout`](engineio::EngineConfig::connect_timeout), which refused and unanswered CONNECTs do not extend. It
//! is also closed for every packet that is malformed or
//! not allowed in the current state:
//!
//! - an event, an acknowledgement or a second CONNECT before the first CONNECT was answered;
//! - an event or an acknowledgement in a namespace that the client is not in;
//! - an event name that is reserved (`connect`, `connect_error`, `disconnect`, `disconnecting`, `newListener`,
//!   `removeListener`), or neither a string nor a number;
//! - an auth payload that is not an object;
//! - binary attachments that were not announced, do not arrive, or exceed the limits.
//!
//! The application decides whether the name and the arguments of an event are valid.
//!
//! # Rate limits
//! [`SocketIo::meter`] sets a [`PacketMeter`] for each session. It counts every packet before its content is read, and may
//! refuse it or close the session. An acknowledgement that the server did not request is ignored unread.
//!
//! # Limits
//! | subject | limit | consequence |
//! | --- | --- | --- |
//! | headers and query that a session keeps ([`SocketIo::trim_request`]) | 16 KiB | status 431 |
//! | a message, and a payload of several packets | [`max_payload`](engineio::EngineConfig::max_payload) | closed, or status 413 |
//! | packets in a payload | 16,384 | closed |
//! | fragments of a WebSocket message | 1,024 | closed |
//! | attachments of an event | 10, in total 1 MB or `max_payload`, whichever is larger | closed |
//! | time until the attachments arrive | [`attachments_timeout`](engineio::EngineConfig::attachments_timeout) | closed |
//! | nesting of a packet's JSON | 126 levels | what is nested deeper is read as `null`; see [`json`] |
//! | id of a requested acknowledgement | 2^63 - 1 | the event is handled without an acknowledgement |
//! | frames and bytes queued for a client | [`outbox`](engineio::EngineConfig::outbox) | closed as slow |
//! | pending acknowledgements of a socket | the number of frames that the outbox may hold | [`AckError::TooMany`] |

#![warn(missing_docs)]

pub mod engineio;
pub mod json;

mod ack;
mod connection;
mod decode;
mod error;
mod event;
mod frame;
mod handler;
mod id;
mod meter;
mod pending_ack;
mod server;
mod socket;

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;

pub use self::{
    ack::Ack,
    error::{AckError, ConnectRefusal, DisconnectReason, EncodeError},
    event::IncomingEvent,
    frame::EventFrame,
    handler::{Namespace, SocketHandler},
    id::random_id,
    meter::{MeterDecision, PacketMeter},
    pending_ack::{AckResponse, PendingAck},
    server::SocketIo,
    socket::{Socket, SocketIdentity},
};
