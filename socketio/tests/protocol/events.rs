//! Socket.IO: events, acknowledgements and binary data.

use tokio_tungstenite::tungstenite::Message;

use crate::{
    scripted_server::ScriptedServer,
    test_server::{TestServer, quiet_config},
};

#[actix_web::test]
async fn event_is_echoed_with_its_arguments() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_to_namespace().await;
    client
        .send_text(r#"42["message",1,"2",{"3":[true]}]"#)
        .await;
    assert_eq!(
        client.recv_text().await,
        r#"42["message-back",1,"2",{"3":[true]}]"#
    );
}

#[actix_web::test]
async fn event_with_an_ack_id_is_acknowledged() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_to_namespace().await;
    client
        .send_text(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#)
        .await;
    assert_eq!(client.recv_text().await, r#"43456[1,"2",{"3":[false]}]"#);
}

#[actix_web::test]
async fn unpaired_surrogate_is_read_as_the_replacement_character() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_socketio().await;
    client.send_text(r#"40{"token":"\ud83d"}"#).await;
    assert!(client.recv_text().await.starts_with(r#"40{"sid":""#));
    let auth = client.recv_text().await;
    assert_eq!(auth, "42[\"auth\",{\"token\":\"\u{fffd}\"}]");

    client
        .send_text(r#"420["message-with-ack","x\ud83d",{"\ude00":1}]"#)
        .await;
    let answer = "430[\"x\u{fffd}\",{\"\u{fffd}\":1}]";
    assert_eq!(client.recv_text().await, answer);
    // An acknowledgement, and the header of a binary event.
    client.send_text(r#"439["\ud83d"]"#).await;
    client
        .send_text(r#"451-["message","\ud83d",{"_placeholder":true,"num":0}]"#)
        .await;
    client.send_message(Message::binary(vec![1])).await;
    let event = client.recv_text().await;
    assert!(
        event.starts_with("451-[\"message-back\",\"\u{fffd}\""),
        "{event}"
    );
    assert_eq!(client.recv_binary().await.as_ref(), [1]);
}

#[actix_web::test]
async fn unexpected_acknowledgement_is_ignored() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_to_namespace().await;
    client.send_text("437[1]").await;
    client.send_text(r#"42["message"]"#).await;
    assert_eq!(client.recv_text().await, r#"42["message-back"]"#);
}

#[actix_web::test]
async fn binary_events_are_echoed_and_acknowledged() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_to_namespace().await;
    let placeholders = r#"{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}"#;

    client
        .send_text(&format!(r#"452-["message",{placeholders}]"#))
        .await;
    client.send_message(Message::binary(vec![1, 2, 3])).await;
    client.send_message(Message::binary(vec![4, 5, 6])).await;
    assert_eq!(
        client.recv_text().await,
        format!(r#"452-["message-back",{placeholders}]"#)
    );
    assert_eq!(client.recv_binary().await.as_ref(), [1, 2, 3]);
    assert_eq!(client.recv_binary().await.as_ref(), [4, 5, 6]);

    client
        .send_text(&format!(r#"452-789["message-with-ack",{placeholders}]"#))
        .await;
    client.send_message(Message::binary(vec![1])).await;
    client.send_message(Message::binary(vec![2])).await;
    assert_eq!(client.recv_text().await, format!("462-789[{placeholders}]"));
    assert_eq!(client.recv_binary().await.as_ref(), [1]);
    assert_eq!(client.recv_binary().await.as_ref(), [2]);
}

#[actix_web::test]
async fn malformed_event_closes_the_connection() {
    let server = TestServer::start_echo(quiet_config());
    for packet in [
        "42",
        "42{}",
        "42[]",
        "42[{}]",
        "42[null]",
        r#"42["message""#,
        r#"4511-["message"]"#,
        r#"45-["message"]"#,
    ] {
        let mut client = server.connect_to_namespace().await;
        client.send_text(packet).await;
        assert_eq!(client.recv_close().await.1, "parse error", "{packet}");
    }
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn reserved_event_name_closes_the_connection() {
    let server = TestServer::start_echo(quiet_config());
    for name in [
        "connect",
        "connect_error",
        "disconnect",
        "disconnecting",
        "newListener",
        "removeListener",
    ] {
        let mut client = server.connect_to_namespace().await;
        client.send_text(&format!(r#"42["{name}"]"#)).await;
        assert_eq!(client.recv_close().await.1, "parse error", "{name}");
    }
}

#[actix_web::test]
async fn misplaced_binary_message_closes_the_connection() {
    let server = TestServer::start_echo(quiet_config());

    let mut unexpected = server.connect_to_namespace().await;
    unexpected.send_message(Message::binary(vec![1])).await;
    assert_eq!(unexpected.recv_close().await.1, "parse error");

    let mut interrupted = server.connect_to_namespace().await;
    interrupted
        .send_text(r#"451-["message",{"_placeholder":true,"num":0}]"#)
        .await;
    interrupted.send_text(r#"42["message"]"#).await;
    assert_eq!(interrupted.recv_close().await.1, "parse error");

    let mut wrong_placeholder = server.connect_to_namespace().await;
    wrong_placeholder
        .send_text(r#"451-["message",{"_placeholder":true,"num":1}]"#)
        .await;
    wrong_placeholder
        .send_message(Message::binary(vec![1]))
        .await;
    assert_eq!(wrong_placeholder.recv_close().await.1, "parse error");
}

#[actix_web::test]
async fn server_receives_the_acknowledgements_it_requested() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    client.send_text(r#"42["ask me",10000]"#).await;
    assert_eq!(client.recv_text().await, r#"420["well?","how",2]"#);
    client.send_text(r#"42["ask me",10000]"#).await;
    assert_eq!(client.recv_text().await, r#"421["well?","how",2]"#);

    client.send_text(r#"431["fine"]"#).await;
    assert_eq!(scripted.next_report().await, r#"[String("fine")] []"#);
    client
        .send_text(r#"461-0[{"_placeholder":true,"num":0}]"#)
        .await;
    client.send_message(Message::binary(vec![b'!'])).await;
    assert!(scripted.next_report().await.ends_with(r#"[b"!"]"#));
    client.send_text(r#"430["again"]"#).await;
    client.send_text(r#"427["still"]"#).await;
    assert_eq!(client.recv_text().await, r#"437["still"]"#);
}

#[actix_web::test]
async fn missing_acknowledgement_ends_with_a_timeout_or_a_disconnect() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text("40").await;
    client.recv_text().await;
    client.send_text(r#"42["ask me",1]"#).await;
    assert_eq!(client.recv_text().await, r#"420["well?","how",2]"#);
    assert_eq!(
        scripted.next_report().await,
        "the client did not acknowledge in time"
    );
    client.send_text(r#"430["too late"]"#).await;

    client.send_text(r#"42["ask me",10000]"#).await;
    client.recv_text().await;
    client.send_text("41").await;
    let mut reports = [scripted.next_report().await, scripted.next_report().await];
    reports.sort();
    assert_eq!(
        reports,
        [
            "client namespace disconnect",
            "the client is not connected any more"
        ]
    );
}

#[actix_web::test]
async fn acknowledgement_that_was_not_requested_is_ignored_unread() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_to_namespace().await;
    client.send_text("430[neither read nor checked").await;
    client.send_text(r#"427["message-with-ack",1]"#).await;
    assert_eq!(client.recv_text().await, "437[1]");
}

#[actix_web::test]
async fn acknowledgement_that_is_not_an_array_closes_the_connection() {
    let server = TestServer::start_echo(quiet_config());
    for packet in ["430", "430{}", "43[]", r#"460["a"]"#] {
        let mut client = server.connect_to_namespace().await;
        client.send_text(packet).await;
        assert_eq!(client.recv_close().await.1, "parse error", "{packet}");
    }
}
