//! Websockets of Engine.IO 3 that violate the protocol.

use tokio_tungstenite::tungstenite::Message;

use crate::{
    attack_harness::AttackHarness,
    polling_client::PollingClient,
    test_server::{fast_config, quiet_config},
    version_3::{INVALID_BASE64, allowing, assert_closes, connect},
    websocket_client::WebSocketClient,
};

#[actix_web::test]
async fn malformed_or_disallowed_packet_closes_the_websocket() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let packets = [
                "",
                "é",
                "🦀",
                "9",
                "abc",
                "0",
                "0{}",
                r#"0{"sid":"AAAAAAAAAAAAAAAA"}"#,
                "3",
                "3probe",
                ":",
                "\u{1e}",
            ];
            for packet in packets.into_iter().chain(INVALID_BASE64) {
                assert_closes(connect(server, "/engine.io/").await, Message::text(packet)).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn binary_frame_without_the_type_of_a_message_closes_the_websocket() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            // Empty; open, close, ping, pong, upgrade, noop; unknown types; a binary payload; version 4's form.
            for frame in [
                &b""[..],
                &[0],
                &[1],
                &[2],
                b"\x02probe",
                &[3],
                &[5],
                &[6],
                &[7],
                &[0xff, 4],
                b"4a",
                b"\x00\x02\xff4a",
                b"\x01\x02\xff\x04\x01",
                &[0; 60_000],
            ] {
                let message = Message::binary(frame.to_vec());
                assert_closes(connect(server, "/engine.io/").await, message).await;
            }
            let mut client = connect(server, "/engine.io/").await;
            client.send_message(Message::binary(vec![4])).await;
            assert_eq!(client.recv_binary().await, [4][..]);
        })
        .await;
}

#[actix_web::test]
async fn ping_in_any_form_is_answered_and_unexpected_packets_have_no_effect() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let mut client = connect(server, "/engine.io/").await;
            for ping in [
                "2",
                "2probe",
                "2probe2probe",
                "2é",
                "2{}",
                &"2".repeat(60_000),
            ] {
                client.send_text(ping).await;
                assert_eq!(client.recv_text().await, "3");
            }
            for _ in 0..2000 {
                client.send_text("2").await;
                assert_eq!(client.recv_text().await, "3");
            }
            for unexpected in ["5", "5probe", "6", "6:4hello", "5"] {
                client.send_text(unexpected).await;
            }
            client.send_text("4a").await;
            assert_eq!(client.recv_text().await, "4a");
            client.send_text("1").await;
            server.wait_until_empty().await;
        })
        .await;
}

#[actix_web::test]
async fn upgrade_of_version_3_with_another_packet_is_rejected() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let client = PollingClient::open_version_3(server, "/engine.io/").await;
            let target = format!("/engine.io/?EIO=3&transport=websocket&sid={}", client.sid);
            for packet in ["2", "3probe", "4a", "b4AQID", "1", "6", "", "0{}"] {
                let mut websocket = WebSocketClient::connect(server.address, &target).await;
                websocket.send_text(packet).await;
                let not_upgraded = (1000, "not upgraded".to_owned());
                assert_eq!(websocket.recv_close().await, not_upgraded, "{packet}");
            }
            let mut websocket = WebSocketClient::connect(server.address, &target).await;
            websocket
                .send_message(Message::binary(b"\x05".to_vec()))
                .await;
            assert_eq!(websocket.recv_close().await.1, "not upgraded");
            client.post_ok("2:4a").await;
            assert_eq!(client.poll_ok().await, "2:4a");
            client.post_ok("1:1").await;
        })
        .await;
}

#[actix_web::test]
async fn session_of_a_client_that_sends_no_ping_ends() {
    let mut harness = AttackHarness::start(allowing(fast_config())).await;
    harness
        .assert_withstands(async |server| {
            let polling = PollingClient::open_version_3(server, "/engine.io/").await;
            let incomplete = polling
                .start_request("POST", "content-length: 9\r\n", "1:2")
                .await;
            let mut websocket = connect(server, "/engine.io/").await;
            // A websocket ping is no ping of the protocol.
            websocket.send_message(Message::Ping(vec![2].into())).await;
            assert_eq!(
                websocket.recv_close().await,
                (1000, "ping timeout".to_owned())
            );
            assert_eq!(incomplete.response().await.0, 400);
            polling.assert_unknown().await;
        })
        .await;
}
