//! A Socket.IO server for actix-web, on top of [`engineio`], for the official clients as they are.
//!
//! A [`Namespace`] decides who connects, and returns the [`Events`] that take what the client sends. [`SocketIo`]
//! gathers namespaces and is the application of an Engine.IO server. An echo, whole:
//!
//! ```
//! use std::rc::Rc;
//!
//! use actix_web::App;
//! use futures_util::{FutureExt, future::LocalBoxFuture};
//! use serde_json::Value;
//! use vaultcast::{
//!     engineio::{Config, OpenRequest, Server, Sessions},
//!     socketio::{DisconnectReason, Events, IncomingEvent, Namespace, Refusal, Socket, SocketIo},
//! };
//!
//! struct Echo;
//!
//! impl Namespace for Echo {
//!     fn connect(
//!         &self,
//!         socket: Socket,
//!         _auth: Value,
//!         _request: Rc<OpenRequest>,
//!     ) -> LocalBoxFuture<'static, Result<Box<dyn Events>, Refusal>> {
//!         async move { Ok(Box::new(Echoing(socket)) as Box<dyn Events>) }.boxed_local()
//!     }
//! }
//!
//! struct Echoing(Socket);
//!
//! impl Events for Echoing {
//!     fn on_event(&mut self, event: IncomingEvent) {
//!         // A tuple would be several arguments; a list is one.
//!         let _ = self.0.emit(&event.name, &event.args);
//!     }
//!     fn on_disconnect(&mut self, _reason: DisconnectReason) {}
//! }
//!
//! let sessions = Sessions::default();
//! let factory = move || {
//!     let namespaces = SocketIo::new().namespace("/", Echo);
//!     let server = Server::new(Config::default(), sessions.clone(), Rc::new(namespaces));
//!     App::new().configure(server.routes("/socket.io/"))
//! };
//! # let _ = factory;
//! ```
//!
//! `examples/echo.rs` is the same with binary data, a command line and the settings that an HTTP server needs under it
//! (see [`engineio`]).
//!
//! # Namespaces
//! A server has as many as it was given ([`SocketIo::namespace`]), each by its whole name, such as `/` or `/news`. A
//! client enters several over one connection; each entrance is a [`Socket`] with an id of its own. A CONNECT for a name
//! that there is not is answered with the error `Invalid namespace`.
//!
//! # Refusing a connection
//! It can be refused at two doors. The first is the HTTP request that opens the session, before anything is kept of
//! it: [`SocketIo::admit`] answers it with a status and body of the application's. What is returned for one that is
//! admitted lives as long as the session, so that places can be counted:
//!
//! ```
//! use std::sync::Arc;
//!
//! use actix_web::{HttpResponse, error::InternalError};
//! use tokio::sync::Semaphore;
//! use vaultcast::socketio::SocketIo;
//!
//! fn at_most(places: Arc<Semaphore>) -> SocketIo {
//!     SocketIo::new().admit(move |_request| {
//!         places.clone().try_acquire_owned().map_err(|full| {
//!             let told = HttpResponse::TooManyRequests().json("come back later");
//!             InternalError::from_response(full, told).into()
//!         })
//!     })
//! }
//! ```
//!
//! The second is the CONNECT to a namespace, with the auth payload: [`Namespace::connect`] returns a [`Refusal`]. By
//! [`Refusal::ConnectError`] the official client is told why and stays away; by [`Refusal::Close`] its connection is
//! lost, and it tries again by itself.
//!
//! ```
//! # use serde_json::{Value, json};
//! # use vaultcast::socketio::Refusal;
//! fn check(auth: &Value) -> Result<(), Refusal> {
//!     match auth["token"].as_str() {
//!         Some("open sesame") => Ok(()),
//!         Some(_) => Err(Refusal::message("UNAUTHORIZED")),
//!         None => Err(Refusal::ConnectError {
//!             message: "UNAUTHORIZED".into(),
//!             data: Some(json!({ "missing": "token" })),
//!         }),
//!     }
//! }
//! ```
//!
//! # What is promised
//! - **Order.** Events of one client reach its handlers in the order sent; what is sent to it arrives in the order
//!   pushed, and the answer to its CONNECT before everything else.
//! - **No event is lost at the start.** The handlers stand before the CONNECT is answered.
//! - **One end.** Whoever was given as [`Events`] hears [`on_disconnect`](Events::on_disconnect) once, whatever ended
//!   the connection: the client, the server, the network, or a client that gave up while its CONNECT was under way.
//!   Only a handler that panics takes its connection down without a word; what it holds is dropped all the same.
//!
//! # Acknowledgements
//! Where the client asks for one, its event carries an [`Ack`]: send it, keep it for later, or drop it, by which nothing
//! is acknowledged. The server asks with [`Socket::ask`], whose [`Answer`] is what the client acknowledged, or that it
//! did not in time. An acknowledgement that nobody waits for is ignored; so is one that comes too late.
//!
//! # Binary data
//! Whatever serialises as bytes, such as [`Bytes`], leaves as an attachment. Attachments of an event come
//! beside its arguments, in which an object `{"_placeholder":true,"num":0}` says where each of them stands;
//! [`IncomingEvent::attachment`] finds it. [`Frame::event_with`], [`Socket::ask_with`] and [`Ack::send_with`] send
//! arguments and attachments that are in this form already.
//!
//! # Sending to many, and sending much
//! A [`Frame`] is encoded once; [`Socket::push`] sends it to any number of sockets of its namespace, which share its
//! bytes. What a client does not take waits in its outbox, whose bounds are in
//! [`Config`](crate::engineio::Config); over them it is closed as slow, and nobody else waits. Who has much to say to one
//! client awaits [`Socket::drained`] in between.
//!
//! # Why a connection ends
//! [`DisconnectReason`] has a name for every end: the client left the namespace, the server
//! [made it leave](Socket::disconnect), or the session under it ended, and why. [`Socket::close`] ends the session for
//! a reason of the application's, by which the official client comes back by itself; after
//! [`disconnect`](Socket::disconnect) it stays away.
//!
//! A connection is closed for being in no namespace for
//! [`connect_timeout`](crate::engineio::Config::connect_timeout), and for every packet that is malformed or comes when it
//! must not: an event, an acknowledgement or a second CONNECT before the first was answered, an event in a namespace
//! that was not entered, an event whose name is reserved (`connect`, `connect_error`, `disconnect`, `disconnecting`,
//! `newListener`, `removeListener`) or is neither a string nor a number, an auth payload that is no object, and binary
//! attachments that were not announced, do not come, or are over the limits. What an event's arguments mean, and whether
//! its name is known, is for the application to say.
//!
//! # Limits
//! | what | how much | over it |
//! | --- | --- | --- |
//! | a message, a payload of several | [`max_payload`](crate::engineio::Config::max_payload) | closed, 413 |
//! | packets in a payload | 16,384 | closed |
//! | pieces of a message | 1,024 | closed |
//! | attachments of an event | 10, together 1 MB or `max_payload` | closed |
//! | the wait for them | [`attachments_timeout`](crate::engineio::Config::attachments_timeout) | closed |
//! | depth of an event's JSON | 127 | closed |
//! | the number of an acknowledgement | 2^63 - 1 | the event is taken, and not acknowledged |
//! | frames and bytes that wait for a client | [`outbox`](crate::engineio::Config::outbox) | closed as slow |
//! | acknowledgements that are waited for | as many as frames may wait | [`AckError::TooMany`] |

#![warn(missing_docs)]

mod ack;
mod client;
mod error;
mod frame;
mod socket;

use std::{collections::HashMap, rc::Rc};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

pub use self::{
    ack::{Acknowledged, Answer},
    error::{AckError, DisconnectReason, EncodeError, Refusal},
    frame::Frame,
    socket::{Ack, Socket, new_id},
};
use crate::engineio::{self, Application, Connection, Heartbeat, OpenRequest, Pass};

/// Decides who connects to a namespace. There is one on each worker thread.
pub trait Namespace {
    /// A client asks to connect, with the auth payload it gives (an empty object if none) and the request that opened
    /// its session. What is sent on `socket` meanwhile leaves after the answer.
    ///
    /// A client that gives up before the answer drops the future where it stands.
    fn connect(
        &self,
        socket: Socket,
        auth: Value,
        request: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn Events>, Refusal>>;
}

/// Takes what a connected client sends.
pub trait Events {
    /// The client sent an event.
    fn on_event(&mut self, event: IncomingEvent);

    /// The client is no longer connected to the namespace. The last call.
    fn on_disconnect(&mut self, reason: DisconnectReason);

    /// The heart of the connection has beaten; see [`Connection::on_heartbeat`].
    fn on_heartbeat(&mut self, beat: Heartbeat) {
        let _ = beat;
    }
}

/// An event that a client sent.
pub struct IncomingEvent {
    /// What it is called; a name that was a number, as its digits.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// Its binary attachments, whose places the arguments tell.
    pub attachments: Vec<Bytes>,
    /// Where the client asked for an acknowledgement, the way to give it.
    pub ack: Option<Ack>,
}

impl IncomingEvent {
    /// The binary data for which a value of the arguments stands, if it stands for any.
    ///
    /// ```
    /// # use vaultcast::socketio::IncomingEvent;
    /// fn picture(event: &IncomingEvent) -> Option<&[u8]> {
    ///     let picture = event.args.first()?.get("picture")?;
    ///     event.attachment(picture).map(|bytes| &bytes[..])
    /// }
    /// ```
    pub fn attachment(&self, value: &Value) -> Option<&Bytes> {
        frame::attachment(value, &self.attachments)
    }
}

/// Namespaces by name.
type Namespaces = HashMap<Box<str>, Box<dyn Namespace>>;

/// The namespaces of a server: an [`Application`] for an Engine.IO server.
#[derive(Default)]
pub struct SocketIo {
    namespaces: Rc<Namespaces>,
    admit: Option<Box<Admit>>,
}

type Admit = dyn Fn(&OpenRequest) -> Result<Pass, actix_web::Error>;

impl SocketIo {
    /// A server without namespaces.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a namespace. Its name begins with a slash; the default one is the slash alone.
    pub fn namespace(mut self, name: &str, namespace: impl Namespace + 'static) -> Self {
        let namespaces = Rc::get_mut(&mut self.namespaces).expect("no client has connected yet");
        namespaces.insert(name.into(), Box::new(namespace));
        self
    }

    /// Decides which requests may open a session; without it, all may. What a session is given here is kept as long
    /// as it lives: nothing (`()`), or a guard that counts. See [`Application::admit`].
    pub fn admit<T: 'static>(
        mut self,
        admit: impl Fn(&OpenRequest) -> Result<T, actix_web::Error> + 'static,
    ) -> Self {
        let admit = move |request: &OpenRequest| admit(request).map(|pass| Box::new(pass) as Pass);
        self.admit = Some(Box::new(admit));
        self
    }
}

impl Application for SocketIo {
    fn admit(&self, request: &OpenRequest) -> Result<Pass, actix_web::Error> {
        match &self.admit {
            Some(admit) => admit(request),
            None => Ok(Box::new(())),
        }
    }

    fn open(&self, socket: engineio::Socket, request: OpenRequest) -> Box<dyn Connection> {
        Box::new(client::Client::new(
            self.namespaces.clone(),
            socket,
            request,
        ))
    }
}
