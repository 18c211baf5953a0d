//! A socket, as thin as can be: the packets of a websocket, in text.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest},
};

/// Longer than anything here takes; only a broken promise waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Sends a CONNECT with this auth payload, on a websocket that was opened with these headers.
    pub async fn knock(
        addr: SocketAddr,
        headers: &[(&'static str, &str)],
        auth: Option<Value>,
    ) -> Self {
        let url = format!("ws://{addr}/socket.io/?EIO=4&transport=websocket");
        let mut request = url.into_client_request().expect("a request");
        for (name, value) in headers {
            let value = value.parse().expect("a header's value");
            request.headers_mut().insert(*name, value);
        }
        let stream = TcpStream::connect(addr).await.expect("it listens");
        let (websocket, _) = client_async(request, stream).await.expect("a websocket");
        let mut socket = Self(websocket);
        let auth = auth.map(|auth| auth.to_string()).unwrap_or_default();
        socket.send(&format!("40{auth}")).await;
        socket
    }

    /// A socket whose CONNECT was granted.
    pub async fn connect(addr: SocketAddr, headers: &[(&'static str, &str)]) -> Self {
        let mut socket = Self::knock(addr, headers, None).await;
        let answer = socket.answer().await;
        assert!(answer.starts_with("40{\"sid\""), "{answer}");
        socket
    }

    /// What the CONNECT was answered.
    pub async fn answer(&mut self) -> String {
        self.hears("4").await.expect("an answer to CONNECT")
    }

    /// Why the CONNECT was refused.
    pub async fn refusal(&mut self) -> String {
        let answer = self.answer().await;
        let refusal = answer.strip_prefix("44").expect("a refusal");
        let refusal: Value = serde_json::from_str(refusal).expect("JSON");
        refusal["message"].as_str().expect("a message").to_owned()
    }

    /// Joins a vault and says what was acknowledged.
    pub async fn join(&mut self, vault: &str) -> Value {
        let id = vault.trim_start_matches("/api/vaults/");
        self.send(&format!("420{}", json!(["vault:join", id])))
            .await;
        let answer = self.hears("430").await.expect("an acknowledgement");
        let args: Value = serde_json::from_str(&answer[3..]).expect("JSON");
        args[0].clone()
    }

    /// The next packet that begins so; none when the transport was closed before.
    pub async fn hears(&mut self, beginning: &str) -> Option<String> {
        let packets = async {
            while let Some(Ok(packet)) = self.0.next().await {
                match packet {
                    Message::Text(text) if text.as_str() == "2" => self.send("3").await,
                    Message::Text(text) if text.as_str().starts_with(beginning) => {
                        return Some(text.as_str().to_owned());
                    }
                    Message::Close(_) => return None,
                    _ => {}
                }
            }
            None
        };
        tokio::time::timeout(PATIENCE, packets)
            .await
            .expect("in time")
    }

    /// Everything that it hears until its transport is closed.
    pub async fn until_closed(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(packet) = self.hears("").await {
            heard.push(packet);
        }
        heard
    }

    async fn send(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.expect("a way out");
    }
}
