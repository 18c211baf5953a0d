//! A server for one test, and a client that speaks in packets.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{dev::ServerHandle, rt};
use futures_util::{SinkExt, StreamExt};
use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Bytes, Error, Message, handshake::client::Response, protocol::CloseFrame},
};
use vaultcast::engineio::{Config, Sessions};

use crate::poller::Poller;

/// Longer than anything here takes; only a broken promise waits for so long.
const PATIENCE: Duration = Duration::from_secs(10);

/// The settings of the protocols' suites.
pub fn config() -> Config {
    Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(400),
        ..Config::default()
    }
}

/// A patient server, for tests in which a heartbeat would only disturb.
pub fn patient() -> Config {
    Config {
        connect_timeout: PATIENCE,
        ..Config::default()
    }
}

pub struct TestServer {
    pub address: SocketAddr,
    pub sessions: Sessions,
    handle: ServerHandle,
}

impl TestServer {
    pub fn echo(config: Config) -> Self {
        Self::start(|listener, sessions| crate::echo::serve(listener, config, sessions))
    }

    pub fn start(
        serve: impl FnOnce(TcpListener, Sessions) -> std::io::Result<actix_web::dev::Server>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sessions = Sessions::default();
        let server = serve(listener, sessions.clone()).unwrap();
        let handle = server.handle();
        rt::spawn(server);
        Self {
            address,
            sessions,
            handle,
        }
    }

    /// A raw websocket, before the first packet.
    pub async fn upgrade(&self, path: &str) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let url = format!("ws://{}{path}?EIO=4&transport=websocket", self.address);
        let (websocket, _) = client_async(url, stream).await.unwrap();
        Client { websocket }
    }

    /// A raw websocket that names a session, and how it was accepted.
    pub async fn websocket_for(&self, path: &str, sid: &str) -> (Client, Response) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (address, query) = (self.address, "EIO=4&transport=websocket");
        let url = format!("ws://{address}{path}?{query}&sid={sid}");
        let (websocket, response) = client_async(url, stream).await.unwrap();
        (Client { websocket }, response)
    }

    /// A websocket for a client that polls.
    pub async fn websocket_of(&self, client: &Poller) -> Client {
        self.websocket_for(client.path, &client.sid).await.0
    }

    /// An Engine.IO session, open.
    pub async fn engine(&self) -> Client {
        let mut client = self.upgrade("/engine.io/").await;
        assert!(client.hear().await.starts_with("0{"));
        client
    }

    /// A Socket.IO session, in no namespace yet.
    pub async fn socketio(&self) -> Client {
        let mut client = self.upgrade("/socket.io/").await;
        assert!(client.hear().await.starts_with("0{"));
        client
    }

    /// A client in the default namespace of the echo, which has heard its auth payload.
    pub async fn joined(&self) -> Client {
        let mut client = self.socketio().await;
        client.say("40").await;
        assert!(client.hear().await.starts_with(r#"40{"sid":""#));
        assert_eq!(client.hear().await, r#"42["auth",{}]"#);
        client
    }

    /// Waits until every session has ended.
    pub async fn emptied(&self) {
        patiently(self.sessions.drained()).await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Polled once to send the command; nobody has to wait for it.
        drop(rt::spawn(self.handle.stop(false)));
    }
}

pub struct Client {
    websocket: WebSocketStream<TcpStream>,
}

impl Client {
    pub async fn say(&mut self, packet: &str) {
        self.send(Message::text(packet)).await;
    }

    pub async fn send(&mut self, message: Message) {
        self.websocket.send(message).await.unwrap();
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(self.websocket.get_ref());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Bytes as they are, under the websocket.
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        assert!(self.try_send_raw(bytes).await, "the connection is gone");
    }

    /// Likewise; false when the connection is gone.
    pub async fn try_send_raw(&mut self, bytes: &[u8]) -> bool {
        let stream = self.websocket.get_mut();
        patiently(stream.write_all(bytes)).await.is_ok()
    }

    /// The next packet, which must be text.
    pub async fn hear(&mut self) -> String {
        match self.next().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("expected a packet, got {other:?}"),
        }
    }

    pub async fn hear_binary(&mut self) -> Bytes {
        match self.next().await {
            Some(Message::Binary(bytes)) => bytes,
            other => panic!("expected a binary message, got {other:?}"),
        }
    }

    /// The next message of whatever kind, or nothing when the connection has ended.
    pub async fn next(&mut self) -> Option<Message> {
        match patiently(self.websocket.next()).await? {
            Ok(message) => Some(message),
            Err(Error::ConnectionClosed | Error::Protocol(_) | Error::Io(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Hears packets until the connection ends; how the server closed it: code and reason.
    pub async fn closed(&mut self) -> (u16, String) {
        while let Some(message) = self.next().await {
            if let Message::Close(frame) = message {
                let CloseFrame { code, reason } = frame.expect("the server says why");
                return (code.into(), reason.to_string());
            }
        }
        panic!("the connection ended without a close frame");
    }

    /// Answers pings until something else comes.
    pub async fn hear_beside_pings(&mut self) -> String {
        loop {
            match self.hear().await.as_str() {
                "2" => self.say("3").await,
                other => return other.to_owned(),
            }
        }
    }
}

pub async fn patiently<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it happens in time")
}
