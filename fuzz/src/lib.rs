//! A server to be fuzzed: the echo on both layers, called in process.

use std::{rc::Rc, time::Duration};

use actix_http::{Request, body::to_bytes};
use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{Service, ServiceResponse},
    rt::{System, SystemRunner},
    test::init_service,
};
use bytes::Bytes;
use engineioxide_core::Str;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::Value;
use tokio::time::timeout;
use vaultcast::{
    engineio::{
        Application, CloseReason, Config, Connection, Frame, OpenRequest, Server, Sessions, Socket,
    },
    socketio::{self, DisconnectReason, Events, IncomingEvent, Namespace, Refusal, SocketIo},
};

/// Longer than any input takes that has an end.
const PATIENCE: Duration = Duration::from_secs(10);

type Answer = ServiceResponse<BoxBody>;
type AnyService = dyn Fn(Request) -> LocalBoxFuture<'static, Result<Answer, Error>>;

/// A server and its sessions.
pub struct Target {
    service: Box<AnyService>,
    sessions: Sessions,
}

impl Target {
    async fn start() -> Self {
        let sessions = Sessions::default();
        let config = Config {
            max_payload: 4096,
            ..Config::default()
        };
        let namespaces = SocketIo::new()
            .namespace("/", Echo)
            .namespace("/custom", Echo);
        let engine = Server::new(config.clone(), sessions.clone(), Rc::new(Echo));
        let socketio = Server::new(config, sessions.clone(), Rc::new(namespaces));
        let app = App::new()
            .configure(engine.routes("/engine.io/"))
            .configure(socketio.routes("/socket.io/"));
        let service = Rc::new(init_service(app).await);
        Self {
            service: Box::new(move |request| {
                let service = service.clone();
                async move { service.call(request).await }.boxed_local()
            }),
            sessions,
        }
    }

    /// Whatever is answered to a request.
    pub async fn call(&self, request: Request) -> Answer {
        let answer = (self.service)(request);
        let answer = timeout(PATIENCE, answer).await;
        answer.expect("it is answered in time").expect("an answer")
    }

    /// What is answered to a request, to its end.
    pub async fn hear(&self, request: Request) -> Bytes {
        let body = to_bytes(self.call(request).await.into_body());
        let body = timeout(PATIENCE, body).await.expect("the answer ends");
        body.unwrap_or_default()
    }

    /// Every session has gone, or is about to be told so by a poll that does not come.
    pub async fn is_empty(&self) {
        let drained = timeout(PATIENCE, self.sessions.drained()).await;
        drained.expect("no session is forgotten");
    }
}

/// Does something to a server, the same one each time.
pub fn with_target<F: Future<Output = ()>>(attack: impl FnOnce(Rc<Target>) -> F) {
    thread_local! {
        // Never dropped: at the end of a thread there is nothing left in which a server could end well.
        static RUNNER: &'static (SystemRunner, Rc<Target>) = {
            let system = System::new();
            let target = Rc::new(system.block_on(Target::start()));
            Box::leak(Box::new((system, target)))
        };
    }
    RUNNER.with(|(system, target)| system.block_on(attack(target.clone())));
}

struct Echo;

impl Application for Echo {
    fn open(&self, socket: Socket, _: OpenRequest) -> Box<dyn Connection> {
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

    fn on_close(&mut self, _: CloseReason) {}
}

impl Namespace for Echo {
    fn connect(
        &self,
        socket: socketio::Socket,
        auth: Value,
        _: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn Events>, Refusal>> {
        async move {
            let _ = socket.emit("auth", &auth);
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
        match event.ack {
            Some(ack) => ack.send_with(&args, event.attachments),
            None if event.name == "leave" => self.0.disconnect(),
            None => {
                let name = self.0.namespace().to_owned();
                let back = socketio::Frame::event_with(&name, "back", &args, event.attachments);
                self.0.push(&back);
            }
        }
    }

    fn on_disconnect(&mut self, _: DisconnectReason) {}
}
