//! WebSockets that violate the protocol, flood the server, or disconnect without a close frame.

use std::pin::pin;

use actix_socketio::engineio::EngineConfig;
use futures_util::future::select;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    attack_harness::AttackHarness,
    polling_client::PollingClient,
    test_server::{TestServer, fast_config, quiet_config},
    timeout::TIMEOUT,
};

const LIMIT: usize = 10_000;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;
const FIRST_TEXT: u8 = 0x01;
const CONTINUATION: u8 = 0x00;
const FINAL: u8 = 0x80;

fn limited_config() -> EngineConfig {
    EngineConfig {
        max_payload: LIMIT,
        ..quiet_config()
    }
}

/// Returns a client's frame, masked with zeros: the first byte of its header, and its payload.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126, "the payload must be shorter than 126 bytes");
    [&[first_byte, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// Asserts that these bytes end the session with this close frame.
async fn assert_closes(server: &TestServer, bytes: &[u8], code: u16, reason: &str) {
    let mut client = server.connect_engineio().await;
    client.write_bytes(bytes).await;
    let close = client.recv_close().await;
    assert_eq!(close, (code, reason.to_owned()), "{bytes:x?}");
}

#[actix_web::test]
async fn frame_that_violates_the_protocol_closes_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for invalid in [
                &frame(TEXT | 0x40, b"4a")[..], // reserved bit 1
                &frame(TEXT | 0x20, b"4a"),     // reserved bit 2
                &frame(BINARY | 0x10, b"a"),    // reserved bit 3
                &frame(0x83, b"a"),             // reserved opcode
                &[TEXT, 2, b'4', b'a'],         // no mask
                &frame(FINAL, b"a"),            // last fragment without a message
                &frame(CONTINUATION, b"a"),     // fragment without a message
                &[PING, 0x80 | 126, 0, 126],    // ping with more than 125 bytes
                &frame(PING & !FINAL, b"a"),    // fragmented ping
                &frame(CLOSE, &[3]),            // half a close code
                &frame(CLOSE, &[0, 1]),         // invalid close code
                &[frame(FIRST_TEXT, b"4a"), frame(TEXT, b"4b")].concat(), // message inside another
                &[frame(FIRST_TEXT, b"4a"), frame(BINARY, b"b")].concat(),
            ] {
                assert_closes(server, invalid, 1002, "transport error").await;
            }
        })
        .await;
}

#[actix_web::test]
async fn text_that_is_not_utf8_closes_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            assert_closes(server, &frame(TEXT, b"4\xff"), 1007, "invalid text").await;
            let fragments = [frame(FIRST_TEXT, b"4\xc3"), frame(FINAL, b"\x28")].concat();
            assert_closes(server, &fragments, 1007, "invalid text").await;
        })
        .await;
}

#[actix_web::test]
async fn empty_or_malformed_packet_closes_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for malformed in ["", "éabcd", "🦀", "9", "0{}", "2", "2probe", "b!"] {
                let bytes = frame(TEXT, malformed.as_bytes());
                assert_closes(server, &bytes, 1000, "parse error").await;
            }
            let mut client = server.connect_engineio().await;
            client.send_message(Message::binary(vec![])).await;
            assert!(
                client.recv_binary().await.is_empty(),
                "an empty binary message is valid"
            );
        })
        .await;
}

#[actix_web::test]
async fn frame_over_the_limit_closes_the_session() {
    let mut harness = AttackHarness::start(limited_config()).await;
    harness
        .assert_withstands(async |server| {
            for length in [LIMIT as u64 + 1, 1 << 32, u64::MAX >> 1, u64::MAX] {
                let mut header = vec![TEXT, 0xff];
                header.extend(length.to_be_bytes());
                assert_closes(server, &header, 1009, "payload too large").await;
            }
            let mut client = server.connect_engineio().await;
            client.send_text(&format!("4{}", "x".repeat(LIMIT))).await;
            assert_eq!(
                client.recv_close().await,
                (1009, "payload too large".to_owned())
            );
        })
        .await;
}

#[actix_web::test]
async fn flood_of_one_byte_fragments_closes_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let mut client = server.connect_engineio().await;
            client.write_bytes(&frame(FIRST_TEXT, b"4")).await;
            let thousand = frame(CONTINUATION, b"x").repeat(1000);
            client.write_bytes(&thousand).await;
            client.write_bytes(&thousand).await;
            assert_eq!(
                client.recv_close().await,
                (1009, "payload too large".to_owned())
            );
            // The client continues to send, and the server no longer reads.
            let mut written = 2;
            while written < 1000 && client.try_write_bytes(&thousand).await {
                written += 1;
            }
            assert!(written < 1000, "the server has read all fragments");
        })
        .await;
}

#[actix_web::test]
async fn flood_after_the_close_frame_is_not_read() {
    const PAYLOAD: usize = 60_000;
    /// More than the kernel buffers.
    const FLOOD: usize = 64 << 20;
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let mut client = server.connect_engineio().await;
            client.write_bytes(&frame(TEXT, b"9")).await;
            let close = (1000, "parse error".to_owned());
            assert_eq!(client.recv_close().await, close);
            let header = [BINARY, 0x80 | 126, (PAYLOAD >> 8) as u8, PAYLOAD as u8];
            let large = [&header[..], &[0; 4 + PAYLOAD]].concat();
            let mut written = 0;
            while written < FLOOD && client.try_write_bytes(&large).await {
                written += large.len();
            }
            assert!(written < FLOOD, "the server has read all frames");
        })
        .await;
}

#[actix_web::test]
async fn message_of_endless_fragments_closes_the_session() {
    let mut harness = AttackHarness::start(limited_config()).await;
    harness
        .assert_withstands(async |server| {
            // Too many fragments, and too many bytes.
            let many = [
                frame(FIRST_TEXT, b""),
                frame(CONTINUATION, b"").repeat(1024),
            ];
            assert_closes(server, &many.concat(), 1009, "payload too large").await;
            let large = [
                frame(FIRST_TEXT, b"4"),
                frame(CONTINUATION, &[b'x'; 100]).repeat(100),
            ];
            assert_closes(server, &large.concat(), 1009, "payload too large").await;
        })
        .await;
}

#[actix_web::test]
async fn message_that_is_never_completed_ends_with_its_session() {
    let mut harness = AttackHarness::start(fast_config()).await;
    harness
        .assert_withstands(async |server| {
            assert_closes(server, &frame(FIRST_TEXT, b"4"), 1000, "ping timeout").await;
        })
        .await;
}

#[actix_web::test]
async fn flood_of_pings_with_unread_pongs_ends_the_session() {
    let mut harness = AttackHarness::start(fast_config()).await;
    harness
        .assert_withstands(async |server| {
            let mut client = server.connect_engineio().await;
            let pings = frame(PING, &[b'x'; 125]).repeat(100);
            let flood = async { while client.try_write_bytes(&pings).await {} };
            // The session may end before a write fails.
            select(pin!(flood), pin!(server.wait_until_empty())).await;
        })
        .await;
}

#[actix_web::test]
async fn session_of_a_disconnected_or_silent_websocket_ends() {
    let mut harness = AttackHarness::start(EngineConfig {
        connect_timeout: TIMEOUT,
        ..fast_config()
    })
    .await;
    harness
        .assert_withstands(async |server| {
            drop(server.connect_to_namespace().await);
            server.wait_until_empty().await;
            server.connect_to_namespace().await.reset();
            server.wait_until_empty().await;
            // A client that is connected but does not answer pings.
            let silent = server.connect_to_namespace().await;
            server.wait_until_empty().await;
            drop(silent);
        })
        .await;
}

#[actix_web::test]
async fn session_of_a_websocket_with_an_incomplete_frame_ends() {
    let mut harness = AttackHarness::start(fast_config()).await;
    harness
        .assert_withstands(async |server| {
            for incomplete in [
                &[TEXT][..],
                &[TEXT, 0x80 | 126, 1],
                &frame(TEXT, b"4abc")[..8],
            ] {
                let mut client = server.connect_engineio().await;
                client.write_bytes(incomplete).await;
                drop(client);
                server.wait_until_empty().await;
                assert_closes(server, incomplete, 1000, "ping timeout").await;
            }
        })
        .await;
}

#[actix_web::test]
async fn websocket_reset_during_an_upgrade_leaves_the_session_on_polling() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let client = PollingClient::open_engineio(server).await;
            client.open_websocket(server).await.reset();
            client.post_ok("4still here").await;
            assert_eq!(client.poll_ok().await, "4still here");
            client.post_ok("1").await;
            client.assert_unknown().await;

            let client = PollingClient::open_engineio(server).await;
            let parked = client.start_poll().await;
            let mut websocket = client.open_websocket(server).await;
            websocket.send_text("2probe").await;
            assert_eq!(websocket.recv_text().await, "3probe");
            assert_eq!(parked.response().await, (200, "6".to_owned()));
            websocket.reset();
            client.post_ok("4still here").await;
            assert_eq!(client.poll_ok().await, "4still here");
            client.post_ok("1").await;
            client.assert_unknown().await;
        })
        .await;
}
