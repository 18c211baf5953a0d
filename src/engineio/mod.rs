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
//! The client asks for a transport with `EIO=4&transport=polling` or `websocket`; the server's first packet, `0`,
//! tells it the session's id (a secret), the rules, and whether there is a transport to upgrade to. Messages are
//! packets that begin with `4`, or binary ones. When the connection has been quiet for the ping interval the server
//! sends `2`, and the client answers `3`.
//!
//! **Polling** takes two kinds of requests that name the session: a GET is answered as soon as something waits for
//! the client, with all of it; a POST brings packets and is answered `ok` when they have been taken. There may be one
//! of each at a time: a second one ends the session, and so does one that is given up. A payload over the limit is
//! answered 413. A client that does not poll finds its outbox full and is closed as any slow reader. Who is closed by
//! the server is told `1` by the poll that is parked or, for 30 seconds, by the next one; a session that ended in any
//! other way is unknown at once.
//!
//! **The upgrade.** Beside its polls the client opens a websocket that names the session, and probes it: `2probe`,
//! `3probe`. Its last poll is released with `6`; then it sends `5`, and from there on the websocket carries the
//! session. Nothing is lost, repeated or reordered: frames wait in one outbox whichever transport takes them out, and
//! the client sends by one transport at a time. A websocket that fails or never sends `5` changes nothing. All of
//! this may happen on different worker threads; session, outbox and whoever pushes stay where the session began.
//!
//! What a session receives is handled in the order it was sent, one message at a time, and the next one is not read
//! before. What is sent to it waits in an outbox with a bound; over it, the session is closed as
//! [slow](CloseReason::Slow), and nobody else waits.
//!
//! # Who may open a session
//! [`Application::admit`] decides, by the request that asks for it, and answers the others in its own words. Later requests
//! of a session need only its id. Which pages may read the answers, and whose are refused altogether, is for a middleware
//! around the server to say, as for any other resource; it sees polls and upgrades alike.
//!
//! # How a request is refused
//! With status 400 and one of these as JSON, `{"code":1,"message":"Session ID unknown"}`; [`HandshakeError`] has them
//! by name:
//!
//! | code | when |
//! | --- | --- |
//! | 0 | there is no such transport |
//! | 1 | there is no such session, or no more |
//! | 2 | a session is asked for by another method than GET |
//! | 3 | the request contradicts itself or its session: a websocket without an upgrade, a parameter twice, a second poll, a post that is none |
//! | 4 | the application does not admit it and says nothing else (403) |
//! | 5 | the version of the protocol is not 4 |
//!
//! A payload over the limit is answered 413, and its session goes on. Where a request's body is not read to its end, its
//! connection is closed behind the answer. A post that stays half sent ends with its session, at the next ping that is not
//! answered.
//!
//! # How a session ends
//! [`CloseReason`] has a name for every end, which is also the text of the websocket's close frame. Its code is 1002 for a
//! broken rule of the websocket, 1007 for text that is none, 1009 for a message that is too large or in too many pieces,
//! 1008 for a slow reader, 1001 when the server goes away, 1011 for a fault of the server's, and 1000 for all else.
//!
//! # What is expected of the HTTP server
//! - `tcp_nodelay(true)`, which actix-web does not set by itself: messages are small and must not wait for more.
//! - `h1_allow_half_closed(false)`, by which a poll that was given up is noticed before there is an answer to it.
//! - `client_disconnect_timeout(Duration::ZERO)`: after the farewell there is nothing to wait for, and by default each
//!   closed connection lingers five seconds.
//! - `TCP_USER_TIMEOUT` on each connection (in `on_connect`): a session that is closed is freed at once, but the
//!   connection of a peer that does not read ends only when the kernel gives it up.
//! - Better still, connections that are [wires](Wire), each with its [`Cutter`] among its data (`on_connect_ext`): then the
//!   websocket of a session that is cut short, as slow above all, is cut as well, a second later, descriptor and buffers.
//! - Draining before stopping: [`Sessions::close_all`], then [`Sessions::drained`], then stop the HTTP server.

#![warn(missing_docs)]

mod alias;
mod carrier;
mod config;
mod error;
mod frame;
mod handshake;
mod leash;
mod machine;
mod message;
mod meters;
mod outbox;
mod polls;
mod request;
mod session;
mod sessions;
mod socket;
mod ticker;
mod transport;
mod wire;

use std::{any::Any, rc::Rc, time::Instant};

use actix_web::{HttpRequest, HttpResponse, dev, web};
use bytes::Bytes;
use engineioxide_core::{Str, TransportType};

pub use self::{
    alias::Alias,
    config::{Config, OutboxBounds},
    error::{CloseReason, HandshakeError},
    frame::Frame,
    meters::Meters,
    request::OpenRequest,
    sessions::{SessionHandle, Sessions},
    socket::Socket,
    wire::{Cutter, Wire},
};
use self::{
    handshake::{Terms, Wish},
    session::{Admitted, Session},
    ticker::Ticker,
    transport::{WebSocket, polling, rest},
};

/// What sits on Engine.IO. There is one on each worker thread.
pub trait Application {
    /// Whether a request may open a session. What it is given is kept for as long as there is the session, so that it
    /// can be a place among so many. The error is the answer: [`HandshakeError::Forbidden`], or one's own with status
    /// and body. A request that names a session is not asked about again.
    fn admit(&self, request: &OpenRequest) -> Result<Pass, actix_web::Error> {
        let _ = request;
        Ok(Box::new(()))
    }

    /// A session has opened. What is pushed here already leaves right after the handshake.
    fn open(&self, socket: Socket, request: OpenRequest) -> Box<dyn Connection>;
}

/// What a session keeps for its application until it has gone; dropping it may give back a place.
pub type Pass = Box<dyn Any>;

/// The two halves of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    /// A ping was queued behind everything that was pushed so far.
    Sent,
    /// The client has answered the last ping.
    Answered,
}

/// The application's side of one session. Nothing is called after [`on_close`](Connection::on_close).
pub trait Connection {
    /// The client sent a text message.
    fn on_text(&mut self, text: Str);

    /// The client sent a binary message.
    fn on_binary(&mut self, bytes: Bytes);

    /// The session is over.
    fn on_close(&mut self, reason: CloseReason);

    /// The heart has beaten: what was pushed before a ping has arrived when the ping is answered.
    fn on_heartbeat(&mut self, beat: Heartbeat) {
        let _ = beat;
    }

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
    meters: Rc<Meters>,
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
            meters: Rc::default(),
            sessions,
            application,
            ticker,
        }))
    }

    /// Counts here what becomes of its sessions.
    #[must_use]
    pub fn metered(mut self, meters: Meters) -> Self {
        let served = Rc::get_mut(&mut self.0).expect("it serves no path yet");
        served.meters = Rc::new(meters);
        self
    }

    /// Serves `path`, with and without a slash at its end; for [`App::configure`](actix_web::App::configure).
    pub fn routes(&self, path: &str) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let bare = path.trim_end_matches('/');
        let paths = [bare.to_owned(), format!("{bare}/")];
        let served = self.0.clone();
        move |config| {
            let handle = move |request, body| serve(served.clone(), request, body);
            config.service(web::resource(paths).route(web::route().to(handle)));
        }
    }
}

async fn serve(served: Rc<Served>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let mut body = body.into_inner();
    let answer = answer(&served, &request, &mut body).await;
    rest::close_behind(answer.unwrap_or_else(HttpResponse::from_error), body)
}

async fn answer(
    served: &Served,
    request: &HttpRequest,
    body: &mut dev::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let limit = served.config.max_payload;
    match handshake::read(request, &served.sessions)? {
        Wish::Open(terms) => open(served, terms, request, body).await,
        Wish::Poll(session) => Ok(polling::poll(session).await?),
        Wish::Post(session) => Ok(polling::post(session, request, body, limit).await?),
        Wish::Upgrade(session) => {
            let (response, websocket) = WebSocket::accept(request, body.take(), limit).await?;
            websocket.offer(session);
            Ok(response)
        }
    }
}

async fn open(
    served: &Served,
    terms: Terms,
    http: &HttpRequest,
    body: &mut dev::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let request = OpenRequest::of(http);
    let pass = served.application.admit(&request)?;
    let admitted = Admitted {
        terms,
        request,
        pass,
    };
    match terms.transport {
        TransportType::Polling => {
            let session = Session::start_polling(served, admitted);
            Ok(polling::poll(session).await?)
        }
        TransportType::Websocket => {
            let limit = served.config.max_payload;
            let (response, websocket) = WebSocket::accept(http, body.take(), limit).await?;
            Session::start_websocket(served, admitted, websocket);
            Ok(response)
        }
    }
}
