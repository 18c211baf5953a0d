//! Engine.IO over WebSocket: the handshake, its errors, messages and heartbeats.

use std::time::{Duration, Instant};

use actix_socketio::engineio::CloseReason;
use tokio_tungstenite::tungstenite::Message;

use crate::test_server::{
    TestServer, fast_config, pinging_config, quiet_config, unanswered_config,
};

#[actix_web::test]
async fn open_packet_of_a_websocket_contains_session_id_and_settings() {
    let server = TestServer::start_echo(fast_config());
    let open = server
        .connect_websocket("/engine.io/")
        .await
        .recv_text()
        .await;

    let (head, rest) = open.split_once(r#""sid":""#).unwrap();
    let (sid, settings) = rest.split_once('"').unwrap();
    assert_eq!(head, "0{");
    assert_eq!(sid.len(), 16);
    assert_eq!(
        settings,
        r#","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#
    );
}

#[actix_web::test]
async fn path_is_served_with_and_without_a_trailing_slash() {
    let server = TestServer::start_echo(fast_config());
    assert!(
        server
            .connect_websocket("/engine.io")
            .await
            .recv_text()
            .await
            .starts_with("0{")
    );
    assert!(
        server
            .connect_websocket("/socket.io")
            .await
            .recv_text()
            .await
            .starts_with("0{")
    );
}

#[actix_web::test]
async fn invalid_handshake_is_answered_with_an_error_code() {
    let server = TestServer::start_echo(fast_config());
    let http = reqwest::Client::new();
    for (method, query, answer) in [
        (
            "GET",
            "EIO=4",
            r#"{"code":0,"message":"Transport unknown"}"#,
        ),
        (
            "GET",
            "EIO=4&transport=__proto__",
            r#"{"code":0,"message":"Transport unknown"}"#,
        ),
        (
            "GET",
            "EIO=4&transport=websocket&sid=x",
            r#"{"code":1,"message":"Session ID unknown"}"#,
        ),
        (
            "GET",
            "EIO=4&transport=polling&sid=x",
            r#"{"code":1,"message":"Session ID unknown"}"#,
        ),
        (
            "POST",
            "EIO=4&transport=websocket",
            r#"{"code":2,"message":"Bad handshake method"}"#,
        ),
        (
            "PUT",
            "EIO=4&transport=polling",
            r#"{"code":2,"message":"Bad handshake method"}"#,
        ),
        (
            "GET",
            "EIO=4&transport=websocket",
            r#"{"code":3,"message":"Bad request"}"#,
        ),
        (
            "GET",
            "transport=websocket",
            r#"{"code":5,"message":"Unsupported protocol version"}"#,
        ),
        (
            "GET",
            "EIO=abc&transport=polling",
            r#"{"code":5,"message":"Unsupported protocol version"}"#,
        ),
        (
            "GET",
            "EIO=3&transport=websocket",
            r#"{"code":5,"message":"Unsupported protocol version (Engine.IO 3 needs allow_eio3 = true)"}"#,
        ),
    ] {
        let url = format!("http://{}/engine.io/?{query}", server.address);
        let response = http
            .request(method.parse().unwrap(), url)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 400, "{query}");
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.text().await.unwrap(), answer, "{query}");
    }
    assert_eq!(server.sessions.open(), 0);
}

#[actix_web::test]
async fn text_and_binary_messages_are_echoed() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_engineio().await;

    client.send_text("4hello ✓").await;
    assert_eq!(client.recv_text().await, "4hello ✓");

    client.send_message(Message::binary(vec![1, 2, 3, 4])).await;
    assert_eq!(client.recv_binary().await.as_ref(), [1, 2, 3, 4]);
}

#[actix_web::test]
async fn many_messages_are_echoed_in_order() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_engineio().await;
    for number in 0..500 {
        client.send_text(&format!("4{number}")).await;
    }
    for number in 0..500 {
        assert_eq!(client.recv_text().await, format!("4{number}"));
    }
}

#[actix_web::test]
async fn client_that_answers_pings_stays_connected() {
    let server = TestServer::start_echo(pinging_config());
    let mut client = server.connect_engineio().await;
    for _ in 0..3 {
        assert_eq!(client.recv_text().await, "2");
        client.send_text("3").await;
    }
    client.send_text("4still here").await;
    assert_eq!(client.recv_text().await, "4still here");
}

#[actix_web::test]
async fn client_that_answers_no_ping_is_closed_after_the_ping_timeout() {
    let server = TestServer::start_echo(unanswered_config());
    let opened = Instant::now();
    let mut client = server.connect_engineio().await;

    assert_eq!(client.recv_text().await, "2");
    assert_eq!(client.recv_close().await, (1000, "ping timeout".to_owned()));
    let lifetime = opened.elapsed();
    assert!(
        lifetime >= Duration::from_millis(500),
        "closed after {lifetime:?}"
    );
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn heartbeats_of_many_sessions_are_sent_and_time_out() {
    let server = TestServer::start_echo(unanswered_config());
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.connect_engineio().await);
    }
    for client in &mut clients {
        assert_eq!(client.recv_text().await, "2");
    }
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn invalid_packet_closes_the_session() {
    let server = TestServer::start_echo(quiet_config());
    for packet in ["", "abc", "9", "0", "2", "2probe"] {
        let mut client = server.connect_engineio().await;
        client.send_text(packet).await;
        assert_eq!(client.recv_close().await.1, "parse error", "{packet:?}");
    }
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn session_is_removed_when_its_client_closes() {
    let server = TestServer::start_echo(quiet_config());

    let mut with_close_frame = server.connect_engineio().await;
    with_close_frame.send_message(Message::Close(None)).await;
    assert!(
        matches!(with_close_frame.recv().await, Some(Message::Close(None))),
        "the server answers a close frame"
    );
    server.wait_until_empty().await;

    let mut with_close_packet = server.connect_engineio().await;
    with_close_packet.send_text("1").await;
    server.wait_until_empty().await;

    drop(server.connect_engineio().await);
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn closing_all_sessions_sends_queued_frames_first() {
    let server = TestServer::start_echo(quiet_config());
    let (mut first, mut second) = (
        server.connect_engineio().await,
        server.connect_engineio().await,
    );
    first.send_text("4last words").await;
    assert_eq!(first.recv_text().await, "4last words");

    server.sessions.close_all(CloseReason::Shutdown);
    server.wait_until_empty().await;
    for client in [&mut first, &mut second] {
        assert_eq!(
            client.recv_close().await,
            (1001, "server shutting down".to_owned())
        );
    }
}

#[actix_web::test]
async fn websocket_ping_is_answered_with_a_pong() {
    let server = TestServer::start_echo(quiet_config());
    let mut client = server.connect_engineio().await;
    client
        .send_message(Message::Ping("are you there?".into()))
        .await;
    assert!(matches!(client.recv().await, Some(Message::Pong(bytes)) if bytes == "are you there?"));
}
