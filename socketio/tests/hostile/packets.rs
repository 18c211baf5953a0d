//! Malformed Socket.IO packets, and packets that are not allowed in the current state.

use std::time::Duration;

use actix_socketio::engineio::EngineConfig;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    attack_harness::AttackHarness,
    polling_client::PollingClient,
    test_server::{TestServer, quiet_config},
    websocket_client::WebSocketClient,
};

const PARSE_ERROR: (u16, &str) = (1000, "parse error");

async fn assert_closed(mut client: WebSocketClient, packet: &str) {
    let (code, reason) = client.recv_close().await;
    let packet: String = packet.chars().take(60).collect();
    assert_eq!((code, reason.as_str()), PARSE_ERROR, "{packet}");
}

/// Asserts that each of these packets closes the connection of a client that is in a namespace.
async fn assert_each_closes(server: &TestServer, packets: &[&str]) {
    for packet in packets {
        let mut client = server.connect_to_namespace().await;
        client.send_text(packet).await;
        assert_closed(client, packet).await;
    }
}

/// Asserts that the client is still in its namespace and has received no other packet.
async fn assert_connected(client: &mut WebSocketClient) {
    client.send_text(r#"427["message-with-ack",1]"#).await;
    assert_eq!(client.recv_text().await, "437[1]");
}

#[actix_web::test]
async fn packet_with_an_invalid_attachment_count_closes_the_connection() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            assert_each_closes(
                server,
                &[
                    r#"451000000-["message"]"#,
                    r#"4511-["message"]"#,
                    r#"4599999999999999999999999-["message"]"#,
                    r#"461000000-7[1]"#,
                    r#"45-["message"]"#,
                    r#"45["message"]"#,
                    "45",
                    "451",
                ],
            )
            .await;
        })
        .await;
}

#[actix_web::test]
async fn packet_whose_attachments_are_not_sent_closes_the_connection() {
    let mut harness = AttackHarness::start(EngineConfig {
        attachments_timeout: Duration::from_millis(100),
        ..quiet_config()
    })
    .await;
    harness
        .assert_withstands(async |server| {
            let two_attachments = r#"452-["message",{"_placeholder":true,"num":0}]"#;
            let mut client = server.connect_to_namespace().await;
            client.send_text(two_attachments).await;
            client.send_message(Message::binary(vec![1])).await;
            assert_closed(client, "one of two").await;

            let mut client = server.connect_to_namespace().await;
            client.send_text(two_attachments).await;
            client.send_text(r#"42["message"]"#).await;
            assert_closed(client, "another packet instead").await;
        })
        .await;
}

/// Headers of binary packets that close the connection before any attachment.
pub const MALFORMED_HEADERS: [&str; 31] = [
    // The payload is no JSON array.
    r#"451-["message""#,
    r#"451-7["message",{"_placeholder":true,"num":0}"#,
    "451-[",
    "451-",
    "451-7",
    "451-{}",
    "451-null",
    r#"451-["message"]x"#,
    r#"451-/,["message""#,
    "461-7[",
    "461-7",
    "461-7{}",
    // An acknowledgement without an id.
    "461-[1]",
    // The event has no name, or a reserved one.
    "451-[]",
    "451-[{}]",
    r#"451-[{"_placeholder":true,"num":0}]"#,
    r#"451-["connect"]"#,
    r#"451-["connect_error"]"#,
    r#"451-7["disconnect",{"_placeholder":true,"num":0}]"#,
    r#"451-["disconnecting"]"#,
    r#"451-["newListener"]"#,
    r#"451-["remove\u004cistener"]"#,
    // The client is not in the namespace.
    r#"451-/custom,["message",{"_placeholder":true,"num":0}]"#,
    r#"451-/custom"#,
    "461-/custom,7[1]",
    // The number of attachments.
    r#"4511-["message"]"#,
    r#"451000000-["message"]"#,
    r#"4599999999999999999999999-["message"]"#,
    r#"45-1-["message"]"#,
    r#"451.5-["message"]"#,
    r#"451["message"]"#,
];

/// The attachments of a packet may take this long.
fn patient_config() -> EngineConfig {
    EngineConfig {
        attachments_timeout: Duration::from_secs(3600),
        ..quiet_config()
    }
}

#[actix_web::test]
async fn malformed_header_of_a_binary_packet_closes_the_connection_before_its_attachments() {
    let mut harness = AttackHarness::start(patient_config()).await;
    harness
        .assert_withstands(async |server| assert_each_closes(server, &MALFORMED_HEADERS).await)
        .await;
}

#[actix_web::test]
async fn malformed_header_of_a_binary_packet_ends_a_polling_session_before_its_attachments() {
    let mut harness = AttackHarness::start(patient_config()).await;
    harness
        .assert_withstands(async |server| {
            let unannounced = ["bAQ==", "b", "bnot base64"];
            for packet in MALFORMED_HEADERS.into_iter().step_by(4).chain(unannounced) {
                let client = PollingClient::connect_to_namespace(server).await;
                // The answer to a POST may precede the end of the session.
                client.post(packet).await;
                client.assert_unknown().await;
            }
        })
        .await;
}

#[actix_web::test]
async fn binary_packet_without_attachments_is_an_ordinary_packet() {
    let mut harness = AttackHarness::start(patient_config()).await;
    harness
        .assert_withstands(async |server| {
            let mut client = server.connect_to_namespace().await;
            client.send_text(r#"450-["message",1]"#).await;
            assert_eq!(client.recv_text().await, r#"42["message-back",1]"#);
            client.send_text("460-7[1]").await;
            assert_connected(&mut client).await;
            assert_each_closes(server, &["450-[", "450-[]", "450-{}", "460-7{", "460-[1]"]).await;
        })
        .await;
}

#[actix_web::test]
async fn unannounced_or_oversized_attachment_closes_the_connection() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for unannounced in [vec![], vec![1], vec![0; 100_000]] {
                let mut client = server.connect_to_namespace().await;
                client.send_message(Message::binary(unannounced)).await;
                assert_closed(client, "unannounced").await;
            }
            let mut client = server.connect_to_namespace().await;
            client.send_text(r#"452-["message"]"#).await;
            client.send_message(Message::binary(vec![0; 600_000])).await;
            client.send_message(Message::binary(vec![0; 600_000])).await;
            assert_closed(client, "oversized").await;
        })
        .await;
}

#[actix_web::test]
async fn placeholder_without_its_attachment_closes_the_connection() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for num in [
                "1",
                "-1",
                "0.5",
                "1e99",
                "99999999999999999999",
                "\"0\"",
                "null",
                "{}",
            ] {
                for kind in [r#"451-["message","#, r#"451-7["message-with-ack","#] {
                    let mut client = server.connect_to_namespace().await;
                    let packet = format!(r#"{kind}{{"_placeholder":true,"num":{num}}}]"#);
                    client.send_text(&packet).await;
                    client.send_message(Message::binary(vec![1])).await;
                    assert_closed(client, &packet).await;
                }
            }
        })
        .await;
}

#[actix_web::test]
async fn json_nested_hundred_thousand_levels_deep_is_cut() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            const LEVELS: usize = 100_000;
            let arrays = format!("{}{}", "[".repeat(LEVELS), "]".repeat(LEVELS));
            let objects = format!("{}1{}", r#"{"a":"#.repeat(LEVELS), "}".repeat(LEVELS));
            for nested in [arrays, objects] {
                let mut client = server.connect_socketio().await;
                client.send_text(&format!("40{{\"a\":{nested}}}")).await;
                assert!(client.recv_text().await.starts_with("40{"));
                let auth = client.recv_text().await;
                assert!(auth.starts_with(r#"42["auth",{"a":"#), "{auth}");
                client.send_text(&format!("430[{nested}]")).await;
                client
                    .send_text(&format!(r#"420["message-with-ack",{nested},"kept"]"#))
                    .await;
                let answer = client.recv_text().await;
                assert!(answer.starts_with("430["), "{answer}");
                assert!(answer.ends_with(r#","kept"]"#), "{answer}");
                assert!(answer.len() < 1000, "{answer}");
            }
        })
        .await;
}

#[actix_web::test]
async fn unfinished_json_closes_the_connection() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let open = "[".repeat(10_000);
            assert_each_closes(
                server,
                &[
                    &format!(r#"42["message",{open}]"#),
                    &format!(r#"420["message-with-ack",{open}]"#),
                    &format!(r#"40/custom,{{"a":{open}}}"#),
                    r#"42["message","\ud83d]"#,
                    r#"42["message","\ud83"]"#,
                ],
            )
            .await;
        })
        .await;
}

#[actix_web::test]
async fn reserved_event_name_closes_the_connection() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for name in [
                "connect",
                "connect_error",
                "disconnect",
                "disconnecting",
                "newListener",
                "removeListener",
                r"disc\u006fnnect",
            ] {
                assert_each_closes(
                    server,
                    &[
                        &format!(r#"42["{name}"]"#),
                        &format!(r#"420["{name}",1]"#),
                        &format!(r#"450-["{name}"]"#),
                    ],
                )
                .await;
            }
        })
        .await;
}

#[actix_web::test]
async fn event_without_a_valid_name_closes_the_connection() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            assert_each_closes(
                server,
                &[
                    "42",
                    "42[]",
                    "42{}",
                    "42[{}]",
                    r#"42[{"toString":"message"}]"#,
                    "42[[\"message\"]]",
                    "42[null]",
                    "42[true]",
                    r#"42["message""#,
                    r#"42["message"]]"#,
                    r#"42["message\"]"#,
                    "42\"message\"",
                ],
            )
            .await;
        })
        .await;
}

#[actix_web::test]
async fn unusual_event_name_is_passed_to_the_application() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let mut client = server.connect_to_namespace().await;
            for name in [
                "7",
                "-1.5e3",
                r#""""#,
                r#""error""#,
                r#""__proto__""#,
                r#""\u0000""#,
            ] {
                client.send_text(&format!("42[{name}]")).await;
                assert_connected(&mut client).await;
            }
            // An escaped name is the same name.
            client
                .send_text(r#"421["\u006dessage\u002dwith-ack",2]"#)
                .await;
            assert_eq!(client.recv_text().await, "431[2]");
        })
        .await;
}

#[actix_web::test]
async fn packet_that_is_not_allowed_in_the_current_state_closes_the_connection() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            assert_each_closes(
                server,
                &[
                    "40",
                    r#"40{"token":"again"}"#,
                    r#"42/custom,["message"]"#,
                    "43/custom,1[]",
                ],
            )
            .await;
            for packet in [
                r#"42["message"]"#,
                r#"450-["message"]"#,
                "430[]",
                "44{}",
                "40[]",
            ] {
                let mut client = server.connect_socketio().await;
                client.send_text(packet).await;
                assert_closed(client, packet).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn namespace_name_of_64_kilobytes_is_refused() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let name = format!("/{}", "é".repeat(32 * 1024));
            let mut client = server.connect_to_namespace().await;
            client.send_text(&format!("40{name},")).await;
            let refused = format!(r#"44{name},{{"message":"Invalid namespace"}}"#);
            assert!(client.recv_text().await == refused);
            client.send_text(&format!("41{name},")).await;
            assert_connected(&mut client).await;
            client.send_text(&format!(r#"42{name},["message"]"#)).await;
            assert_closed(client, "an event in that namespace").await;
        })
        .await;
}

#[actix_web::test]
async fn unexpected_ack_is_ignored_and_an_ack_id_over_the_limit_is_not_used() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let mut client = server.connect_to_namespace().await;
            for unexpected in ["430[]", "439223372036854775807[1]"] {
                client.send_text(unexpected).await;
                assert_connected(&mut client).await;
            }
            let largest = i64::MAX;
            client
                .send_text(&format!(r#"42{largest}["message-with-ack"]"#))
                .await;
            assert_eq!(client.recv_text().await, format!("43{largest}[]"));
            // An event with an id over the limit is handled without an acknowledgement.
            client
                .send_text(r#"429223372036854775808["message-with-ack"]"#)
                .await;
            assert_connected(&mut client).await;
            client.send_text("439223372036854775808[1]").await;
            assert_closed(client, "an acknowledgement with an id over the limit").await;
        })
        .await;
}
