//! A server for the fuzz targets: an echo on both layers, called in process and without a network.

use std::{rc::Rc, time::Duration};

use actix_http::{Request, body::to_bytes};
use actix_socketio::{
    ConnectRefusal, DisconnectReason, EventFrame, IncomingEvent, Namespace, Socket, SocketHandler,
    SocketIo,
    engineio::{
        CloseReason, EngineConfig, EngineHandler, EngineServer, Frame, OpenRequest, SessionHandler,
        SessionRegistry, SessionSocket, Str,
    },
};
use actix_web::{
    App, Error,
    body::BoxBody,
    dev::{Service, ServiceResponse},
    rt::{System, SystemRunner},
    test::init_service,
};
use arbitrary::Arbitrary;
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::Value;
use tokio::time::timeout;

/// Longer than any input takes that terminates.
const TIMEOUT: Duration = Duration::from_secs(10);

type FuzzResponse = ServiceResponse<BoxBody>;
type FuzzService = dyn Fn(Request) -> LocalBoxFuture<'static, Result<FuzzResponse, Error>>;

/// The server under test and its sessions.
pub struct FuzzTarget {
    service: Box<FuzzService>,
    sessions: SessionRegistry,
}

impl FuzzTarget {
    async fn start() -> Self {
        let sessions = SessionRegistry::default();
        let config = EngineConfig {
            max_payload: 4096,
            allow_eio3: true,
            ..EngineConfig::default()
        };
        let namespaces = SocketIo::new()
            .namespace("/", FuzzEcho)
            .namespace("/custom", FuzzEcho);
        let engineio = EngineServer::new(config.clone(), sessions.clone(), Rc::new(FuzzEcho));
        let socketio = EngineServer::new(config, sessions.clone(), Rc::new(namespaces));
        let app = App::new()
            .configure(engineio.routes("/engine.io/"))
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

    /// Sends a request and reads its response to the end.
    pub async fn request(&self, request: Request) -> Bytes {
        let response = timeout(TIMEOUT, (self.service)(request)).await;
        let response = response.expect("the request is answered in time");
        let body = to_bytes(response.expect("the service does not fail").into_body());
        let body = timeout(TIMEOUT, body).await;
        body.expect("the response ends in time").unwrap_or_default()
    }

    /// Asserts that every session ends.
    pub async fn assert_empty(&self) {
        let drained = timeout(TIMEOUT, self.sessions.drained()).await;
        drained.expect("every session ends in time");
    }
}

/// Runs one input against the server of this thread, which all inputs share.
pub fn run<F: Future<Output = ()>>(input: impl FnOnce(Rc<FuzzTarget>) -> F) {
    thread_local! {
        // The runner is leaked: a server cannot shut down during the destruction of thread-local values.
        static RUNNER: &'static (SystemRunner, Rc<FuzzTarget>) = {
            let system = System::new();
            let target = Rc::new(system.block_on(FuzzTarget::start()));
            Box::leak(Box::new((system, target)))
        };
    }
    RUNNER.with(|(system, target)| system.block_on(input(target.clone())));
}

/// The protocol version of a client.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum ClientVersion {
    Version3,
    Version4,
}

impl ClientVersion {
    /// Returns the value of `EIO` in the client's requests.
    pub fn number(self) -> u8 {
        match self {
            Self::Version3 => 3,
            Self::Version4 => 4,
        }
    }

    /// Returns the query of the requests that use this transport.
    pub fn query(self, transport: &str) -> String {
        format!("EIO={}&transport={transport}", self.number())
    }

    /// Returns the payload that contains one packet.
    pub fn payload(self, packet: &str) -> String {
        match self {
            Self::Version3 => format!("{}:{packet}", packet.encode_utf16().count()),
            Self::Version4 => packet.to_owned(),
        }
    }
}

/// The session that a response has opened.
pub struct OpenedSession<'a> {
    pub version: ClientVersion,
    pub sid: &'a str,
}

/// Returns the session of a payload that begins with an open packet, or `None` if the response is another one.
pub fn opened_session(response: &[u8]) -> Option<OpenedSession<'_>> {
    let payload = std::str::from_utf8(response).ok()?;
    let (version, packet) = match payload.split_once(':') {
        Some((length, packets)) if length.parse::<usize>().is_ok() => {
            (ClientVersion::Version3, packets)
        }
        Some(_) | None => (ClientVersion::Version4, payload),
    };
    let rest = packet.strip_prefix(r#"0{"sid":""#)?;
    let sid = rest.split('"').next()?;
    Some(OpenedSession { version, sid })
}

struct FuzzEcho;

impl EngineHandler for FuzzEcho {
    fn open(&self, socket: SessionSocket, _: OpenRequest) -> Box<dyn SessionHandler> {
        Box::new(FuzzSession(socket))
    }
}

struct FuzzSession(SessionSocket);

impl SessionHandler for FuzzSession {
    fn on_text(&mut self, text: Str) {
        self.0.push(Frame::message(&text));
    }

    fn on_binary(&mut self, bytes: Bytes) {
        self.0.push(Frame::binary(bytes));
    }

    fn on_close(&mut self, _: CloseReason) {}
}

impl Namespace for FuzzEcho {
    fn connect(
        &self,
        socket: Socket,
        auth: Value,
        _: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn SocketHandler>, ConnectRefusal>> {
        async move {
            let _ = socket.emit("auth", &auth);
            Ok(Box::new(FuzzSocket(socket)) as Box<dyn SocketHandler>)
        }
        .boxed_local()
    }
}

struct FuzzSocket(Socket);

impl SocketHandler for FuzzSocket {
    fn on_event(&mut self, event: IncomingEvent) {
        let args: Vec<String> = event.args.iter().map(Value::to_string).collect();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        match event.ack {
            Some(ack) => ack.send_json(&args, event.attachments),
            None if event.name == "leave" => self.0.disconnect(),
            None => {
                let namespace = self.0.namespace();
                let frame =
                    EventFrame::with_attachments(namespace, "back", &args, event.attachments);
                self.0.push(&frame);
            }
        }
    }

    fn on_disconnect(&mut self, _: DisconnectReason) {}
}
