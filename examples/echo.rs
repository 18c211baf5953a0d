//! The smallest server on the layer, as the protocols' own suites want it: Engine.IO at `/engine.io/` echoes each
//! message; Socket.IO at `/socket.io/` shows a client its auth payload, echoes `message` and `message-with-ack`, and at
//! `ask` asks for an acknowledgement itself.

use std::{any::Any, io, net::TcpListener, rc::Rc, time::Duration};

use actix_web::{
    App, HttpServer, dev, http::header::ACCESS_CONTROL_ALLOW_ORIGIN, middleware::DefaultHeaders, rt,
};
use bytes::Bytes;
use clap::Parser;
use engineioxide_core::Str;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::Value;
use vaultcast::{
    engineio::{
        Application, CloseReason, Config, Connection, Frame, OpenRequest, Server, Sessions, Socket,
    },
    socketio::{
        self, AckError, DisconnectReason, Events, IncomingEvent, Namespace, Refusal, SocketIo,
    },
};

/// Where to listen, and the settings that suites like to shorten.
#[derive(Parser)]
struct Options {
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
}

/// How long an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(10);

fn main() -> io::Result<()> {
    let options = Options::parse();
    let config = Config {
        ping_interval: options.ping_interval,
        ping_timeout: options.ping_timeout,
        max_payload: options.max_payload,
        connect_timeout: options.connect_timeout,
        ..Config::default()
    };
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    println!("echo serves http://{}", listener.local_addr()?);
    rt::System::new().block_on(serve(listener, config, Sessions::default())?)
}

/// Serves both echoes. The settings of the HTTP server are those that the layer expects.
pub fn serve(listener: TcpListener, config: Config, sessions: Sessions) -> io::Result<dev::Server> {
    let server = HttpServer::new(move || {
        let namespaces = SocketIo::new()
            .namespace("/", Echo)
            .namespace("/custom", Echo);
        let engine = Server::new(config.clone(), sessions.clone(), Rc::new(Echo));
        let socketio = Server::new(config.clone(), sessions.clone(), Rc::new(namespaces));
        App::new()
            .wrap(DefaultHeaders::new().add((ACCESS_CONTROL_ALLOW_ORIGIN, "*")))
            .configure(engine.routes("/engine.io/"))
            .configure(socketio.routes("/socket.io/"))
    });
    let server = server
        .workers(1)
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .client_disconnect_timeout(Duration::ZERO)
        .on_connect(|connection, _| give_up_unread(connection, Duration::from_secs(5)))
        .listen(listener)?;
    Ok(server.run())
}

/// Has the kernel end the connection of a peer that has read nothing for a while.
pub fn give_up_unread(connection: &dyn Any, after: Duration) {
    if let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() {
        let socket = socket2::SockRef::from(stream);
        let _unsupported = socket.set_tcp_user_timeout(Some(after));
    }
}

/// Sends back whatever it is sent.
pub struct Echo;

impl Application for Echo {
    fn open(&self, socket: Socket, _request: OpenRequest) -> Box<dyn Connection> {
        Box::new(Messages(socket))
    }
}

struct Messages(Socket);

impl Connection for Messages {
    fn on_text(&mut self, text: Str) {
        self.0.push(Frame::message(&text));
    }

    fn on_binary(&mut self, bytes: Bytes) {
        self.0.push(Frame::binary(bytes));
    }

    fn on_close(&mut self, _reason: CloseReason) {}
}

impl Namespace for Echo {
    fn connect(
        &self,
        socket: socketio::Socket,
        auth: Value,
        _request: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn Events>, Refusal>> {
        async move {
            socket
                .emit("auth", &auth)
                .map_err(|error| Refusal::message(error.to_string()))?;
            Ok(Box::new(Conversation(socket)) as Box<dyn Events>)
        }
        .boxed_local()
    }
}

struct Conversation(socketio::Socket);

impl Events for Conversation {
    fn on_event(&mut self, event: IncomingEvent) {
        let (args, attachments) = (texts(&event.args), event.attachments);
        match (event.name.as_str(), event.ack) {
            ("message", _) => say(&self.0, "message-back", &args, attachments),
            ("message-with-ack", Some(ack)) => ack.send_with(&refs(&args), attachments),
            ("ask", _) => {
                rt::spawn(ask_back(self.0.clone(), args, attachments));
            }
            (_unknown, _) => {}
        }
    }

    fn on_disconnect(&mut self, _reason: DisconnectReason) {}
}

/// Asks the client with what it sent, and tells it what it acknowledged.
async fn ask_back(
    socket: socketio::Socket,
    args: Vec<String>,
    attachments: Vec<Bytes>,
) -> Result<(), AckError> {
    let asked = socket.ask_with("question", &refs(&args), attachments, PATIENCE)?;
    let answer = asked.await?;
    say(
        &socket,
        "answered",
        &texts(&answer.args),
        answer.attachments,
    );
    Ok(())
}

fn say(socket: &socketio::Socket, name: &str, args: &[String], attachments: Vec<Bytes>) {
    let namespace = socket.namespace();
    socket.push(&socketio::Frame::event_with(
        namespace,
        name,
        &refs(args),
        attachments,
    ));
}

fn texts(args: &[Value]) -> Vec<String> {
    args.iter().map(Value::to_string).collect()
}

fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
