//! A server whose application follows the instructions of its clients: it disconnects, panics, or sends a series of
//! events on request. It reports to the test how each client leaves.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_socketio::{
    ConnectRefusal, DisconnectReason, EventFrame, IncomingEvent, Namespace, Socket, SocketHandler,
    SocketIo,
    engineio::{CloseReason, EngineConfig, EngineServer, OpenRequest},
};
use actix_web::App;
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::{Value, json};
use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    watch,
};

use crate::{
    echo,
    http_server::HttpServer,
    test_server::TestServer,
    timeout::{TIMEOUT, within_timeout},
};

/// The namespace of the server. The auth payload of a client determines the answer to its CONNECT.
#[derive(Clone)]
struct ScriptedNamespace {
    reports: UnboundedSender<String>,
    /// Continues a CONNECT with `{"wait":true}`.
    gate: Arc<Notify>,
    /// The number of attachments in memory that the event `pages` has created.
    attachments: watch::Sender<usize>,
}

impl Namespace for ScriptedNamespace {
    fn connect(
        &self,
        socket: Socket,
        auth: Value,
        _request: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn SocketHandler>, ConnectRefusal>> {
        let namespace = self.clone();
        async move {
            if auth["wait"] == true {
                let _ = namespace.reports.send("waiting".into());
                let report = ReportOnDrop(namespace.reports.clone());
                namespace.gate.notified().await;
                std::mem::forget(report);
            }
            match auth["refuse"].as_str() {
                Some("close") => return Err(ConnectRefusal::Close(CloseReason::Shutdown)),
                Some("panic") => panic!("the client requested it"),
                Some(message) => {
                    let (message, data) = (message.to_owned(), Some(json!({"retry": false})));
                    return Err(ConnectRefusal::ConnectError { message, data });
                }
                None => {}
            }
            Ok(Box::new(ScriptedHandler { socket, namespace }) as Box<dyn SocketHandler>)
        }
        .boxed_local()
    }
}

/// Reports that a CONNECT was cancelled.
struct ReportOnDrop(UnboundedSender<String>);

impl Drop for ReportOnDrop {
    fn drop(&mut self) {
        let _ = self.0.send("cancelled".into());
    }
}

struct ScriptedHandler {
    socket: Socket,
    namespace: ScriptedNamespace,
}

impl SocketHandler for ScriptedHandler {
    fn on_event(&mut self, event: IncomingEvent) {
        match event.name.as_str() {
            "leave" => self.socket.disconnect(),
            "close" => {
                self.socket.emit("goodbye", "see you").unwrap();
                self.socket
                    .close(CloseReason::Application("session expired"));
            }
            "panic" => panic!("the client requested it"),
            "ask me" => {
                let timeout = Duration::from_millis(event.args[0].as_u64().unwrap());
                let ack = self.socket.emit_with_ack("well?", &("how", 2), timeout);
                let ack = ack.unwrap();
                let reports = self.namespace.reports.clone();
                actix_web::rt::spawn(async move {
                    let report = match ack.await {
                        Ok(response) => format!("{:?} {:?}", response.args, response.attachments),
                        Err(error) => error.to_string(),
                    };
                    let _ = reports.send(report);
                });
            }
            "burst" => {
                for number in 0..1000 {
                    self.socket.emit("number", &number).unwrap();
                }
            }
            "stream" => {
                let socket = self.socket.clone();
                actix_web::rt::spawn(async move {
                    for number in 0..10_000 {
                        socket.drained_to(8).await;
                        socket.emit("number", &number).unwrap();
                    }
                });
            }
            "pages" => {
                let page = format!("\"{}\"", "x".repeat(16 * 1024));
                let args = [page.as_str(), r#"{"_placeholder":true,"num":0}"#];
                for _ in 0..16 {
                    let attachment = CountedAttachment::new(&self.namespace.attachments);
                    let attachments = vec![Bytes::from_owner(attachment)];
                    let frame = EventFrame::with_attachments("/", "page", &args, attachments);
                    self.socket.push(&frame);
                }
            }
            _ => {
                if let Some(ack) = event.ack {
                    ack.send(&event.name).unwrap();
                }
            }
        }
    }

    fn on_disconnect(&mut self, reason: DisconnectReason) {
        let _ = self.namespace.reports.send(reason.to_string());
    }
}

/// An attachment that counts how many of its kind are in memory.
struct CountedAttachment(watch::Sender<usize>);

impl CountedAttachment {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for CountedAttachment {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl AsRef<[u8]> for CountedAttachment {
    fn as_ref(&self) -> &[u8] {
        b"counted"
    }
}

pub struct ScriptedServer {
    pub server: TestServer,
    pub reports: UnboundedReceiver<String>,
    pub gate: Arc<Notify>,
    pub attachments: watch::Sender<usize>,
}

impl ScriptedServer {
    pub fn start(config: EngineConfig) -> Self {
        let (sender, reports) = unbounded_channel();
        let (gate, attachments) = (Arc::new(Notify::new()), watch::Sender::default());
        let namespace = ScriptedNamespace {
            reports: sender,
            gate: gate.clone(),
            attachments: attachments.clone(),
        };
        let server = TestServer::start(|listener, sessions| {
            let server = HttpServer::new(move || {
                let socketio = SocketIo::new().namespace("/", namespace.clone());
                let server = EngineServer::new(config.clone(), sessions.clone(), Rc::new(socketio));
                App::new().configure(server.routes("/socket.io/"))
            });
            let server = server
                .workers(1)
                .h1_allow_half_closed(false)
                .client_request_timeout(TIMEOUT)
                .client_disconnect_timeout(Duration::ZERO)
                .on_connect(|connection, _| {
                    echo::set_tcp_user_timeout(connection, Duration::from_secs(3));
                })
                .listen(listener)?;
            Ok(server.run())
        });
        Self {
            server,
            reports,
            gate,
            attachments,
        }
    }

    /// Waits for the next report of the application.
    pub async fn next_report(&mut self) -> String {
        within_timeout(self.reports.recv()).await.unwrap()
    }
}
