//! Engine.IO: the handshake, its refusals, the heartbeat.

use std::time::{Duration, Instant};

use tokio_tungstenite::tungstenite::Message;
use vaultcast::engineio::CloseReason;

use crate::server::{TestServer, config, patient};

#[actix_web::test]
async fn the_first_packet_tells_the_id_and_the_rules() {
    let server = TestServer::echo(config());
    let open = server.upgrade("/engine.io/").await.hear().await;

    let (head, rest) = open.split_once(r#""sid":""#).unwrap();
    let (sid, rules) = rest.split_once('"').unwrap();
    assert_eq!(head, "0{");
    assert_eq!(sid.len(), 16);
    assert_eq!(
        rules,
        r#","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#
    );
}

#[actix_web::test]
async fn the_path_is_served_with_and_without_a_slash_at_its_end() {
    let server = TestServer::echo(config());
    assert!(
        server
            .upgrade("/engine.io")
            .await
            .hear()
            .await
            .starts_with("0{")
    );
    assert!(
        server
            .upgrade("/socket.io")
            .await
            .hear()
            .await
            .starts_with("0{")
    );
}

#[actix_web::test]
async fn a_handshake_that_cannot_be_is_told_why() {
    let server = TestServer::echo(config());
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
            r#"{"code":5,"message":"Unsupported protocol version"}"#,
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
    let server = TestServer::echo(patient());
    let mut client = server.engine().await;

    client.say("4hello ✓").await;
    assert_eq!(client.hear().await, "4hello ✓");

    client.send(Message::binary(vec![1, 2, 3, 4])).await;
    assert_eq!(client.hear_binary().await.as_ref(), [1, 2, 3, 4]);
}

#[actix_web::test]
async fn many_messages_come_back_in_order() {
    let server = TestServer::echo(patient());
    let mut client = server.engine().await;
    for number in 0..500 {
        client.say(&format!("4{number}")).await;
    }
    for number in 0..500 {
        assert_eq!(client.hear().await, format!("4{number}"));
    }
}

#[actix_web::test]
async fn the_server_pings_and_a_client_that_answers_stays() {
    let server = TestServer::echo(config());
    let mut client = server.engine().await;
    for _ in 0..3 {
        assert_eq!(client.hear().await, "2");
        client.say("3").await;
    }
    client.say("4still here").await;
    assert_eq!(client.hear().await, "4still here");
}

#[actix_web::test]
async fn a_client_that_answers_no_ping_is_closed_at_its_timeout() {
    let server = TestServer::echo(config());
    let opened = Instant::now();
    let mut client = server.engine().await;

    assert_eq!(client.hear().await, "2");
    assert_eq!(client.closed().await, (1000, "ping timeout".to_owned()));
    let lived = opened.elapsed();
    assert!(
        lived >= Duration::from_millis(500),
        "closed after {lived:?}"
    );
    server.emptied().await;
}

#[actix_web::test]
async fn one_timer_serves_many_sessions() {
    let server = TestServer::echo(config());
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(server.engine().await);
    }
    assert_eq!(server.sessions.open(), 20);
    for client in &mut clients {
        assert_eq!(client.hear().await, "2");
    }
    server.emptied().await;
}

#[actix_web::test]
async fn a_packet_that_is_none_closes_the_session() {
    let server = TestServer::echo(patient());
    for nonsense in ["", "abc", "9", "0", "2", "2probe"] {
        let mut client = server.engine().await;
        client.say(nonsense).await;
        assert_eq!(client.closed().await.1, "parse error", "{nonsense:?}");
    }
    server.emptied().await;
}

#[actix_web::test]
async fn a_client_that_closes_leaves_nothing_behind() {
    let server = TestServer::echo(patient());

    let mut polite = server.engine().await;
    polite.send(Message::Close(None)).await;
    assert!(
        matches!(polite.next().await, Some(Message::Close(None))),
        "a close is answered"
    );
    server.emptied().await;

    let mut brief = server.engine().await;
    brief.say("1").await;
    server.emptied().await;

    drop(server.engine().await);
    server.emptied().await;
}

#[actix_web::test]
async fn draining_closes_every_session_and_waits_for_what_is_queued() {
    let server = TestServer::echo(patient());
    let (mut one, mut other) = (server.engine().await, server.engine().await);
    one.say("4last words").await;
    assert_eq!(one.hear().await, "4last words");

    server.sessions.close_all(CloseReason::Shutdown);
    server.emptied().await;
    for client in [&mut one, &mut other] {
        assert_eq!(
            client.closed().await,
            (1001, "server shutting down".to_owned())
        );
    }
}

#[actix_web::test]
async fn a_websocket_ping_is_answered() {
    let server = TestServer::echo(patient());
    let mut client = server.engine().await;
    client.send(Message::Ping("are you there?".into())).await;
    assert!(matches!(client.next().await, Some(Message::Pong(bytes)) if bytes == "are you there?"));
}
