//! Malformed Socket.IO packets of clients of Engine.IO 3, and packets that are not allowed in the current state.

use std::time::Duration;

use actix_socketio::engineio::EngineConfig;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    attack_harness::AttackHarness,
    packets::MALFORMED_HEADERS,
    polling_client::PollingClient,
    test_server::{TestServer, quiet_config},
    version_3::{allowing, assert_closes, connect},
    websocket_client::WebSocketClient,
};

/// The attachments of a packet may take this long.
fn patient_config() -> EngineConfig {
    allowing(EngineConfig {
        attachments_timeout: Duration::from_secs(3600),
        ..quiet_config()
    })
}

/// Opens a Socket.IO session, which the server connects to the default namespace.
async fn connect_to_namespace(server: &TestServer) -> WebSocketClient {
    let mut client = connect(server, "/socket.io/").await;
    assert_eq!(client.recv_text().await, "40");
    assert_eq!(client.recv_text().await, r#"42["auth",{}]"#);
    client
}

/// Asserts that each of these packets closes the connection.
async fn assert_each_closes(server: &TestServer, packets: &[&str]) {
    for packet in packets {
        let client = connect_to_namespace(server).await;
        assert_closes(client, Message::text(*packet)).await;
    }
}

/// Asserts that the client is still in its namespace and has received no other packet.
async fn assert_connected(client: &mut WebSocketClient) {
    client.send_text(r#"427["message-with-ack",1]"#).await;
    assert_eq!(client.recv_text().await, "437[1]");
}

#[actix_web::test]
async fn malformed_header_of_a_binary_packet_of_version_3_closes_the_connection() {
    let mut harness = AttackHarness::start(patient_config()).await;
    harness
        .assert_withstands(async |server| {
            assert_each_closes(server, &MALFORMED_HEADERS).await;
            for header in MALFORMED_HEADERS.into_iter().step_by(4) {
                let client = PollingClient::open_version_3(server, "/socket.io/").await;
                let length = header.encode_utf16().count();
                // The answer to a POST may precede the end of the session.
                client.post(format!("{length}:{header}")).await;
                client.assert_unknown().await;
            }
        })
        .await;
}

#[actix_web::test]
async fn attachment_that_is_unannounced_or_without_its_type_closes_the_connection() {
    let mut harness = AttackHarness::start(patient_config()).await;
    harness
        .assert_withstands(async |server| {
            for unannounced in [vec![4], vec![4, 1], [vec![4], vec![0; 100_000]].concat()] {
                let client = connect_to_namespace(server).await;
                assert_closes(client, Message::binary(unannounced)).await;
            }
            let header = r#"452-["message",{"_placeholder":true,"num":0}]"#;
            for second in [
                Message::binary(vec![]),
                Message::binary(vec![1]),
                Message::text("b5AQID"),
                Message::text(r#"42["message"]"#),
                Message::text(header),
            ] {
                let mut client = connect_to_namespace(server).await;
                client.send_text(header).await;
                client.send_message(Message::binary(vec![4, 1])).await;
                assert_closes(client, second).await;
            }
            // Pings do not belong to the packet; empty attachments are valid.
            let mut client = connect_to_namespace(server).await;
            client.send_text(header).await;
            client.send_text("2").await;
            assert_eq!(client.recv_text().await, "3");
            client.send_text("b4").await;
            client.send_message(Message::binary(vec![4])).await;
            let echoed = r#"452-["message-back",{"_placeholder":true,"num":0}]"#;
            assert_eq!(client.recv_text().await, echoed);
            for _ in 0..2 {
                assert_eq!(client.recv_binary().await, [4][..]);
            }
            assert_connected(&mut client).await;
        })
        .await;
}

#[actix_web::test]
async fn packet_that_a_client_of_version_3_may_not_send_closes_the_connection() {
    let mut harness = AttackHarness::start(patient_config()).await;
    harness
        .assert_withstands(async |server| {
            assert_each_closes(
                server,
                &[
                    // ERROR is a packet of the server.
                    "44",
                    r#"44"refused""#,
                    "44{}",
                    r#"44/custom,"refused""#,
                    r#"44{"message":"a","code":1}"#,
                    // The server has connected the default namespace already.
                    "40",
                    "40/",
                    "40/,",
                    "40/?token=a,",
                    "40/?token=a",
                    "40?token=a",
                    r#"40{"token":"a"}"#,
                    // Namespaces that the client is not in.
                    r#"42/custom,["message"]"#,
                    "43/custom,1[]",
                    r#"42/?token=a,["message"]"#,
                    r#"451-/custom,["message",{"_placeholder":true,"num":0}]"#,
                    // No packets.
                    "4",
                    "47",
                    "42",
                    "42[]",
                    "43[]",
                    "430",
                    "45",
                    "46",
                ],
            )
            .await;
        })
        .await;
}

#[actix_web::test]
async fn connect_to_an_unknown_namespace_with_a_query_is_refused_by_its_name() {
    let mut harness = AttackHarness::start(patient_config()).await;
    harness
        .assert_withstands(async |server| {
            let mut client = connect_to_namespace(server).await;
            let large = format!("/unknown?{}", "é".repeat(32 * 1024));
            let deep = "[".repeat(10_000);
            for connect in [
                "40/unknown",
                "40/unknown,",
                "40/unknown?",
                "40/unknown?token=a",
                "40/unknown?token=a,",
                "40/unknown?a?b=/,",
                "40/unknown?%00%ff=%,",
                "40/unknown?__proto__=a,not json",
                &format!("40/unknown?a=b,{deep}"),
                &format!("40{large},"),
            ] {
                client.send_text(connect).await;
                let refused = r#"44/unknown,"Invalid namespace""#;
                assert_eq!(client.recv_text().await, refused);
            }
            // DISCONNECT packets of namespaces that the client is not in.
            for disconnect in ["41/unknown,", "41/unknown?a=b,", "41/custom"] {
                client.send_text(disconnect).await;
            }
            assert_connected(&mut client).await;
            let event = Message::text(r#"42/unknown,["message"]"#);
            assert_closes(client, event).await;
        })
        .await;
}

#[actix_web::test]
async fn unknown_ack_of_version_3_is_ignored_and_deep_json_is_cut() {
    let mut harness = AttackHarness::start(patient_config()).await;
    harness
        .assert_withstands(async |server| {
            const LEVELS: usize = 100_000;
            let arrays = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
            let objects = format!("{}1{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS));
            for nested in [arrays, objects] {
                let mut client = connect_to_namespace(server).await;
                for ack in [
                    "430[]",
                    "439223372036854775807[1]",
                    &format!("430[{nested}]"),
                ] {
                    client.send_text(ack).await;
                }
                client
                    .send_text(r#"461-7[{"_placeholder":true,"num":0}]"#)
                    .await;
                client.send_message(Message::binary(vec![4, 1])).await;
                let event = format!(r#"420["message-with-ack",{nested},"kept"]"#);
                client.send_text(&event).await;
                let answer = client.recv_text().await;
                assert!(answer.starts_with("430["), "{answer}");
                assert!(answer.ends_with(r#","kept"]"#), "{answer}");
                assert!(answer.len() < 1000, "{answer}");
            }
            let client = connect_to_namespace(server).await;
            assert_closes(client, Message::text("439223372036854775808[1]")).await;
        })
        .await;
}
