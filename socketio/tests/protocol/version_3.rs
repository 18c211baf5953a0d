//! Clients of Engine.IO 3, which are those of Socket.IO 2: payloads, binary messages, heartbeats and the default namespace.

use actix_socketio::engineio::EngineConfig;
use reqwest::Response;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    test_server::{TestServer, fast_config, quiet_config},
    timeout::within_timeout,
    websocket_client::WebSocketClient,
};

const NOT_ALLOWED: &str =
    r#"{"code":5,"message":"Unsupported protocol version (Engine.IO 3 needs allow_eio3 = true)"}"#;

/// Returns a server that admits clients of version 3.
fn start_server(config: EngineConfig) -> TestServer {
    TestServer::start_echo(EngineConfig {
        allow_eio3: true,
        ..config
    })
}

async fn connect_websocket(server: &TestServer, path: &str) -> WebSocketClient {
    let target = format!("{path}?EIO=3&transport=websocket");
    let mut client = WebSocketClient::connect(server.address, &target).await;
    assert!(client.recv_text().await.starts_with(r#"0{"sid":""#));
    client
}

/// A client of version 3 with a session on the polling transport.
struct Version3PollingClient {
    url: String,
    sid: String,
    /// What followed the open packet in the first payload.
    behind_open: String,
}

impl Version3PollingClient {
    /// Opens a session. `query` follows the parameters of the protocol.
    async fn open(server: &TestServer, path: &str, query: &str) -> Self {
        let url = format!(
            "http://{}{path}?EIO=3&transport=polling{query}",
            server.address
        );
        let payload = reqwest::get(&url).await.unwrap().text().await.unwrap();
        let (length, packets) = payload.split_once(':').unwrap();
        let (open, behind_open) = packets.split_at(length.parse().unwrap());
        let sid = open.strip_prefix(r#"0{"sid":""#).unwrap();
        let (sid, _) = sid.split_once('"').unwrap();
        Self {
            url: format!("{url}&sid={sid}"),
            sid: sid.to_owned(),
            behind_open: behind_open.to_owned(),
        }
    }

    async fn poll(&self) -> Response {
        within_timeout(reqwest::get(&self.url)).await.unwrap()
    }

    async fn poll_text(&self) -> String {
        let response = self.poll().await;
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=UTF-8"
        );
        response.text().await.unwrap()
    }

    /// Posts a payload and returns the status of the response.
    async fn post(&self, content_type: &str, payload: &[u8]) -> u16 {
        let request = reqwest::Client::new()
            .post(&self.url)
            .header("content-type", content_type)
            .body(payload.to_vec());
        within_timeout(request.send())
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    async fn post_text(&self, payload: &str) -> u16 {
        let content_type = "text/plain;charset=UTF-8";
        self.post(content_type, payload.as_bytes()).await
    }
}

#[actix_web::test]
async fn version_3_is_refused_unless_it_is_allowed() {
    let server = TestServer::start_echo(quiet_config());
    let url = format!(
        "http://{}/engine.io/?EIO=3&transport=polling",
        server.address
    );
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.text().await.unwrap(), NOT_ALLOWED);
}

#[actix_web::test]
async fn session_keeps_its_version() {
    let server = start_server(quiet_config());
    let client = Version3PollingClient::open(&server, "/engine.io/", "").await;
    let other = client.url.replace("EIO=3", "EIO=4");
    let response = reqwest::get(other).await.unwrap();
    assert_eq!(response.status(), 400);
    let body = response.text().await.unwrap();
    assert_eq!(body, r#"{"code":3,"message":"Bad request"}"#);
}

#[actix_web::test]
async fn messages_of_a_polling_payload_have_lengths() {
    let server = start_server(quiet_config());
    let client = Version3PollingClient::open(&server, "/engine.io/", "").await;
    assert_eq!(client.post_text("6:4hello4:4€😀1:2").await, 200);
    assert_eq!(client.poll_text().await, "6:4hello4:4€😀1:3");
}

#[actix_web::test]
async fn payload_with_a_binary_message_is_binary() {
    let server = start_server(quiet_config());
    let client = Version3PollingClient::open(&server, "/engine.io/", "").await;
    assert_eq!(client.post_text("4:4abc10:b4AQIDBA==").await, 200);
    let response = client.poll().await;
    assert_eq!(
        response.headers()["content-type"],
        "application/octet-stream"
    );
    let payload = response.bytes().await.unwrap();
    assert_eq!(
        &payload[..],
        b"\x00\x04\xff4abc\x01\x05\xff\x04\x01\x02\x03\x04"
    );

    let binary = "application/octet-stream";
    assert_eq!(client.post(binary, &payload).await, 200);
    assert_eq!(client.poll().await.bytes().await.unwrap(), payload);
}

#[actix_web::test]
async fn client_that_requests_base64_receives_text_payloads() {
    let server = start_server(quiet_config());
    let client = Version3PollingClient::open(&server, "/engine.io/", "&b64=1").await;
    assert_eq!(client.post_text("10:b4AQIDBA==").await, 200);
    assert_eq!(client.poll_text().await, "10:b4AQIDBA==");

    let target = "/engine.io/?EIO=3&transport=websocket&b64=1";
    let mut client = WebSocketClient::connect(server.address, target).await;
    assert!(client.recv_text().await.starts_with('0'));
    let message = Message::binary(vec![4, 1, 2, 3, 4]);
    client.send_message(message).await;
    assert_eq!(client.recv_text().await, "b4AQIDBA==");
}

#[actix_web::test]
async fn binary_frame_begins_with_its_type() {
    let server = start_server(quiet_config());
    let mut client = connect_websocket(&server, "/engine.io/").await;
    client.send_message(Message::binary(vec![4, 1, 2, 3])).await;
    assert_eq!(client.recv_binary().await, [4, 1, 2, 3][..]);
    client.send_message(Message::binary(vec![4])).await;
    assert_eq!(client.recv_binary().await, [4][..]);
    client.send_message(Message::binary(vec![7, 1, 2, 3])).await;
    assert_eq!(client.recv_close().await.1, "parse error");
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn client_pings_and_the_server_answers() {
    let server = start_server(quiet_config());
    let mut client = connect_websocket(&server, "/engine.io/").await;
    client.send_text("2").await;
    assert_eq!(client.recv_text().await, "3");
    client.send_text("4a").await;
    assert_eq!(client.recv_text().await, "4a");
}

#[actix_web::test]
async fn client_that_sends_no_ping_is_closed() {
    let server = start_server(fast_config());
    let mut client = connect_websocket(&server, "/engine.io/").await;
    assert_eq!(client.recv_close().await.1, "ping timeout");
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn polling_client_upgrades_to_a_websocket() {
    let server = start_server(quiet_config());
    let client = Version3PollingClient::open(&server, "/engine.io/", "").await;
    let target = format!("/engine.io/?EIO=3&transport=websocket&sid={}", client.sid);
    let mut websocket = WebSocketClient::connect(server.address, &target).await;
    let poll = client.poll_text();
    let probe = async {
        websocket.send_text("2probe").await;
        assert_eq!(websocket.recv_text().await, "3probe");
    };
    let (polled, ()) = futures_util::join!(poll, probe);
    assert_eq!(polled, "1:6");
    websocket.send_text("5").await;
    websocket.send_text("4hello").await;
    assert_eq!(websocket.recv_text().await, "4hello");
}

#[actix_web::test]
async fn malformed_payloads_end_the_session() {
    let server = start_server(quiet_config());
    for payload in ["", "4hello", "9:4hello", "5:4hello", "2:4😀", "1:92:4a"] {
        let client = Version3PollingClient::open(&server, "/engine.io/", "").await;
        assert_eq!(client.post_text(payload).await, 400, "{payload}");
        assert_eq!(client.poll().await.status(), 400, "{payload}");
    }
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn default_namespace_is_connected_without_a_connect() {
    let server = start_server(quiet_config());
    let mut client = connect_websocket(&server, "/socket.io/").await;
    assert_eq!(client.recv_text().await, "40");
    assert_eq!(client.recv_text().await, r#"42["auth",{}]"#);

    client.send_text(r#"421["message-with-ack",7]"#).await;
    assert_eq!(client.recv_text().await, "431[7]");
    client
        .send_text(r#"451-["message",{"_placeholder":true,"num":0}]"#)
        .await;
    client.send_message(Message::binary(vec![4, 1, 2])).await;
    let echoed = r#"451-["message-back",{"_placeholder":true,"num":0}]"#;
    assert_eq!(client.recv_text().await, echoed);
    assert_eq!(client.recv_binary().await, [4, 1, 2][..]);

    let polling = Version3PollingClient::open(&server, "/socket.io/", "").await;
    assert_eq!(polling.behind_open, r#"2:4013:42["auth",{}]"#);
}

#[actix_web::test]
async fn connect_to_another_namespace_may_have_a_query() {
    let server = start_server(quiet_config());
    let mut client = connect_websocket(&server, "/socket.io/").await;
    assert_eq!(client.recv_text().await, "40");
    client.recv_text().await;
    client.send_text("40/custom?token=abc,").await;
    assert_eq!(client.recv_text().await, "40/custom,");
    assert_eq!(client.recv_text().await, r#"42/custom,["auth",{}]"#);
    client.send_text("40/unknown?token=abc,").await;
    let refused = r#"44/unknown,"Invalid namespace""#;
    assert_eq!(client.recv_text().await, refused);
    client.send_text("41/custom,").await;
    client.send_text(r#"421["message-with-ack",7]"#).await;
    assert_eq!(client.recv_text().await, "431[7]");
}
