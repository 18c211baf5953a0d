//! Websockets that break their own rules, or flood, or go away.

use std::pin::pin;

use futures_util::future::select;
use tokio_tungstenite::tungstenite::Message;
use vaultcast::engineio::Config;

use crate::{
    poller::Poller,
    server::{TestServer, config, patient},
    siege::Siege,
};

const LIMIT: usize = 10_000;

fn limited() -> Config {
    Config {
        max_payload: LIMIT,
        ..patient()
    }
}

/// A frame as a client sends it, masked with zeros: the first byte of its head, and what is in it.
fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126, "a short one");
    [&[head, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;
const FIRST_TEXT: u8 = 0x01;
const CONTINUED: u8 = 0x00;
const LAST: u8 = 0x80;

/// These bytes end the session with this close code.
async fn closes(server: &TestServer, bytes: &[u8], code: u16, reason: &str) {
    let mut client = server.engine().await;
    client.send_raw(bytes).await;
    let closed = client.closed().await;
    assert_eq!(closed, (code, reason.to_owned()), "{bytes:x?}");
}

#[actix_web::test]
async fn frames_that_break_a_rule() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            for broken in [
                &frame(TEXT | 0x40, b"4a")[..], // a reserved bit
                &frame(TEXT | 0x20, b"4a"),     // another
                &frame(BINARY | 0x10, b"a"),    // the third
                &frame(0x83, b"a"),             // an opcode that is reserved
                &[TEXT, 2, b'4', b'a'],         // no mask
                &frame(LAST, b"a"),             // the end of nothing
                &frame(CONTINUED, b"a"),        // the middle of nothing
                &[PING, 0x80 | 126, 0, 126],    // a ping with more than 125 bytes
                &frame(PING & !LAST, b"a"),     // a ping in fragments
                &frame(CLOSE, &[3]),            // half a close code
                &frame(CLOSE, &[0, 1]),         // a close code that there is not
                &[frame(FIRST_TEXT, b"4a"), frame(TEXT, b"4b")].concat(), // one message inside another
                &[frame(FIRST_TEXT, b"4a"), frame(BINARY, b"b")].concat(),
            ] {
                closes(server, broken, 1002, "transport error").await;
            }
        })
        .await;
}

#[actix_web::test]
async fn text_that_is_none() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            closes(server, &frame(TEXT, b"4\xff"), 1007, "invalid text").await;
            let split = [frame(FIRST_TEXT, b"4\xc3"), frame(LAST, b"\x28")].concat();
            closes(server, &split, 1007, "invalid text").await;
        })
        .await;
}

#[actix_web::test]
async fn empty_frames_and_packets_that_are_none() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            for nonsense in ["", "éabcd", "🦀", "9", "0{}", "2", "2probe", "b!"] {
                let bytes = frame(TEXT, nonsense.as_bytes());
                closes(server, &bytes, 1000, "parse error").await;
            }
            let mut client = server.engine().await;
            client.send(Message::binary(vec![])).await;
            assert!(
                client.hear_binary().await.is_empty(),
                "a message of no bytes is one"
            );
        })
        .await;
}

#[actix_web::test]
async fn frames_over_the_limit_announced_or_sent() {
    let mut siege = Siege::lay(limited()).await;
    siege
        .withstands(async |server| {
            for length in [LIMIT as u64 + 1, 1 << 32, u64::MAX >> 1, u64::MAX] {
                let mut head = vec![TEXT, 0xff];
                head.extend(length.to_be_bytes());
                closes(server, &head, 1009, "payload too large").await;
            }
            let mut client = server.engine().await;
            client.say(&format!("4{}", "x".repeat(LIMIT))).await;
            assert_eq!(
                client.closed().await,
                (1009, "payload too large".to_owned())
            );
        })
        .await;
}

#[actix_web::test]
async fn a_million_fragments_of_one_byte() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let mut client = server.engine().await;
            client.send_raw(&frame(FIRST_TEXT, b"4")).await;
            let thousand = frame(CONTINUED, b"x").repeat(1000);
            client.send_raw(&thousand).await;
            client.send_raw(&thousand).await;
            assert_eq!(
                client.closed().await,
                (1009, "payload too large".to_owned())
            );
            // It goes on all the same, and nobody listens.
            let mut went_through = 2;
            while went_through < 1000 && client.try_send_raw(&thousand).await {
                went_through += 1;
            }
            assert!(went_through < 1000, "the server took all of it");
        })
        .await;
}

#[actix_web::test]
async fn fragments_that_never_end() {
    let mut siege = Siege::lay(Config {
        max_payload: LIMIT,
        ..config()
    })
    .await;
    siege
        .withstands(async |server| {
            // Too many, too much, or none any more.
            let many = [frame(FIRST_TEXT, b""), frame(CONTINUED, b"").repeat(1024)].concat();
            closes(server, &many, 1009, "payload too large").await;
            let much = [
                frame(FIRST_TEXT, b"4"),
                frame(CONTINUED, &[b'x'; 100]).repeat(100),
            ];
            closes(server, &much.concat(), 1009, "payload too large").await;
            closes(server, &frame(FIRST_TEXT, b"4"), 1000, "ping timeout").await;
        })
        .await;
}

#[actix_web::test]
async fn a_flood_of_pings_whose_answers_nobody_reads() {
    let mut siege = Siege::lay(config()).await;
    siege
        .withstands(async |server| {
            let mut client = server.engine().await;
            let pings = frame(PING, &[b'x'; 125]).repeat(100);
            let flood = async { while client.try_send_raw(&pings).await {} };
            // It may notice late that nobody takes it any more.
            select(pin!(flood), pin!(server.emptied())).await;
        })
        .await;
}

#[actix_web::test]
async fn websockets_that_go_away_without_a_word() {
    let mut siege = Siege::lay(config()).await;
    siege
        .withstands(async |server| {
            drop(server.joined().await);
            server.emptied().await;
            server.joined().await.reset();
            server.emptied().await;
            // It is still there, but nobody is at home.
            let silent = server.joined().await;
            server.emptied().await;
            drop(silent);
        })
        .await;
}

#[actix_web::test]
async fn websockets_that_break_off_in_a_frame() {
    let mut siege = Siege::lay(config()).await;
    siege
        .withstands(async |server| {
            for begun in [
                &[TEXT][..],
                &[TEXT, 0x80 | 126, 1],
                &frame(TEXT, b"4abc")[..8],
            ] {
                let mut client = server.engine().await;
                client.send_raw(begun).await;
                drop(client);
                server.emptied().await;
                closes(server, begun, 1000, "ping timeout").await;
            }
        })
        .await;
}

#[actix_web::test]
async fn a_reset_in_the_middle_of_an_upgrade() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let client = Poller::engine(server).await;
            server.websocket_of(&client).await.reset();
            client.says("4still here").await;
            assert_eq!(client.hears().await, "4still here");
            client.says("1").await;
            client.is_unknown().await;

            let client = Poller::engine(server).await;
            let parked = client.parked().await;
            let mut websocket = server.websocket_of(&client).await;
            websocket.say("2probe").await;
            assert_eq!(websocket.hear().await, "3probe");
            assert_eq!(parked.answer().await, (200, "6".to_owned()));
            websocket.reset();
            client.says("4still here").await;
            assert_eq!(client.hears().await, "4still here");
            client.says("1").await;
            client.is_unknown().await;
        })
        .await;
}
