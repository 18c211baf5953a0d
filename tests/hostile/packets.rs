//! Socket.IO packets that no client sends.

use std::time::Duration;

use tokio_tungstenite::tungstenite::Message;
use vaultcast::engineio::Config;

use crate::{
    server::{Client, TestServer, patient},
    siege::Siege,
};

const PARSE_ERROR: (u16, &str) = (1000, "parse error");

async fn is_closed(mut client: Client, what: &str) {
    let (code, reason) = client.closed().await;
    let what: String = what.chars().take(60).collect();
    assert_eq!((code, reason.as_str()), PARSE_ERROR, "{what}");
}

/// Each of these packets closes the connection of a client that is in a namespace.
async fn each_closes(server: &TestServer, packets: &[&str]) {
    for packet in packets {
        let mut client = server.joined().await;
        client.say(packet).await;
        is_closed(client, packet).await;
    }
}

/// The client is where it was, and nothing was said to it meanwhile.
async fn goes_on(client: &mut Client) {
    client.say(r#"427["message-with-ack",1]"#).await;
    assert_eq!(client.hear().await, "437[1]");
}

#[actix_web::test]
async fn attachments_announced_by_the_million() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            each_closes(
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
async fn attachments_that_are_never_sent() {
    let mut siege = Siege::lay(Config {
        attachments_timeout: Duration::from_millis(100),
        ..patient()
    })
    .await;
    siege
        .withstands(async |server| {
            let announced = r#"452-["message",{"_placeholder":true,"num":0}]"#;
            let mut client = server.joined().await;
            client.say(announced).await;
            client.send(Message::binary(vec![1])).await;
            is_closed(client, "one of two").await;

            let mut client = server.joined().await;
            client.say(announced).await;
            client.say(r#"42["message"]"#).await;
            is_closed(client, "another packet instead").await;
        })
        .await;
}

#[actix_web::test]
async fn attachments_that_nobody_announced_or_that_are_too_heavy() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            for unannounced in [vec![], vec![1], vec![0; 100_000]] {
                let mut client = server.joined().await;
                client.send(Message::binary(unannounced)).await;
                is_closed(client, "unannounced").await;
            }
            let mut client = server.joined().await;
            client.say(r#"452-["message"]"#).await;
            client.send(Message::binary(vec![0; 600_000])).await;
            client.send(Message::binary(vec![0; 600_000])).await;
            is_closed(client, "too heavy").await;
        })
        .await;
}

#[actix_web::test]
async fn placeholders_of_attachments_that_there_are_not() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
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
                for kind in [
                    r#"451-["message","#,
                    r#"451-7["message-with-ack","#,
                    "461-7[",
                ] {
                    let mut client = server.joined().await;
                    let packet = format!(r#"{kind}{{"_placeholder":true,"num":{num}}}]"#);
                    client.say(&packet).await;
                    client.send(Message::binary(vec![1])).await;
                    is_closed(client, &packet).await;
                }
            }
        })
        .await;
}

#[actix_web::test]
async fn json_that_is_nested_ten_thousand_deep() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
            let objects = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
            for deep in [deep, "[".repeat(10_000), objects] {
                each_closes(
                    server,
                    &[
                        &format!(r#"42["message",{deep}]"#),
                        &format!(r#"420["message-with-ack",{deep}]"#),
                        &format!("430[{deep}]"),
                        &format!(r#"40/custom,{{"a":{deep}}}"#),
                    ],
                )
                .await;
            }
        })
        .await;
}

#[actix_web::test]
async fn event_names_that_are_reserved() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            for name in [
                "connect",
                "connect_error",
                "disconnect",
                "disconnecting",
                "newListener",
                "removeListener",
                r"disc\u006fnnect",
            ] {
                each_closes(
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
async fn event_names_that_are_no_names() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            each_closes(
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
                    r#"42["\ud800"]"#,
                    "42\"message\"",
                ],
            )
            .await;
        })
        .await;
}

#[actix_web::test]
async fn event_names_that_are_unusual_are_the_applications_affair() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let mut client = server.joined().await;
            for name in [
                "7",
                "-1.5e3",
                r#""""#,
                r#""error""#,
                r#""__proto__""#,
                r#""\u0000""#,
            ] {
                client.say(&format!("42[{name}]")).await;
                goes_on(&mut client).await;
            }
            // The same name, whatever way it is written.
            client.say(r#"421["\u006dessage\u002dwith-ack",2]"#).await;
            assert_eq!(client.hear().await, "431[2]");
        })
        .await;
}

#[actix_web::test]
async fn packets_that_come_when_they_must_not() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            each_closes(
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
                let mut client = server.socketio().await;
                client.say(packet).await;
                is_closed(client, packet).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn namespaces_of_64_kilobytes() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let name = format!("/{}", "é".repeat(32 * 1024));
            let mut client = server.joined().await;
            client.say(&format!("40{name},")).await;
            let refused = format!(r#"44{name},{{"message":"Invalid namespace"}}"#);
            assert!(client.hear().await == refused);
            client.say(&format!("41{name},")).await;
            goes_on(&mut client).await;
            client.say(&format!(r#"42{name},["message"]"#)).await;
            is_closed(client, "an event in it").await;
        })
        .await;
}

#[actix_web::test]
async fn acknowledgements_that_nobody_waits_for_and_numbers_that_are_too_large() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let mut client = server.joined().await;
            for unknown in ["430[]", "439223372036854775807[1]"] {
                client.say(unknown).await;
                goes_on(&mut client).await;
            }
            let most = i64::MAX;
            client
                .say(&format!(r#"42{most}["message-with-ack"]"#))
                .await;
            assert_eq!(client.hear().await, format!("43{most}[]"));
            // A number that is none asks for nothing.
            client
                .say(r#"429223372036854775808["message-with-ack"]"#)
                .await;
            goes_on(&mut client).await;
            client.say("439223372036854775808[1]").await;
            is_closed(client, "an acknowledgement of no number").await;
        })
        .await;
}
