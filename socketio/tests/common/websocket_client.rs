//! A client with a WebSocket that sends and receives packets as text.

use std::{net::SocketAddr, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Bytes, Error, Message, handshake::client::Response, protocol::CloseFrame},
};

use futures_util::{SinkExt, StreamExt};

use crate::timeout::within_timeout;

pub struct WebSocketClient {
    websocket: WebSocketStream<TcpStream>,
    /// The response to the WebSocket handshake.
    pub response: Response,
}

impl WebSocketClient {
    /// Opens a WebSocket to `target`, the path and query of a URL.
    pub async fn connect(address: SocketAddr, target: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}{target}");
        let (websocket, response) = client_async(url, stream).await.unwrap();
        Self {
            websocket,
            response,
        }
    }

    pub async fn send_text(&mut self, packet: &str) {
        self.send_message(Message::text(packet)).await;
    }

    /// Sends a packet. Returns `false` if the connection is closed.
    pub async fn try_send_text(&mut self, packet: &str) -> bool {
        self.websocket.send(Message::text(packet)).await.is_ok()
    }

    pub async fn send_message(&mut self, message: Message) {
        self.websocket.send(message).await.unwrap();
    }

    /// Writes bytes to the TCP connection, below the WebSocket.
    pub async fn write_bytes(&mut self, bytes: &[u8]) {
        assert!(
            self.try_write_bytes(bytes).await,
            "the connection is closed"
        );
    }

    /// Writes bytes to the TCP connection. Returns `false` if the connection is closed.
    pub async fn try_write_bytes(&mut self, bytes: &[u8]) -> bool {
        let stream = self.websocket.get_mut();
        within_timeout(stream.write_all(bytes)).await.is_ok()
    }

    /// Resets the TCP connection.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(self.websocket.get_ref());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Receives the next message, which must be text.
    pub async fn recv_text(&mut self) -> String {
        match self.recv().await {
            Some(Message::Text(text)) => text.to_string(),
            other => panic!("expected a packet, got {other:?}"),
        }
    }

    /// Receives the next message, which must be binary.
    pub async fn recv_binary(&mut self) -> Bytes {
        match self.recv().await {
            Some(Message::Binary(bytes)) => bytes,
            other => panic!("expected a binary message, got {other:?}"),
        }
    }

    /// Receives the next message of any kind. Returns `None` if the connection has ended.
    pub async fn recv(&mut self) -> Option<Message> {
        match within_timeout(self.websocket.next()).await? {
            Ok(message) => Some(message),
            Err(Error::ConnectionClosed | Error::Protocol(_) | Error::Io(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Receives messages until the close frame and returns its code and reason.
    pub async fn recv_close(&mut self) -> (u16, String) {
        while let Some(message) = self.recv().await {
            if let Message::Close(frame) = message {
                let CloseFrame { code, reason } = frame.expect("the close frame has a code");
                return (code.into(), reason.to_string());
            }
        }
        panic!("the connection ended without a close frame");
    }

    /// Answers pings until another packet arrives, and returns that packet.
    pub async fn recv_text_and_answer_pings(&mut self) -> String {
        loop {
            match self.recv_text().await.as_str() {
                "2" => self.send_text("3").await,
                other => return other.to_owned(),
            }
        }
    }
}
