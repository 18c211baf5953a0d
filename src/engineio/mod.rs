//! An Engine.IO 4 server for actix-web: sessions that carry messages both ways, whatever carries the session.
//!
//! An [`Application`] gets a [`Socket`] for each session and returns the [`Connection`] that takes its messages. A
//! [`Server`] is built once per worker thread, over one directory of [`Sessions`] that all threads share:
//!
//! ```
//! use std::rc::Rc;
//!
//! use actix_web::App;
//! use bytes::Bytes;
//! use engineioxide_core::Str;
//! use vaultcast::engineio::{
//!     Application, CloseReason, Config, Connection, Frame, OpenRequest, Server, Sessions, Socket,
//! };
//!
//! /// Sends back whatever it is sent.
//! struct Echo;
//!
//! impl Application for Echo {
//!     fn open(&self, socket: Socket, _request: OpenRequest) -> Box<dyn Connection> {
//!         Box::new(Echoing(socket))
//!     }
//! }
//!
//! struct Echoing(Socket);
//!
//! impl Connection for Echoing {
//!     fn on_text(&mut self, text: Str) {
//!         self.0.push(Frame::message(&text));
//!     }
//!     fn on_binary(&mut self, bytes: Bytes) {
//!         self.0.push(Frame::binary(bytes));
//!     }
//!     fn on_close(&mut self, _reason: CloseReason) {}
//! }
//!
//! let sessions = Sessions::default();
//! let factory = move || {
//!     let server = Server::new(Config::default(), sessions.clone(), Rc::new(Echo));
//!     App::new().configure(server.routes("/engine.io/"))
//! };
//! # let _ = factory;
//! ```
//!
//! # How a session runs
//! The client asks for a websocket with `EIO=4&transport=websocket`; the server's first packet, `0`, tells it the
//! session's id and the rules. Messages are packets that begin with `4`, or binary frames. When the connection has
//! been quiet for the ping interval the server sends `2`, and the client answers `3`. (Long polling and the
//! upgrade from it are not served yet: such a request is answered "Transport unknown".)
//!
//! What a session receives is handled in the order it was sent, one message at a time, and the next one is not read
//! before. What is sent to it waits in an outbox with a bound; over it, the session is closed as
//! [slow](CloseReason::Slow), and nobody else waits.
//!
//! # What is expected of the HTTP server
//! - `tcp_nodelay(true)`, which actix-web does not set by itself: messages are small and must not wait for more.
//! - `client_disconnect_timeout(Duration::ZERO)`: after the farewell there is nothing to wait for, and by default each
//!   closed connection lingers five seconds.
//! - `TCP_USER_TIMEOUT` on each connection (in `on_connect`): a session that is closed is freed at once, but the
//!   connection of a peer that does not read ends only when the kernel gives it up.
//! - Draining before stopping: [`Sessions::close_all`], then [`Sessions::drained`], then stop the HTTP server.

#![warn(missing_docs)]

mod config;
mod error;
mod frame;
mod handshake;
mod machine;
mod outbox;
mod request;
mod session;
mod sessions;
mod socket;
mod ticker;
mod transport;

use std::{rc::Rc, time::Instant};

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use engineioxide_core::Str;

pub use self::{
    config::Config,
    error::{CloseReason, HandshakeError},
    frame::Frame,
    request::OpenRequest,
    sessions::Sessions,
    socket::Socket,
};
use self::{session::Session, ticker::Ticker, transport::WebSocket};

/// What sits on Engine.IO. There is one on each worker thread.
pub trait Application {
    /// Whether a request may open a session. The error is the answer: [`HandshakeError::Forbidden`] or one's own.
    fn admit(&self, request: &OpenRequest) -> Result<(), actix_web::Error> {
        let _ = request;
        Ok(())
    }

    /// A session has opened. What is pushed here already leaves right after the handshake.
    fn open(&self, socket: Socket, request: OpenRequest) -> Box<dyn Connection>;
}

/// The application's side of one session. Nothing is called after [`on_close`](Connection::on_close).
pub trait Connection {
    /// The client sent a text message.
    fn on_text(&mut self, text: Str);

    /// The client sent a binary message.
    fn on_binary(&mut self, bytes: Bytes);

    /// The session is over.
    fn on_close(&mut self, reason: CloseReason);

    /// When this wants to be called although nothing arrives; asked after each call of the others.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Someone called [`Socket::wake`], or a deadline has come: the connection's own or the session's.
    fn on_wake(&mut self, now: Instant) {
        let _ = now;
    }
}

/// An Engine.IO server on one worker thread.
#[derive(Clone)]
pub struct Server(Rc<Served>);

/// What all sessions of a worker thread share.
struct Served {
    config: Rc<Config>,
    sessions: Sessions,
    application: Rc<dyn Application>,
    ticker: Rc<Ticker>,
}

impl Server {
    /// A server for this worker thread, whose sessions are entered in `sessions`.
    pub fn new(config: Config, sessions: Sessions, application: Rc<dyn Application>) -> Self {
        let (config, ticker) = (Rc::new(config), Rc::default());
        Self(Rc::new(Served {
            config,
            sessions,
            application,
            ticker,
        }))
    }

    /// Serves `path`, with and without a slash at its end; for [`App::configure`](actix_web::App::configure).
    pub fn routes(&self, path: &str) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let bare = path.trim_end_matches('/');
        let paths = [bare.to_owned(), format!("{bare}/")];
        let served = self.0.clone();
        move |config| {
            let handle = move |request, body| open(served.clone(), request, body);
            config.service(web::resource(paths).route(web::route().to(handle)));
        }
    }
}

async fn open(
    served: Rc<Served>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    handshake::check(&request, &served.sessions)?;
    let opening = OpenRequest::of(&request);
    served.application.admit(&opening)?;
    let (response, websocket) =
        WebSocket::accept(&request, body, served.config.max_payload).await?;
    Session::start(&served, opening, websocket);
    Ok(response)
}
