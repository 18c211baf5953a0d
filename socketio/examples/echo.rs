//! An echo server for both layers, with the behaviour that the protocols' own test suites expect.
//!
//! Engine.IO at `/engine.io/` echoes each message. Socket.IO at `/socket.io/` emits the client's auth payload as `auth`,
//! echoes `message` and `message-with-ack`, and answers `ask` with an event that requests an acknowledgement.

use std::{any::Any, io, net::TcpListener, rc::Rc, time::Duration};

use actix_socketio::{
    AckError, ConnectRefusal, DisconnectReason, EventFrame, IncomingEvent, Namespace, Socket,
    SocketHandler, SocketIo,
    engineio::{
        CloseReason, EngineConfig, EngineHandler, EngineServer, Frame, OpenRequest, SessionHandler,
        SessionRegistry, SessionSocket, Str,
    },
};
use actix_web::{
    App, Error, HttpServer,
    dev::{self, ServiceFactory, ServiceRequest, ServiceResponse},
    http::header::ACCESS_CONTROL_ALLOW_ORIGIN,
    middleware::DefaultHeaders,
    rt,
};
use bytes::Bytes;
use clap::Parser;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::Value;

/// The command line: the port, and the settings that test suites shorten.
#[derive(Parser)]
struct EchoArgs {
    #[arg(long, default_value_t = 3000)]
    port: u16,
    #[arg(long, default_value = "300ms", value_parser = humantime::parse_duration)]
    ping_interval: Duration,
    #[arg(long, default_value = "200ms", value_parser = humantime::parse_duration)]
    ping_timeout: Duration,
    #[arg(long, default_value_t = 1_000_000)]
    max_payload: usize,
    #[arg(long, default_value = "1s", value_parser = humantime::parse_duration)]
    connect_timeout: Duration,
    /// Serves clients of Engine.IO 3, too.
    #[arg(long)]
    allow_eio3: bool,
}

/// The time that a client may take to acknowledge an event.
const ACK_TIMEOUT: Duration = Duration::from_secs(10);

fn main() -> io::Result<()> {
    let args = EchoArgs::parse();
    let config = EngineConfig {
        ping_interval: args.ping_interval,
        ping_timeout: args.ping_timeout,
        max_payload: args.max_payload,
        connect_timeout: args.connect_timeout,
        allow_eio3: args.allow_eio3,
        ..EngineConfig::default()
    };
    let listener = TcpListener::bind(("127.0.0.1", args.port))?;
    println!("echo serves http://{}", listener.local_addr()?);
    rt::System::new().block_on(serve(listener, config, SessionRegistry::default())?)
}

/// Returns the application of a worker thread: both layers.
pub fn app(
    config: &EngineConfig,
    sessions: &SessionRegistry,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let namespaces = SocketIo::new()
        .namespace("/", EchoNamespace)
        .namespace("/custom", EchoNamespace);
    let engineio = EngineServer::new(config.clone(), sessions.clone(), Rc::new(EchoEngine));
    let socketio = EngineServer::new(config.clone(), sessions.clone(), Rc::new(namespaces));
    App::new()
        .wrap(DefaultHeaders::new().add((ACCESS_CONTROL_ALLOW_ORIGIN, "*")))
        .configure(engineio.routes("/engine.io/"))
        .configure(socketio.routes("/socket.io/"))
}

/// Serves both layers. The HTTP server has the settings that Engine.IO needs; pages of any origin may read the responses.
pub fn serve(
    listener: TcpListener,
    config: EngineConfig,
    sessions: SessionRegistry,
) -> io::Result<dev::Server> {
    let server = HttpServer::new(move || app(&config, &sessions))
        .workers(1)
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .client_disconnect_timeout(Duration::ZERO)
        .on_connect(|connection, _| set_tcp_user_timeout(connection, Duration::from_secs(5)))
        .listen(listener)?;
    Ok(server.run())
}

/// Makes the kernel close a connection whose peer has not acknowledged any data for `timeout`.
pub fn set_tcp_user_timeout(connection: &dyn Any, timeout: Duration) {
    if let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() {
        let socket = socket2::SockRef::from(stream);
        let _unsupported = socket.set_tcp_user_timeout(Some(timeout));
    }
}

/// An Engine.IO application that echoes each message.
pub struct EchoEngine;

impl EngineHandler for EchoEngine {
    fn open(&self, socket: SessionSocket, _request: OpenRequest) -> Box<dyn SessionHandler> {
        Box::new(EchoSession(socket))
    }
}

struct EchoSession(SessionSocket);

impl SessionHandler for EchoSession {
    fn on_text(&mut self, text: Str) {
        self.0.push(Frame::message(&text));
    }

    fn on_binary(&mut self, bytes: Bytes) {
        self.0.push(Frame::binary(bytes));
    }

    fn on_close(&mut self, _reason: CloseReason) {}
}

/// A Socket.IO namespace that echoes events.
pub struct EchoNamespace;

impl Namespace for EchoNamespace {
    fn connect(
        &self,
        socket: Socket,
        auth: Value,
        _request: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn SocketHandler>, ConnectRefusal>> {
        async move {
            socket
                .emit("auth", &auth)
                .map_err(|error| ConnectRefusal::message(error.to_string()))?;
            Ok(Box::new(EchoSocket(socket)) as Box<dyn SocketHandler>)
        }
        .boxed_local()
    }
}

struct EchoSocket(Socket);

impl SocketHandler for EchoSocket {
    fn on_event(&mut self, event: IncomingEvent) {
        let (args, attachments) = (json_texts(&event.args), event.attachments);
        match (event.name.as_str(), event.ack) {
            ("message", _) => emit_json(&self.0, "message-back", &args, attachments),
            ("message-with-ack", Some(ack)) => ack.send_json(&as_strs(&args), attachments),
            ("ask", _) => {
                rt::spawn(request_ack(self.0.clone(), args, attachments));
            }
            (_unknown, _) => {}
        }
    }

    fn on_disconnect(&mut self, _reason: DisconnectReason) {}
}

/// Sends `question` with the given arguments, then `answered` with the arguments of the client's acknowledgement.
async fn request_ack(
    socket: Socket,
    args: Vec<String>,
    attachments: Vec<Bytes>,
) -> Result<(), AckError> {
    let args = as_strs(&args);
    let ack = socket.emit_json_with_ack("question", &args, attachments, ACK_TIMEOUT)?;
    let response = ack.await?;
    let args = json_texts(&response.args);
    emit_json(&socket, "answered", &args, response.attachments);
    Ok(())
}

/// Sends an event from JSON texts and attachments.
fn emit_json(socket: &Socket, name: &str, args: &[String], attachments: Vec<Bytes>) {
    let (namespace, args) = (socket.namespace(), as_strs(args));
    socket.push(&EventFrame::with_attachments(
        namespace,
        name,
        &args,
        attachments,
    ));
}

fn json_texts(args: &[Value]) -> Vec<String> {
    args.iter().map(Value::to_string).collect()
}

fn as_strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
