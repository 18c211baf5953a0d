//! A Socket.IO client that works with the text packets of a websocket.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// Longer than any step of a test takes.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A websocket that speaks Engine.IO packets.
pub struct RawSocket(WebSocketStream<TcpStream>);

impl RawSocket {
    /// Opens a websocket with these headers and sends a CONNECT with this auth payload.
    pub async fn send_connect(
        addr: SocketAddr,
        headers: &[(&'static str, &str)],
        auth: Option<Value>,
    ) -> Self {
        let url = format!("ws://{addr}/socket.io/?EIO=4&transport=websocket");
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            let value = value.parse().expect("a header value");
            request.headers_mut().insert(*name, value);
        }
        let stream = TcpStream::connect(addr).await.expect("the service listens");
        let (websocket, _) = client_async(request, stream).await.expect("a websocket");
        let mut socket = Self(websocket);
        let auth = auth.map(|auth| auth.to_string()).unwrap_or_default();
        socket.send(&format!("40{auth}")).await;
        socket
    }

    /// Returns a connected socket.
    pub async fn connect(addr: SocketAddr, headers: &[(&'static str, &str)]) -> Self {
        let mut socket = Self::send_connect(addr, headers, None).await;
        let answer = socket.connect_answer().await;
        assert!(answer.starts_with("40{\"sid\""), "{answer}");
        socket
    }

    /// Returns the answer to the CONNECT.
    pub async fn connect_answer(&mut self) -> String {
        self.receive("4").await.expect("an answer to CONNECT")
    }

    /// Returns the message of the CONNECT_ERROR.
    pub async fn connect_error(&mut self) -> String {
        let answer = self.connect_answer().await;
        let refusal = answer.strip_prefix("44").expect("a refusal");
        let refusal: Value = serde_json::from_str(refusal).expect("JSON");
        refusal["message"].as_str().expect("a message").to_owned()
    }

    /// Joins a vault and returns the acknowledgement.
    pub async fn join(&mut self, vault: &str) -> Value {
        let id = vault.trim_start_matches("/api/vaults/");
        self.emit(json!(["vault:join", id])).await
    }

    /// Emits an event, given with its arguments, and returns the acknowledgement.
    pub async fn emit(&mut self, event: Value) -> Value {
        self.send_with_ack(&event).await;
        let answer = self.receive("430").await.expect("an acknowledgement");
        let args: Value = serde_json::from_str(&answer[3..]).expect("JSON");
        args[0].clone()
    }

    /// Emits an event, given with its arguments, and requests an acknowledgement.
    pub async fn send_with_ack(&mut self, event: &Value) {
        self.send(&format!("420{event}")).await;
    }

    /// Emits an event, given with its arguments.
    pub async fn send_event(&mut self, event: &Value) {
        self.send(&format!("42{event}")).await;
    }

    /// Returns the next packet with this prefix; `None` if the transport is closed first.
    pub async fn receive(&mut self, prefix: &str) -> Option<String> {
        let packets = async {
            while let Some(Ok(packet)) = self.0.next().await {
                match packet {
                    Message::Text(text) if text.as_str() == "2" => self.send("3").await,
                    Message::Text(text) if text.as_str().starts_with(prefix) => {
                        return Some(text.as_str().to_owned());
                    }
                    Message::Close(_) => return None,
                    _ => {}
                }
            }
            None
        };
        tokio::time::timeout(TIMEOUT, packets)
            .await
            .expect("in time")
    }

    /// Returns all packets until the transport is closed.
    pub async fn receive_until_closed(&mut self) -> Vec<String> {
        let mut received = Vec::new();
        while let Some(packet) = self.receive("").await {
            received.push(packet);
        }
        received
    }

    async fn send(&mut self, packet: &str) {
        self.0
            .send(Message::text(packet))
            .await
            .expect("the packet is sent");
    }
}
