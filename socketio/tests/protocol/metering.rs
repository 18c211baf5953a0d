//! Metering: every packet is counted, and refused packets are not read.

use std::{rc::Rc, time::Duration};

use actix_socketio::{
    ConnectRefusal, DisconnectReason, IncomingEvent, MeterDecision, Namespace, PacketMeter, Socket,
    SocketHandler, SocketIo,
    engineio::{CloseReason, EngineConfig, EngineServer, OpenRequest},
};
use actix_web::App;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    http_server::HttpServer,
    polling_client::PollingClient,
    test_server::{TestServer, pinging_config, quiet_config},
    websocket_client::WebSocketClient,
};

/// How many packets the meter accepts. It refuses as many, and then closes the session.
const ACCEPTED: usize = 4;

/// A packet of so many bytes is refused.
const MAX_BYTES: usize = 10_000;

#[derive(Default)]
struct CountingMeter(usize);

impl PacketMeter for CountingMeter {
    fn count(&mut self, bytes: usize) -> MeterDecision {
        self.0 += 1;
        match self.0 {
            count if count > 2 * ACCEPTED => {
                MeterDecision::Close(CloseReason::Application("rate limited"))
            }
            count if count > ACCEPTED || bytes >= MAX_BYTES => MeterDecision::Refuse,
            _ => MeterDecision::Accept,
        }
    }
}

struct MeteredNamespace;

impl Namespace for MeteredNamespace {
    fn connect(
        &self,
        _socket: Socket,
        _auth: Value,
        _request: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn SocketHandler>, ConnectRefusal>> {
        async { Ok(Box::new(MeteredHandler) as Box<dyn SocketHandler>) }.boxed_local()
    }
}

/// Acknowledges each event with what has happened to it.
struct MeteredHandler;

impl SocketHandler for MeteredHandler {
    fn on_event(&mut self, event: IncomingEvent) {
        if let Some(ack) = event.ack {
            ack.send("accepted").unwrap();
        }
    }

    fn on_refused_event(&mut self, event: IncomingEvent) {
        if let Some(ack) = event.ack {
            ack.send(&(
                "refused",
                event.name,
                event.args.len(),
                event.attachments.len(),
            ))
            .unwrap();
        }
    }

    fn on_disconnect(&mut self, _reason: DisconnectReason) {}
}

fn start(config: EngineConfig) -> TestServer {
    TestServer::start(|listener, sessions| {
        let server = HttpServer::new(move || {
            let socketio = SocketIo::new()
                .namespace("/", MeteredNamespace)
                .meter(CountingMeter::default);
            let server = EngineServer::new(config.clone(), sessions.clone(), Rc::new(socketio));
            App::new().configure(server.routes("/socket.io/"))
        });
        let server = server.workers(1).client_disconnect_timeout(Duration::ZERO);
        Ok(server.listen(listener)?.run())
    })
}

async fn connect(server: &TestServer) -> WebSocketClient {
    let mut client = server.connect_socketio().await;
    client.send_text("40").await;
    assert!(client.recv_text().await.starts_with("40{"));
    client
}

#[actix_web::test]
async fn every_packet_is_counted_whatever_its_type() {
    let server = start(quiet_config());
    // A noop, a pong that answers no ping, an acknowledgement that was not requested, the frames of the websocket.
    let unasked = ["6", "3", "430[]"].map(Message::text);
    let frames = [Message::Ping(vec![1].into()), Message::Pong(vec![1].into())];
    for packet in unasked.into_iter().chain(frames) {
        let mut client = connect(&server).await;
        for _ in 0..ACCEPTED - 1 {
            client.send_message(packet.clone()).await;
        }
        for expected in [r#"430["accepted"]"#, r#"430["refused","event",1,0]"#] {
            client.send_text(r#"420["event",1]"#).await;
            let mut received = client.recv().await;
            while let Some(Message::Pong(_)) = received {
                received = client.recv().await;
            }
            assert_eq!(received, Some(Message::text(expected)), "{packet}");
        }
    }
}

#[actix_web::test]
async fn connect_over_the_rate_is_refused_and_then_the_session_is_closed() {
    let server = start(quiet_config());
    let mut client = connect(&server).await;
    for _ in 0..ACCEPTED / 2 {
        client.send_text("41").await;
        client.send_text("40").await;
        assert!(client.recv_text().await.starts_with("40{"));
    }
    client.send_text("41").await;
    client.send_text(r#"40{"not read"#).await;
    assert_eq!(client.recv_text().await, r#"44{"message":"rate limited"}"#);
    for _ in 0..ACCEPTED {
        client.send_text("41").await;
    }
    assert_eq!(client.recv_close().await.1, "rate limited");
}

#[actix_web::test]
async fn refused_event_is_not_read_beyond_its_name() {
    let server = start(quiet_config());
    let mut client = connect(&server).await;
    let arguments = "[".repeat(MAX_BYTES);
    client
        .send_text(&format!(r#"427["large",{arguments}"#))
        .await;
    assert_eq!(client.recv_text().await, r#"437["refused","large",0,0]"#);
    client.send_text(r#"428["small"]"#).await;
    assert_eq!(client.recv_text().await, r#"438["accepted"]"#);
}

#[actix_web::test]
async fn binary_event_is_refused_if_one_of_its_messages_is() {
    let server = start(quiet_config());
    let mut client = connect(&server).await;
    let filler = "x".repeat(MAX_BYTES);
    client
        .send_text(&format!(
            r#"451-7["binary",{{"_placeholder":true,"num":0}},"{filler}"]"#
        ))
        .await;
    client.send_message(Message::binary(vec![1])).await;
    assert_eq!(client.recv_text().await, r#"437["refused","binary",0,0]"#);
    client.send_text(r#"428["small"]"#).await;
    assert_eq!(client.recv_text().await, r#"438["accepted"]"#);
}

#[actix_web::test]
async fn binary_message_counts_once_in_both_versions() {
    let server = start(EngineConfig {
        allow_eio3: true,
        ..quiet_config()
    });
    let target = "/socket.io/?EIO=3&transport=websocket";
    let mut version_3 = WebSocketClient::connect(server.address, target).await;
    assert!(version_3.recv_text().await.starts_with("0{"));
    assert_eq!(version_3.recv_text().await, "40");
    let clients = [
        (connect(&server).await, vec![1]),
        (version_3, vec![4, 1]), // behind the packet's type
    ];
    for (mut client, attachment) in clients {
        for _ in 0..ACCEPTED / 2 {
            let header = r#"451-7["binary",{"_placeholder":true,"num":0}]"#;
            client.send_text(header).await;
            client
                .send_message(Message::binary(attachment.clone()))
                .await;
            assert_eq!(client.recv_text().await, r#"437["accepted"]"#);
        }
    }
}

#[actix_web::test]
async fn answers_to_pings_are_not_counted() {
    let server = start(pinging_config());
    let mut client = connect(&server).await;
    for _ in 0..=ACCEPTED {
        assert_eq!(client.recv_text().await, "2");
        client.send_text("3").await;
    }
    client.send_text(r#"420["event"]"#).await;
    assert_eq!(client.recv_text().await, r#"430["accepted"]"#);
}

#[actix_web::test]
async fn packets_of_a_polling_payload_are_counted_one_by_one() {
    let server = start(quiet_config());
    let client = PollingClient::connect_to_namespace(&server).await;
    let packets = ["6"; ACCEPTED].join("\x1e");
    client
        .post_ok(&format!("{packets}\x1e420[\"event\"]"))
        .await;
    assert_eq!(client.poll_ok().await, r#"430["refused","event",0,0]"#);
}

#[actix_web::test]
async fn fragments_of_a_websocket_message_are_counted() {
    let server = start(quiet_config());
    let mut client = connect(&server).await;
    // Empty masked frames: the first fragment of a text, and further ones of the same message.
    client.write_bytes(&[0x01, 0x80, 0, 0, 0, 0]).await;
    let fragments = [0x00, 0x80, 0, 0, 0, 0].repeat(16 * (2 * ACCEPTED + 1));
    client.write_bytes(&fragments).await;
    assert_eq!(client.recv_close().await.1, "rate limited");
}
