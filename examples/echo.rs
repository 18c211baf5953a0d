//! The smallest server on the layer, as the protocols' own suites want it: Engine.IO at `/engine.io/` echoes each
//! message; Socket.IO at `/socket.io/` shows a client its auth payload and echoes `message` and `message-with-ack`.

use std::{any::Any, io, net::TcpListener, rc::Rc, time::Duration};

use actix_web::{App, HttpServer, dev, rt};
use bytes::Bytes;
use clap::Parser;
use engineioxide_core::Str;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::Value;
use vaultcast::{
    engineio::{
        Application, CloseReason, Config, Connection, Frame, OpenRequest, Server, Sessions, Socket,
    },
    socketio::{self, DisconnectReason, Events, IncomingEvent, Namespace, Refusal, SocketIo},
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
            .configure(engine.routes("/engine.io/"))
            .configure(socketio.routes("/socket.io/"))
    });
    let server = server
        .workers(1)
        .tcp_nodelay(true)
        .h1_allow_half_closed(false)
        .client_disconnect_timeout(Duration::ZERO)
        .on_connect(|connection, _| give_up_unread(connection))
        .listen(listener)?;
    Ok(server.run())
}

/// Has the kernel end the connection of a peer that has read nothing for a while.
fn give_up_unread(connection: &dyn Any) {
    if let Some(stream) = connection.downcast_ref::<rt::net::TcpStream>() {
        let socket = socket2::SockRef::from(stream);
        let _unsupported = socket.set_tcp_user_timeout(Some(Duration::from_secs(5)));
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
        let args: Vec<String> = event.args.iter().map(Value::to_string).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match (event.name.as_str(), event.ack) {
            ("message", _) => {
                let namespace = self.0.namespace();
                let answer = socketio::Frame::event_with(
                    namespace,
                    "message-back",
                    &args,
                    event.attachments,
                );
                self.0.push(&answer);
            }
            ("message-with-ack", Some(ack)) => ack.send_with(&args, event.attachments),
            (_unknown, _) => {}
        }
    }

    fn on_disconnect(&mut self, _reason: DisconnectReason) {}
}
