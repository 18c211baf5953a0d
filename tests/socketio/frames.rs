//! The websocket's own rules: sizes, fragments, encodings.

use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use vaultcast::engineio::Config;

use crate::server::{Client, TestServer, patient};

const LIMIT: usize = 1000;

fn server() -> TestServer {
    TestServer::echo(Config {
        max_payload: LIMIT,
        ..patient()
    })
}

async fn fragment(client: &mut Client, opcode: Data, last: bool, bytes: &'static str) {
    let frame = Frame::message(bytes, OpCode::Data(opcode), last);
    client.send(Message::Frame(frame)).await;
}

#[actix_web::test]
async fn a_message_at_the_limit_passes_and_one_byte_more_is_too_large() {
    let server = server();
    let mut client = server.engine().await;
    let message = format!("4{}", "x".repeat(LIMIT - 1));
    client.say(&message).await;
    assert_eq!(client.hear().await, message);

    client.say(&format!("{message}x")).await;
    assert_eq!(
        client.closed().await,
        (1009, "payload too large".to_owned())
    );
    server.emptied().await;
}

#[actix_web::test]
async fn a_frame_that_declares_too_much_is_refused_before_its_body_comes() {
    let server = server();
    let mut client = server.engine().await;
    let mut head = vec![0x81, 0x80 | 127];
    head.extend((200_u64 << 20).to_be_bytes());
    client.send_raw(&head).await;
    assert_eq!(
        client.closed().await,
        (1009, "payload too large".to_owned())
    );
    server.emptied().await;
}

#[actix_web::test]
async fn fragments_are_put_together() {
    let server = server();
    let mut client = server.engine().await;
    fragment(&mut client, Data::Text, false, "4one, ").await;
    fragment(&mut client, Data::Continue, false, "two, ").await;
    client.send(Message::Ping("between".into())).await;
    fragment(&mut client, Data::Continue, true, "three").await;
    assert!(matches!(client.next().await, Some(Message::Pong(_))));
    assert_eq!(client.hear().await, "4one, two, three");
}

#[actix_web::test]
async fn fragments_without_end_are_too_large() {
    let server = server();
    let mut client = server.engine().await;
    fragment(&mut client, Data::Text, false, "4").await;
    for _ in 0..1024 {
        fragment(&mut client, Data::Continue, false, "").await;
    }
    assert_eq!(client.closed().await.0, 1009);
}

#[actix_web::test]
async fn text_that_is_no_utf8_is_refused() {
    let server = server();
    let mut client = server.engine().await;
    client.send_raw(&[0x81, 0x82, 0, 0, 0, 0, b'4', 0xff]).await;
    assert_eq!(client.closed().await, (1007, "invalid text".to_owned()));
}

#[actix_web::test]
async fn a_broken_rule_of_the_websocket_is_a_protocol_error() {
    let server = server();
    for broken in [
        &[0xc1, 0x80, 0, 0, 0, 0][..], // a reserved bit
        &[0x81, 0x01, b'4'],           // no mask
        &[0x80, 0x80, 0, 0, 0, 0],     // a continuation of nothing
    ] {
        let mut client = server.engine().await;
        client.send_raw(broken).await;
        assert_eq!(
            client.closed().await,
            (1002, "transport error".to_owned()),
            "{broken:x?}"
        );
    }
    server.emptied().await;
}
