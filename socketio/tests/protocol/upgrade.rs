//! The upgrade from polling to WebSocket: it succeeds, or it fails and the session continues with polling.

use std::{rc::Rc, time::Duration};

use actix_socketio::engineio::{CloseReason, EngineConfig, EngineServer};
use actix_web::{
    App,
    dev::Service,
    http::header::{HeaderName, HeaderValue},
};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    http_server::HttpServer,
    polling_client::PollingClient,
    scripted_server::ScriptedServer,
    test_server::{TestServer, pinging_config, quiet_config},
    timeout::TIMEOUT,
    websocket_client::WebSocketClient,
};

/// Opens a WebSocket and sends its probe, which answers the pending poll of the session.
async fn probe(server: &TestServer, client: &PollingClient) -> WebSocketClient {
    let pending_poll = client.start_poll().await;
    let mut websocket = client.open_websocket(server).await;
    websocket.send_text("2probe").await;
    assert_eq!(websocket.recv_text().await, "3probe");
    assert_eq!(pending_poll.response().await, (200, "6".to_owned()));
    websocket
}

/// Asserts that the session still works over polling.
async fn assert_polling_continues(client: &PollingClient) {
    client.post_ok("4still here").await;
    assert_eq!(client.poll_ok().await, "4still here");
}

#[actix_web::test]
async fn websocket_replaces_polling() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let mut websocket = probe(&server, &client).await;
    websocket.send_text("5").await;
    websocket.send_text("4hello").await;
    assert_eq!(websocket.recv_text().await, "4hello");
    websocket.send_message(Message::binary(vec![1, 2])).await;
    assert_eq!(websocket.recv_binary().await.as_ref(), [1, 2]);
    assert_eq!(server.sessions.open(), 1);
}

#[actix_web::test]
async fn poll_after_the_probe_is_answered_with_a_noop() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let mut websocket = probe(&server, &client).await;
    assert_eq!(client.poll_ok().await, "6");
    assert_eq!(client.poll_ok().await, "6");
    websocket.send_text("5").await;
    websocket.send_text("4hello").await;
    assert_eq!(websocket.recv_text().await, "4hello");
}

#[actix_web::test]
async fn poll_that_is_pending_at_the_upgrade_is_refused() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let pending_poll = client.start_poll().await;
    let mut websocket = client.open_websocket(&server).await;
    websocket.send_text("5").await;
    let bad_request = r#"{"code":3,"message":"Bad request"}"#;
    assert_eq!(pending_poll.response().await, (400, bad_request.to_owned()));
    websocket.send_text("4hello").await;
    assert_eq!(websocket.recv_text().await, "4hello");
}

#[actix_web::test]
async fn frames_queued_between_the_last_poll_and_the_upgrade_are_sent_over_the_websocket() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let mut websocket = probe(&server, &client).await;
    client.post_ok("4one\x1ebAQID\x1e4two").await;
    websocket.send_text("5").await;
    assert_eq!(websocket.recv_text().await, "4one");
    assert_eq!(websocket.recv_binary().await.as_ref(), [1, 2, 3]);
    assert_eq!(websocket.recv_text().await, "4two");
}

#[actix_web::test]
async fn requests_and_websockets_after_the_upgrade_are_refused() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let mut websocket = probe(&server, &client).await;
    websocket.send_text("5").await;
    websocket.send_text("4upgraded").await;
    assert_eq!(websocket.recv_text().await, "4upgraded");

    let bad_request = r#"{"code":3,"message":"Bad request"}"#;
    let polled = client.poll().await;
    assert_eq!(
        (polled.status.as_u16(), polled.body.as_str()),
        (400, bad_request)
    );
    let posted = client.post("4hello").await;
    assert_eq!(
        (posted.status.as_u16(), posted.body.as_str()),
        (400, bad_request)
    );
    let mut second = client.open_websocket(&server).await;
    assert_eq!(second.recv_close().await.1, "not upgraded");

    websocket.send_text("4still here").await;
    assert_eq!(websocket.recv_text().await, "4still here");
}

#[actix_web::test]
async fn session_opened_over_a_websocket_cannot_be_upgraded() {
    let server = TestServer::start_echo(quiet_config());
    let mut first = server.connect_websocket("/engine.io/").await;
    let open = first.recv_text().await;
    let sid = open.split('"').nth(3).unwrap();
    let mut second = server
        .connect_websocket_to_session("/engine.io/", sid)
        .await;
    assert_eq!(second.recv_close().await.1, "not upgraded");
    first.send_text("4still here").await;
    assert_eq!(first.recv_text().await, "4still here");
}

#[actix_web::test]
async fn second_websocket_during_an_upgrade_is_refused() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let mut first = probe(&server, &client).await;
    let mut second = client.open_websocket(&server).await;
    assert_eq!(second.recv_close().await.1, "not upgraded");
    first.send_text("5").await;
    first.send_text("4hello").await;
    assert_eq!(first.recv_text().await, "4hello");
}

#[actix_web::test]
async fn websocket_that_sends_another_packet_is_closed_and_polling_continues() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    for packet in ["4hello", "2", "1", "", "abc"] {
        let mut websocket = client.open_websocket(&server).await;
        websocket.send_text(packet).await;
        assert_eq!(websocket.recv_close().await.1, "not upgraded", "{packet:?}");
        assert_polling_continues(&client).await;
    }
}

#[actix_web::test]
async fn websocket_that_does_not_upgrade_in_time_is_closed_and_polling_continues() {
    let server = TestServer::start_echo(EngineConfig {
        upgrade_timeout: Duration::from_millis(1000),
        ..quiet_config()
    });
    let client = PollingClient::open_engineio(&server).await;
    let mut silent = client.open_websocket(&server).await;
    assert_eq!(silent.recv_close().await.1, "not upgraded");
    assert_polling_continues(&client).await;
    let mut probed_only = probe(&server, &client).await;
    assert_eq!(probed_only.recv_close().await.1, "not upgraded");
    assert_polling_continues(&client).await;
}

#[actix_web::test]
async fn reset_during_an_upgrade_does_not_end_the_session() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    for _ in 0..10 {
        probe(&server, &client).await.reset();
        assert_polling_continues(&client).await;
    }
    // The server refuses another WebSocket until it has noticed the last reset.
    let mut websocket = loop {
        let mut websocket = client.open_websocket(&server).await;
        websocket.send_text("2probe").await;
        match websocket.recv().await {
            Some(Message::Text(answer)) => {
                assert_eq!(answer.as_str(), "3probe");
                break websocket;
            }
            _refused => {}
        }
    };
    websocket.send_text("5").await;
    websocket.send_text("4hello").await;
    assert_eq!(websocket.recv_text().await, "4hello");
}

#[actix_web::test]
async fn ping_sent_by_the_last_poll_may_be_answered_over_the_websocket() {
    let server = TestServer::start_echo(pinging_config());
    let client = PollingClient::open_engineio(&server).await;
    assert_eq!(client.poll_ok().await, "2");
    let mut websocket = probe(&server, &client).await;
    websocket.send_text("5").await;
    for _ in 0..3 {
        websocket.send_text("3").await;
        assert_eq!(websocket.recv_text().await, "2");
    }
}

#[actix_web::test]
async fn websocket_is_closed_when_its_session_ends_during_the_upgrade() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let mut websocket = probe(&server, &client).await;
    client.post_ok("1").await;
    assert_eq!(websocket.recv_close().await.1, "not upgraded");
    client.assert_unknown().await;
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn session_closed_during_an_upgrade_sends_its_queue_and_the_close_over_the_websocket() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let mut websocket = probe(&server, &client).await;
    client.post_ok("4last words").await;
    server.sessions.close_all(CloseReason::Shutdown);
    websocket.send_text("5").await;
    assert_eq!(websocket.recv_text().await, "4last words");
    assert_eq!(
        websocket.recv_close().await,
        (1001, "server shutting down".to_owned())
    );
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn upgraded_session_ends_when_its_websocket_is_lost() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let client = PollingClient::connect_to_namespace(&scripted.server).await;
    let mut websocket = probe(&scripted.server, &client).await;
    websocket.send_text("5").await;
    websocket.send_text(r#"420["there"]"#).await;
    assert_eq!(websocket.recv_text().await, r#"430["there"]"#);
    drop(websocket);
    assert_eq!(scripted.next_report().await, "transport close");
    client.assert_unknown().await;
}

const THREAD: &str = "x-thread";

/// Starts the echo on four worker threads, with a header in each response that names the thread.
fn start_on_four_threads() -> TestServer {
    TestServer::start(|listener, sessions| {
        let server = HttpServer::new(move || {
            let engine = EngineServer::new(
                quiet_config(),
                sessions.clone(),
                Rc::new(crate::echo::EchoEngine),
            );
            App::new()
                .configure(engine.routes("/engine.io/"))
                .wrap_fn(|request, app| {
                    let answer = app.call(request);
                    async {
                        let thread = format!("{:?}", std::thread::current().id());
                        let mut answer = answer.await?;
                        let thread = HeaderValue::from_str(&thread).unwrap();
                        answer
                            .headers_mut()
                            .insert(HeaderName::from_static(THREAD), thread);
                        Ok(answer)
                    }
                })
        });
        let server = server.workers(4).client_request_timeout(TIMEOUT);
        Ok(server.listen(listener)?.run())
    })
}

#[actix_web::test]
async fn upgrade_during_ten_thousand_messages_loses_repeats_and_reorders_none() {
    let server = start_on_four_threads();
    let client = PollingClient::open_engineio(&server).await;
    // Open a WebSocket on another worker thread than the session's.
    let mut websocket = loop {
        let websocket = server
            .connect_websocket_to_session(client.path, &client.sid)
            .await;
        if websocket.response.headers()[THREAD] != client.open_headers[THREAD] {
            break websocket;
        }
    };

    let mut sent = 0..10_000;
    let mut batch = |size| -> Vec<String> {
        let numbers = sent.by_ref().take(size);
        numbers.map(|number| format!("4{number}")).collect()
    };
    let mut received = Vec::new();
    // Each request has a connection of its own, so any worker thread may handle it.
    for _ in 0..40 {
        let pending_poll = client.start_poll().await;
        client.post_ok(&batch(100).join("\x1e")).await;
        received.extend(
            pending_poll
                .response()
                .await
                .1
                .split('\x1e')
                .map(String::from),
        );
    }
    websocket.send_text("2probe").await;
    assert_eq!(websocket.recv_text().await, "3probe");
    for _ in 0..5 {
        client.post_ok(&batch(100).join("\x1e")).await;
        received.extend(client.poll_ok().await.split('\x1e').map(String::from));
    }
    // The client stops polling, so that many frames are queued at the upgrade.
    client.post_ok(&batch(800).join("\x1e")).await;
    websocket.send_text("5").await;
    for packet in batch(10_000) {
        websocket.send_text(&packet).await;
        received.push(websocket.recv_text().await);
    }
    received.retain(|packet| packet != "6");
    while received.len() < 10_000 {
        received.push(websocket.recv_text().await);
    }
    let expected: Vec<_> = (0..10_000).map(|number| format!("4{number}")).collect();
    assert_eq!(received, expected);
}
