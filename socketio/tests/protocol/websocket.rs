//! The WebSocket protocol below Engine.IO: sizes, fragments and encodings.

use actix_socketio::engineio::EngineConfig;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use crate::{
    test_server::{TestServer, quiet_config},
    websocket_client::WebSocketClient,
};

const LIMIT: usize = 1000;

fn server() -> TestServer {
    TestServer::start_echo(EngineConfig {
        max_payload: LIMIT,
        ..quiet_config()
    })
}

async fn send_fragment(client: &mut WebSocketClient, opcode: Data, bytes: &'static str) {
    let frame = Frame::message(bytes, OpCode::Data(opcode), false);
    client.send_message(Message::Frame(frame)).await;
}

async fn send_last_fragment(client: &mut WebSocketClient, bytes: &'static str) {
    let frame = Frame::message(bytes, OpCode::Data(Data::Continue), true);
    client.send_message(Message::Frame(frame)).await;
}

#[actix_web::test]
async fn message_at_the_limit_is_accepted_and_one_byte_more_is_too_large() {
    let server = server();
    let mut client = server.connect_engineio().await;
    let message = format!("4{}", "x".repeat(LIMIT - 1));
    client.send_text(&message).await;
    assert_eq!(client.recv_text().await, message);

    client.send_text(&format!("{message}x")).await;
    assert_eq!(
        client.recv_close().await,
        (1009, "payload too large".to_owned())
    );
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn frame_that_declares_too_large_a_length_is_refused_before_its_payload() {
    let server = server();
    let mut client = server.connect_engineio().await;
    let mut head = vec![0x81, 0x80 | 127];
    head.extend((200_u64 << 20).to_be_bytes());
    client.write_bytes(&head).await;
    assert_eq!(
        client.recv_close().await,
        (1009, "payload too large".to_owned())
    );
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn fragments_are_joined_into_one_message() {
    let server = server();
    let mut client = server.connect_engineio().await;
    send_fragment(&mut client, Data::Text, "4one, ").await;
    send_fragment(&mut client, Data::Continue, "two, ").await;
    client.send_message(Message::Ping("between".into())).await;
    send_last_fragment(&mut client, "three").await;
    assert!(matches!(client.recv().await, Some(Message::Pong(_))));
    assert_eq!(client.recv_text().await, "4one, two, three");
}

#[actix_web::test]
async fn message_with_too_many_fragments_is_too_large() {
    let server = server();
    let mut client = server.connect_engineio().await;
    send_fragment(&mut client, Data::Text, "4").await;
    for _ in 0..1024 {
        send_fragment(&mut client, Data::Continue, "").await;
    }
    assert_eq!(client.recv_close().await.0, 1009);
}

#[actix_web::test]
async fn text_that_is_not_utf8_is_refused() {
    let server = server();
    let mut client = server.connect_engineio().await;
    client
        .write_bytes(&[0x81, 0x82, 0, 0, 0, 0, b'4', 0xff])
        .await;
    assert_eq!(client.recv_close().await, (1007, "invalid text".to_owned()));
}

#[actix_web::test]
async fn invalid_websocket_frame_is_a_protocol_error() {
    let server = server();
    for invalid in [
        &[0xc1, 0x80, 0, 0, 0, 0][..], // a reserved bit
        &[0x81, 0x01, b'4'],           // no mask
        &[0x80, 0x80, 0, 0, 0, 0],     // a continuation without a first fragment
    ] {
        let mut client = server.connect_engineio().await;
        client.write_bytes(invalid).await;
        assert_eq!(
            client.recv_close().await,
            (1002, "transport error".to_owned()),
            "{invalid:x?}"
        );
    }
    server.wait_until_empty().await;
}
