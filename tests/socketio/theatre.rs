//! An application that does what its clients ask for and reports how they leave, and a server that stages it.

use std::{rc::Rc, sync::Arc, time::Duration};

use actix_web::{App, HttpServer};
use bytes::Bytes;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::{Value, json};
use tokio::sync::{
    Notify,
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    watch,
};
use vaultcast::{
    engineio::{CloseReason, Config, OpenRequest, Server},
    socketio::{
        DisconnectReason, Events, Frame, IncomingEvent, Namespace, Refusal, Socket, SocketIo,
    },
};

use crate::server::{TestServer, patiently};

/// An application that does what its clients ask for and reports why they leave.
#[derive(Clone)]
struct Stage {
    reports: UnboundedSender<String>,
    /// Lets a CONNECT with `{"wait":true}` go on.
    gate: Arc<Notify>,
    /// How many attachments of pages are in memory.
    tracked: watch::Sender<usize>,
}

impl Namespace for Stage {
    fn connect(
        &self,
        socket: Socket,
        auth: Value,
        _request: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn Events>, Refusal>> {
        let stage = self.clone();
        async move {
            if auth["wait"] == true {
                let _ = stage.reports.send("waiting".into());
                let given_up = Cancelled(stage.reports.clone());
                stage.gate.notified().await;
                std::mem::forget(given_up);
            }
            match auth["refuse"].as_str() {
                Some("close") => return Err(Refusal::Close(CloseReason::Shutdown)),
                Some("panic") => panic!("as it was asked to"),
                Some(message) => {
                    let (message, data) = (message.to_owned(), Some(json!({"retry": false})));
                    return Err(Refusal::ConnectError { message, data });
                }
                None => {}
            }
            Ok(Box::new(Actor { socket, stage }) as Box<dyn Events>)
        }
        .boxed_local()
    }
}

/// Reports that a CONNECT was given up.
struct Cancelled(UnboundedSender<String>);

impl Drop for Cancelled {
    fn drop(&mut self) {
        let _ = self.0.send("cancelled".into());
    }
}

struct Actor {
    socket: Socket,
    stage: Stage,
}

impl Events for Actor {
    fn on_event(&mut self, event: IncomingEvent) {
        match event.name.as_str() {
            "leave" => self.socket.disconnect(),
            "close" => {
                self.socket.emit("goodbye", "see you").unwrap();
                self.socket
                    .close(CloseReason::Application("session expired"));
            }
            "panic" => panic!("as it was asked to"),
            "ask me" => {
                let patience = Duration::from_millis(event.args[0].as_u64().unwrap());
                let answer = self.socket.ask("well?", &("how", 2), patience).unwrap();
                let reports = self.stage.reports.clone();
                actix_web::rt::spawn(async move {
                    let report = match answer.await {
                        Ok(answer) => format!("{:?} {:?}", answer.args, answer.attachments),
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
                        socket.drained(8).await;
                        socket.emit("number", &number).unwrap();
                    }
                });
            }
            "pages" => {
                let page = format!("\"{}\"", "x".repeat(16 * 1024));
                let args = [page.as_str(), r#"{"_placeholder":true,"num":0}"#];
                for _ in 0..16 {
                    let attachment = Bytes::from_owner(Tracked::new(&self.stage.tracked));
                    self.socket
                        .push(&Frame::event_with("/", "page", &args, vec![attachment]));
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
        let _ = self.stage.reports.send(reason.to_string());
    }
}

/// Bytes of which it is known how many are in memory.
struct Tracked(watch::Sender<usize>);

impl Tracked {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count += 1);
        Self(count.clone())
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        b"tracked"
    }
}

pub struct Theatre {
    pub server: TestServer,
    pub reports: UnboundedReceiver<String>,
    pub gate: Arc<Notify>,
    pub tracked: watch::Sender<usize>,
}

impl Theatre {
    pub fn open(config: Config) -> Self {
        let (sender, reports) = unbounded_channel();
        let (gate, tracked) = (Arc::new(Notify::new()), watch::Sender::default());
        let stage = Stage {
            reports: sender,
            gate: gate.clone(),
            tracked: tracked.clone(),
        };
        let server = TestServer::start(|listener, sessions| {
            let server = HttpServer::new(move || {
                let namespaces = SocketIo::new().namespace("/", stage.clone());
                let server = Server::new(config.clone(), sessions.clone(), Rc::new(namespaces));
                App::new().configure(server.routes("/socket.io/"))
            });
            let server = server
                .workers(1)
                .h1_allow_half_closed(false)
                .client_disconnect_timeout(Duration::ZERO)
                .on_connect(|connection, _| {
                    let stream = connection
                        .downcast_ref::<actix_web::rt::net::TcpStream>()
                        .unwrap();
                    let socket = socket2::SockRef::from(stream);
                    socket
                        .set_tcp_user_timeout(Some(Duration::from_millis(500)))
                        .unwrap();
                })
                .listen(listener)?;
            Ok(server.run())
        });
        Self {
            server,
            reports,
            gate,
            tracked,
        }
    }

    pub async fn report(&mut self) -> String {
        patiently(self.reports.recv()).await.unwrap()
    }
}
