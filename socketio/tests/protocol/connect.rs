//! Socket.IO: connecting to namespaces and leaving them.

use std::time::Duration;

use actix_socketio::engineio::EngineConfig;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    scripted_server::ScriptedServer,
    test_server::{TestServer, connecting_config, quiet_config},
    websocket_client::WebSocketClient,
};

/// Asserts that the next message closes the connection after the connect timeout, before another ping.
async fn assert_close_is_next(mut client: WebSocketClient) {
    let Some(Message::Close(Some(frame))) = client.recv().await else {
        panic!("expected a close frame");
    };
    assert_eq!(frame.reason.as_str(), "connect timeout");
}

#[actix_web::test]
async fn connect_is_answered_with_a_socket_id_that_is_not_the_session_id() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_websocket("/socket.io/").await;
    let open = client.recv_text().await;
    client.send_text("40").await;

    let answer = client.recv_text().await;
    let id = answer
        .strip_prefix(r#"40{"sid":""#)
        .and_then(|rest| rest.strip_suffix(r#""}"#))
        .unwrap();
    assert_eq!(id.len(), 20);
    assert!(
        !open.contains(id),
        "the session id is a secret and must differ from the socket id"
    );
    assert_eq!(client.recv_text().await, r#"42["auth",{}]"#);
}

#[actix_web::test]
async fn events_emitted_during_connect_are_sent_after_the_answer() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_socketio().await;
    client.send_text(r#"40{"token":"123"}"#).await;
    assert!(client.recv_text().await.starts_with("40{"));
    assert_eq!(client.recv_text().await, r#"42["auth",{"token":"123"}]"#);
}

#[actix_web::test]
async fn custom_namespace_is_independent_of_the_default_namespace() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_to_namespace().await;
    client.send_text(r#"40/custom,{"token":"abc"}"#).await;
    assert!(
        client
            .recv_text()
            .await
            .starts_with(r#"40/custom,{"sid":""#)
    );
    assert_eq!(
        client.recv_text().await,
        r#"42/custom,["auth",{"token":"abc"}]"#
    );

    client.send_text(r#"42/custom,["message",1]"#).await;
    assert_eq!(client.recv_text().await, r#"42/custom,["message-back",1]"#);
    client.send_text("41/custom,").await;
    client.send_text(r#"42["message",2]"#).await;
    assert_eq!(client.recv_text().await, r#"42["message-back",2]"#);
}

#[actix_web::test]
async fn connect_to_an_unknown_namespace_is_refused() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_socketio().await;
    client.send_text("40/random").await;
    assert_eq!(
        client.recv_text().await,
        r#"44/random,{"message":"Invalid namespace"}"#
    );
    client.send_text("40").await;
    assert!(
        client.recv_text().await.starts_with("40{"),
        "the connection stays open"
    );
}

#[actix_web::test]
async fn client_may_connect_again_after_a_disconnect() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_to_namespace().await;
    client.send_text("41").await;
    client.send_text("40").await;
    assert!(client.recv_text().await.starts_with("40{"));
}

#[actix_web::test]
async fn connection_without_a_namespace_is_closed_after_the_connect_timeout() {
    let server = TestServer::start_echo(connecting_config());
    let mut client = server.connect_socketio().await;
    assert_eq!(client.recv_text().await, "2");
    client.send_text("3").await;
    assert_eq!(
        client.recv_close().await,
        (1000, "connect timeout".to_owned())
    );
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn connection_with_a_namespace_stays_open_after_the_connect_timeout() {
    let server = TestServer::start_echo(connecting_config());
    let mut client = server.connect_to_namespace().await;
    for _ in 0..2 {
        assert_eq!(client.recv_text().await, "2");
        client.send_text("3").await;
    }
    client.send_text(r#"42["message"]"#).await;
    assert_eq!(
        client.recv_text_and_answer_pings().await,
        r#"42["message-back"]"#
    );
}

#[actix_web::test]
async fn connection_that_left_every_namespace_is_closed_after_the_connect_timeout() {
    let server = TestServer::start_echo(connecting_config());
    let mut client = server.connect_to_namespace().await;
    client.send_text("41").await;
    assert_eq!(client.recv_text().await, "2");
    client.send_text("3").await;
    assert_eq!(client.recv_close().await.1, "connect timeout");
}

#[actix_web::test]
async fn refused_connects_do_not_extend_the_connect_timeout() {
    let scripted = ScriptedServer::start(connecting_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text(r#"40{"refuse":"no"}"#).await;
    assert!(client.recv_text().await.starts_with("44"));
    assert_eq!(client.recv_text().await, "2");
    client.send_text("3").await;
    client.send_text(r#"40{"refuse":"no"}"#).await;
    assert!(client.recv_text().await.starts_with("44"));
    assert_close_is_next(client).await;
}

#[actix_web::test]
async fn connect_that_is_never_answered_does_not_extend_the_connect_timeout() {
    let scripted = ScriptedServer::start(connecting_config());
    let mut client = scripted.server.connect_socketio().await;
    client.send_text(r#"40{"wait":true}"#).await;
    assert_eq!(client.recv_text().await, "2");
    client.send_text("3").await;
    assert_close_is_next(client).await;
}

#[actix_web::test]
async fn packet_that_is_not_allowed_closes_the_connection() {
    let server = TestServer::start_echo(quiet_config());
    for packet in [
        r#"42["message"]"#,
        r#"42/random,["message"]"#,
        "430[]",
        "40[]",
        "40null",
        "40{",
        "4",
        "49",
        r#"44{"message":"?"}"#,
        "4abc",
    ] {
        let mut client = server.connect_socketio().await;
        client.send_text(packet).await;
        assert_eq!(client.recv_close().await.1, "parse error", "{packet}");
    }
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn binary_event_before_a_connect_is_refused_before_its_attachments() {
    let server = TestServer::start_echo(EngineConfig {
        attachments_timeout: Duration::from_secs(3600),
        ..quiet_config()
    });
    let mut client = server.connect_socketio().await;
    client
        .send_text(r#"451-["message",{"_placeholder":true,"num":0}]"#)
        .await;
    assert_eq!(client.recv_close().await.1, "parse error");
}

#[actix_web::test]
async fn second_connect_to_a_namespace_closes_the_connection() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_to_namespace().await;
    client.send_text("40").await;
    assert_eq!(client.recv_close().await.1, "parse error");
}
