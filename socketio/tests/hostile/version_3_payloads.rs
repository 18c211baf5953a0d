//! Payloads of Engine.IO 3 that no official client sends. The lengths in them are the client's own, so they may lie.

use crate::{
    attack_harness::AttackHarness,
    polling_client::PollingClient,
    test_server::{TestServer, quiet_config},
    version_3::{INVALID_BASE64, allowing},
};

const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

/// The content type of a payload.
#[derive(Clone, Copy, Debug)]
enum Format {
    Text,
    Binary,
}

impl Format {
    /// Returns the headers of a POST with a body of this length.
    fn headers(self, length: usize) -> String {
        let content_type = match self {
            Self::Text => "text/plain;charset=UTF-8",
            Self::Binary => "application/octet-stream",
        };
        format!("content-type: {content_type}\r\ncontent-length: {length}\r\n")
    }
}

async fn post(client: &PollingClient, format: Format, body: &[u8]) -> (u16, String) {
    let headers = format.headers(body.len());
    let post = client.start_request_with_bytes("POST", &headers, body);
    post.await.response().await
}

/// Asserts that a POST with this body is refused, and that it ends the session and the parked poll, which receives no packet.
async fn assert_ends_session(server: &TestServer, format: Format, body: &[u8]) {
    let client = PollingClient::open_version_3(server, "/engine.io/").await;
    let parked = client.start_poll().await;
    let shown = String::from_utf8_lossy(&body[..body.len().min(30)]);
    let refused = (400, BAD_REQUEST.to_owned());
    assert_eq!(post(&client, format, body).await, refused, "{shown:?}");
    parked.assert_unknown().await;
    client.assert_unknown().await;
}

/// Returns a packet of a binary payload behind its kind and its length.
fn binary_packet(kind: u8, packet: &[u8]) -> Vec<u8> {
    let length = packet.len().to_string();
    let digits: Vec<u8> = length.bytes().map(|digit| digit - b'0').collect();
    [&[kind], &digits[..], &[0xff], packet].concat()
}

#[actix_web::test]
async fn text_payload_with_a_length_that_lies_ends_the_session() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let digits = "9".repeat(500_000);
            for payload in [
                // No length, or no packet.
                "",
                "4",
                "4hello",
                ":",
                ":4a",
                "0:",
                "00:",
                "0:2:4a",
                // Too long or too short.
                "3:4a",
                "1:4a",
                "2:4a2",
                "2:4a2:4",
                "2:4a9:4b",
                "2:4a:",
                "1:4:",
                // Between two surrogates.
                "2:4😀",
                "3:4a😀",
                "4:4😀😀",
                "2:4😀1:2",
                // Huge.
                "4294967298:4a",
                "9999999999:4a",
                "99999999999:4a",
                "18446744073709551618:4a",
                &digits,
                &format!("{digits}:4a"),
                &format!("{}2:4a", "0".repeat(500_000)),
                // No numbers, and signs.
                "x:4a",
                "-1:4a",
                "-0:4a",
                "+2:4a",
                " 2:4a",
                "2 :4a",
                "2\n:4a",
                "0x2:4a",
                "1e0:4",
                "2.0:4a",
                "NaN:4a",
                "Infinity:4a",
                "２:4a",
                "٢:4a",
                "\u{feff}2:4a",
                "2:4a\u{feff}",
                "2:4a\r\n",
                // The payload of version 4.
                "4a\u{1e}4b",
                "2:4a\u{1e}2:4b",
            ] {
                assert_ends_session(server, Format::Text, payload.as_bytes()).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn payload_that_is_not_utf8_ends_the_session() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            for packet in [
                &b"4\xff"[..],
                b"4\xc3",
                b"4\xc0\xb2",                 // overlong
                b"4\xf8\x88\x80\x80\x80",     // five bytes
                b"4\xed\xa0\xbd",             // half a surrogate pair
                b"4\xed\xb8\x80",             // the other half
                b"4\xed\xa0\xbd\xed\xb8\x80", // a pair in CESU-8
            ] {
                for length in ["2", "3"] {
                    let payload = [length.as_bytes(), b":", packet].concat();
                    assert_ends_session(server, Format::Text, &payload).await;
                }
                let payload = binary_packet(0, packet);
                assert_ends_session(server, Format::Binary, &payload).await;
            }
            assert_ends_session(server, Format::Text, b"\xc0\xb2:4a").await;
        })
        .await;
}

#[actix_web::test]
async fn binary_payload_with_a_malformed_length_ends_the_session() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let digits = [&[0_u8][..], &[9; 500_000], &[0xff, b'4']].concat();
            for payload in [
                // No kind, no length, no packet.
                &b""[..],
                b"\x00",
                b"\x01",
                b"\x00\xff",
                b"\x01\xff\x04",
                b"\x00\x02\xff",
                b"\x00\x00\xff",
                b"\x01\x00\xff",
                // The end of the length is missing, or is another byte.
                b"\x00\x02",
                b"\x00\x024a",
                b"\x00\x02\xfe4a",
                b"\x01\x02\x04\x01",
                b"\x00\x02:4a",
                // Digits over 9, in ASCII, or too many.
                b"\x00\x0a\xff4",
                b"\x002\xff4a",
                b"\x00\x80\xff4a",
                b"\x00\xff\x02\xff4a",
                b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\xff4a",
                &digits,
                // Behind the end.
                b"\x00\x03\xff4a",
                b"\x01\x03\xff\x04\x01",
                b"\x00\x09\x09\x09\x09\x09\x09\x09\x09\x09\x09\xff4",
                b"\x00\x02\xff4a\x00\x09\xff4b",
                // Too short.
                b"\x00\x01\xff4a",
                b"\x00\x02\xff4ab",
                // Unknown kinds.
                b"\x02\x02\xff4a",
                b"\xff\x02\xff4a",
                b"0\x02\xff4a",
            ] {
                assert_ends_session(server, Format::Binary, payload).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn malformed_packet_of_a_payload_ends_the_session() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let packets = ["9", "é", "abc", "0{}", "0", "3", "3probe", ""];
            for packet in packets.into_iter().chain(INVALID_BASE64) {
                let length = packet.encode_utf16().count();
                let text = format!("{length}:{packet}");
                assert_ends_session(server, Format::Text, text.as_bytes()).await;
                let binary = binary_packet(0, packet.as_bytes());
                assert_ends_session(server, Format::Binary, &binary).await;
            }
            for packet in [
                &b""[..],
                &[0],
                &[1],
                &[2],
                &[3],
                &[5],
                &[6],
                &[7, 1],
                &[0xff],
                b"4a",
            ] {
                let binary = binary_packet(1, packet);
                assert_ends_session(server, Format::Binary, &binary).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn payload_in_a_payload_is_not_split_again() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let client = PollingClient::open_version_3(server, "/engine.io/").await;
            // A message whose text is a payload, a noop and a ping with one behind them.
            client.post_ok("9:46:4hello8:6:4hello4:2:40").await;
            assert_eq!(client.poll_ok().await, "9:46:4hello1:3");
            let mut message = "2:4a".to_owned();
            for _ in 0..2000 {
                message = format!("{}:4{message}", message.len() + 1);
            }
            client.post_ok(&message).await;
            assert_eq!(client.poll_ok().await, message);
            client.post_ok("1:1").await;
            client.assert_unknown().await;

            let inner = binary_packet(0, b"4hello");
            for kind in [0, 1] {
                let nested = binary_packet(kind, &inner);
                assert_ends_session(server, Format::Binary, &nested).await;
            }
            // Each format in the other's content type.
            assert_ends_session(server, Format::Text, &inner).await;
            assert_ends_session(server, Format::Binary, b"6:4hello").await;
        })
        .await;
}

#[actix_web::test]
async fn payload_of_too_many_packets_of_version_3_ends_the_session() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let text = "1:6".repeat(50_000);
            assert_ends_session(server, Format::Text, text.as_bytes()).await;
            let binary = b"\x00\x01\xff6".repeat(50_000);
            assert_ends_session(server, Format::Binary, &binary).await;

            // As many pings as a payload may have, whose answers exceed the outbox.
            let client = PollingClient::open_version_3(server, "/engine.io/").await;
            let pings = "1:2".repeat(16_384);
            assert_eq!(post(&client, Format::Text, pings.as_bytes()).await.0, 200);
            client.assert_unknown().await;
        })
        .await;
}
