//! A Socket.IO server for actix-web, on top of [`engineio`], for the official clients as they are.
//!
//! A [`Namespace`] decides who connects, and returns the [`Events`] that take what the client sends. [`SocketIo`]
//! gathers namespaces and is the application of an Engine.IO server:
//!
//! ```
//! use std::rc::Rc;
//!
//! use actix_web::App;
//! use futures_util::{FutureExt, future::LocalBoxFuture};
//! use vaultcast::{
//!     engineio::{Config, OpenRequest, Server, Sessions},
//!     socketio::{DisconnectReason, Events, IncomingEvent, Namespace, Refusal, Socket, SocketIo},
//! };
//!
//! /// Greets everybody who says a name.
//! struct Greeter;
//!
//! impl Namespace for Greeter {
//!     fn connect(
//!         &self,
//!         socket: Socket,
//!         auth: serde_json::Value,
//!         _request: Rc<OpenRequest>,
//!     ) -> LocalBoxFuture<'static, Result<Box<dyn Events>, Refusal>> {
//!         async move {
//!             let name = auth["name"].as_str().ok_or_else(|| Refusal::message("who are you?"))?;
//!             let _ = socket.emit("greeting", &format!("hello {name}"));
//!             Ok(Box::new(Greeted(socket)) as Box<dyn Events>)
//!         }
//!         .boxed_local()
//!     }
//! }
//!
//! struct Greeted(Socket);
//!
//! impl Events for Greeted {
//!     fn on_event(&mut self, event: IncomingEvent) {
//!         if event.name == "bye" {
//!             self.0.disconnect();
//!         }
//!     }
//!     fn on_disconnect(&mut self, _reason: DisconnectReason) {}
//! }
//!
//! let sessions = Sessions::default();
//! let factory = move || {
//!     let namespaces = SocketIo::new().namespace("/", Greeter);
//!     let server = Server::new(Config::default(), sessions.clone(), Rc::new(namespaces));
//!     App::new().configure(server.routes("/socket.io/"))
//! };
//! # let _ = factory;
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
//! # What closes a connection
//! Being in no namespace for [`connect_timeout`](crate::engineio::Config::connect_timeout), and every packet that is
//! malformed or comes when it must not: an event, an acknowledgement or a second CONNECT before the first was answered,
//! an event in a namespace that was not entered, an event whose name is reserved (`connect`, `connect_error`,
//! `disconnect`, `disconnecting`, `newListener`, `removeListener`) or is neither a string nor a number, an auth payload
//! that is no object, binary attachments that do not come, are too many or too heavy (10, 1 MB, 10 s). What an
//! event's arguments mean, and whether its name is known, is for the application to say.
//!
//! # Acknowledgements
//! Where the client asks for one, its event carries an [`Ack`]. The server asks with [`Socket::ask`], whose [`Answer`]
//! is what the client acknowledged, or that it did not in time. An acknowledgement that nobody waits for is ignored.
//!
//! # Binary data
//! Attachments of an event come beside its arguments, in which an object `{"_placeholder":true,"num":0}` says where
//! each of them stands; [`Frame::event_with`] and [`Ack::send_with`] send them the same way.

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
    socket::{Ack, Socket},
};
use crate::engineio::{self, Application, Connection, OpenRequest, Pass};

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
