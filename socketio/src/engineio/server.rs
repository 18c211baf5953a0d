//! The Engine.IO server of a worker thread: it answers the HTTP requests that open sessions and those that name one.

use std::rc::Rc;

use actix_web::{HttpRequest, HttpResponse, dev, web};
use engineioxide_core::TransportType;

use super::{
    config::EngineConfig,
    error::HandshakeError,
    handler::EngineHandler,
    handshake::{self, HandshakeParams, HandshakeRequest},
    observer::{NoopObserver, SessionObserver},
    open_request::OpenRequest,
    registry::SessionRegistry,
    session::actor::{AdmittedRequest, SessionActor},
    transport::{
        polling::{self, PostOptions},
        unread_body::close_connection_if_unread,
        websocket::{WebSocketOptions, accept::AcceptedWebSocket},
    },
    worker::WorkerState,
};

/// An Engine.IO 4 server on one worker thread.
///
/// An [`EngineHandler`] receives a [`SessionSocket`](super::SessionSocket) for each session and returns the
/// [`SessionHandler`](super::SessionHandler) that receives its messages. Each worker thread has a server; all of them
/// share one [`SessionRegistry`]:
///
/// ```
/// use std::rc::Rc;
///
/// use actix_socketio::engineio::{
///     CloseReason, EngineConfig, EngineHandler, EngineServer, Frame, OpenRequest, SessionHandler, SessionRegistry,
///     SessionSocket,
/// };
/// use actix_web::App;
/// use bytes::Bytes;
/// use engineioxide_core::Str;
///
/// /// Returns every message to its sender.
/// struct Echo;
///
/// impl EngineHandler for Echo {
///     fn open(&self, socket: SessionSocket, _request: OpenRequest) -> Box<dyn SessionHandler> {
///         Box::new(EchoSession(socket))
///     }
/// }
///
/// struct EchoSession(SessionSocket);
///
/// impl SessionHandler for EchoSession {
///     fn on_text(&mut self, text: Str) {
///         self.0.push(Frame::message(&text));
///     }
///     fn on_binary(&mut self, bytes: Bytes) {
///         self.0.push(Frame::binary(bytes));
///     }
///     fn on_close(&mut self, _reason: CloseReason) {}
/// }
///
/// let registry = SessionRegistry::default();
/// let factory = move || {
///     let server = EngineServer::new(EngineConfig::default(), registry.clone(), Rc::new(Echo));
///     App::new().configure(server.routes("/engine.io/"))
/// };
/// # let _ = factory;
/// ```
///
/// # Sessions
/// A request with `EIO=4&transport=polling` or `websocket` opens a session. The first packet of the server, `0`, contains
/// the session's id (a secret), the parameters, and the possible upgrades. Messages are packets of type `4`, or binary.
/// After each ping interval the server sends `2`, and the client answers `3`. With `b64=1`, a websocket receives binary
/// messages as text. Of the subprotocols that a websocket requests, the first is selected. Of a repeated query parameter the
/// last value counts; others, also `j` (JSONP), are ignored.
///
/// Messages of a client are handled in the order sent, one at a time; the next one is read after that. Frames to a client
/// are queued in a bounded outbox. A frame over the bounds closes the session as
/// [slow](super::CloseReason::Slow); other sessions are not affected.
///
/// **Polling** uses two kinds of requests that name the session. A GET is answered as soon as frames are queued, with all
/// of them. A POST delivers packets and is answered `ok` when they were handled. There may be one request of each kind at
/// a time: a second one ends the session, and so does a request that the client aborts. A payload over the limit is
/// answered 413 and does not end the session. A POST that is never completed ends with its session, at the next
/// unanswered ping. A client that does not poll fills its outbox and is closed as slow.
///
/// If the server closes the session of an active client, its pending poll is answered as that of an unknown session (400,
/// code 1). If no poll is pending, the session waits 30 seconds for one, which receives the queued frames; the poll after
/// it receives that answer. Clients treat the answer as a lost transport and reconnect; after a close packet, clients in
/// Python and Rust do not reconnect. After any other end the session is unknown at once. Only a poll that is pending when
/// the client itself closes is answered `6`.
///
/// **Upgrade**: a polling client opens a websocket that names the session and probes it (`2probe`, `3probe`). The server
/// answers the client's last poll with `6`; the client sends `5`, and the websocket becomes the transport. No message is
/// lost, repeated or reordered: frames are queued in the same outbox for both transports, and the client sends on one
/// transport at a time. A websocket that fails or never sends `5` changes nothing. The websocket may arrive on another
/// worker thread; session and outbox stay where the session began.
///
/// **Version 3** (`EIO=3`), the version of Socket.IO 2, is refused unless
/// [`allow_eio3`](super::EngineConfig::allow_eio3) is set. There the client sends `2`, and the server answers `3`. Packets of a
/// polling payload have a length in UTF-16 code units before them (`6:4hello2:40`), and a payload with binary messages is binary
/// unless the client requests base64 with `b64`. A binary message begins with the byte 4. JSONP is not supported in this version
/// either: a client that is restricted to it cannot connect. All else is as in version 4.
///
/// # Admission
/// [`EngineHandler::admit`] decides whether a request may open a session, and [`EngineHandler::trim_request`] what the session
/// keeps of it, at most 16 KiB. CORS and allowed origins belong in a middleware
/// around the server, which sees polls and upgrades alike. Refusals are described at
/// [`HandshakeError`](super::HandshakeError), ends of sessions at [`CloseReason`](super::CloseReason). If a request's body
/// was not read to its end, its connection is closed after the response.
///
/// # Settings of the HTTP server
/// - `tcp_nodelay(true)`, which actix-web does not set by default: messages are small and must not be delayed.
/// - `h1_allow_half_closed(false)`: the server then detects an aborted poll before it has a response for it.
/// - `max_connections`: by default a worker thread takes 25,600 connections, and further ones wait unanswered.
/// - `client_disconnect_timeout(Duration::ZERO)`: by default each closed connection lingers for five seconds.
/// - `TCP_USER_TIMEOUT` on each connection (in `on_connect`): a closed session is freed at once, but the connection of a
///   peer that does not read ends only when the kernel times out.
/// - Better, connections that are an [`AbortableStream`](super::AbortableStream), each with its
///   [`AbortHandle`](super::AbortHandle) in its connection data (`on_connect_ext`): one second after a session was closed
///   as slow, its connection is aborted, and descriptor and kernel buffers are freed.
/// - Connections of websockets can leave the HTTP server: see [`answer_upgrade`](super::answer_upgrade).
/// - Before the HTTP server stops, drain the sessions; see [`SessionRegistry`].
#[derive(Clone)]
pub struct EngineServer(Rc<WorkerState>);

impl EngineServer {
    /// Creates a server for this worker thread, whose sessions are registered in `registry`.
    pub fn new(
        config: EngineConfig,
        registry: SessionRegistry,
        handler: Rc<dyn EngineHandler>,
    ) -> Self {
        Self(Rc::new(WorkerState {
            config: Rc::new(config),
            observer: Rc::new(NoopObserver),
            registry,
            handler,
            timer: Rc::default(),
            flusher: Rc::default(),
        }))
    }

    /// Reports measurements of the sessions to `observer`.
    ///
    /// # Panics
    /// If [`routes`](EngineServer::routes) was called before.
    #[must_use]
    pub fn with_observer(mut self, observer: Rc<dyn SessionObserver>) -> Self {
        let worker = Rc::get_mut(&mut self.0).expect("the observer is set before the routes");
        worker.observer = observer;
        self
    }

    /// Returns a configuration for [`App::configure`](actix_web::App::configure) that serves `path`, with and without a
    /// trailing slash.
    pub fn routes(&self, path: &str) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
        let bare = path.trim_end_matches('/');
        let paths = [bare.to_owned(), format!("{bare}/")];
        let worker = self.0.clone();
        move |config| {
            let handle = move |request, body| serve(worker.clone(), request, body);
            config.service(web::resource(paths).route(web::route().to(handle)));
        }
    }
}

async fn serve(worker: Rc<WorkerState>, request: HttpRequest, body: web::Payload) -> HttpResponse {
    let mut body = body.into_inner();
    let response = dispatch(&worker, &request, &mut body).await;
    close_connection_if_unread(response.unwrap_or_else(HttpResponse::from_error), body)
}

async fn dispatch(
    worker: &Rc<WorkerState>,
    request: &HttpRequest,
    body: &mut dev::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let max_payload = worker.config.max_payload;
    match handshake::parse(request, &worker.config, &worker.registry)? {
        HandshakeRequest::Open(params) => open(worker, params, request, body).await,
        HandshakeRequest::Poll(session) => Ok(polling::poll(session).await?),
        HandshakeRequest::Post(session, version) => {
            let options = PostOptions {
                version,
                max_payload,
            };
            Ok(polling::post(session, request, body, options).await?)
        }
        HandshakeRequest::Upgrade(session, binary) => {
            let options = WebSocketOptions {
                max_message: max_payload,
                binary,
            };
            let accepted = AcceptedWebSocket::accept(request, body.take(), options);
            let (response, websocket) = accepted.await?;
            websocket.offer_upgrade(session);
            Ok(response)
        }
    }
}

async fn open(
    worker: &Rc<WorkerState>,
    params: HandshakeParams,
    request: &HttpRequest,
    body: &mut dev::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let mut copy = OpenRequest::from_http(request);
    let permit = worker.handler.admit(&copy)?;
    worker.handler.trim_request(&mut copy);
    if !copy.may_be_kept() {
        return Err(HandshakeError::HeadersTooLarge.into());
    }
    let admitted = AdmittedRequest {
        params,
        request: copy,
        permit,
    };
    match params.transport {
        TransportType::Polling => {
            let session = SessionActor::start_polling(worker, admitted);
            Ok(polling::poll(session).await?)
        }
        TransportType::Websocket => {
            let options = WebSocketOptions {
                max_message: worker.config.max_payload,
                binary: params.binary,
            };
            let accepted = AcceptedWebSocket::accept(request, body.take(), options);
            let (response, websocket) = accepted.await?;
            SessionActor::start_websocket(worker, admitted, websocket);
            Ok(response)
        }
    }
}
