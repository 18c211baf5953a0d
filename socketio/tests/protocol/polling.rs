//! The polling transport: payloads, concurrent requests, and how a session ends.

use actix_socketio::engineio::{CloseReason, EngineConfig, OutboxBounds};

use crate::{
    polling_client::{PollingClient, SESSION_UNKNOWN},
    scripted_server::ScriptedServer,
    test_server::{TestServer, fast_config, pinging_config, quiet_config, unanswered_config},
};

const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

#[actix_web::test]
async fn open_packet_of_a_poll_contains_session_id_settings_and_upgrade() {
    let server = TestServer::start_echo(fast_config());
    let url = format!(
        "http://{}/engine.io/?EIO=4&transport=polling",
        server.address
    );
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "text/plain; charset=UTF-8"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");

    let open = response.text().await.unwrap();
    let (sid, settings) = open.strip_prefix(r#"0{"sid":""#).unwrap().split_at(16);
    assert!(!sid.contains('"'));
    assert_eq!(
        settings,
        r#"","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#
    );
}

#[actix_web::test]
async fn posted_messages_are_handled_and_queued_frames_answer_a_poll() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;

    let posted = client.post("4hello ✓").await;
    assert_eq!((posted.status.as_u16(), posted.body.as_str()), (200, "ok"));
    assert_eq!(posted.content_type.as_deref(), Some("text/html"));
    let polled = client.poll().await;
    assert_eq!(polled.body, "4hello ✓");
    assert_eq!(
        polled.content_type.as_deref(),
        Some("text/plain; charset=UTF-8")
    );

    client.post_ok("4one\x1e4two\x1e4three").await;
    assert_eq!(client.poll_ok().await, "4one\x1e4two\x1e4three");
    client.post_ok("4hello\x1ebAQIDBA==").await;
    assert_eq!(client.poll_ok().await, "4hello\x1ebAQIDBA==");
}

#[actix_web::test]
async fn poll_waits_until_a_frame_is_queued() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    for number in 0..20 {
        let pending_poll = client.start_poll().await;
        client.post_ok(&format!("4{number}")).await;
        assert_eq!(pending_poll.response().await, (200, format!("4{number}")));
    }
}

#[actix_web::test]
async fn many_messages_are_echoed_in_order() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    for batch in 0..10 {
        let numbers: Vec<_> = (0..1000)
            .map(|number| format!("4{batch} {number}"))
            .collect();
        client.post_ok(&numbers.join("\x1e")).await;
        assert_eq!(client.poll_ok().await, numbers.join("\x1e"));
    }
}

#[actix_web::test]
async fn client_that_answers_pings_stays_connected() {
    let server = TestServer::start_echo(pinging_config());
    let client = PollingClient::open_engineio(&server).await;
    for _ in 0..3 {
        assert_eq!(client.poll_ok().await, "2");
        client.post_ok("3").await;
    }
    client.post_ok("4still here").await;
    assert_eq!(client.poll_ok().await, "4still here");
}

#[actix_web::test]
async fn session_whose_client_answers_no_ping_is_closed_and_unknown_afterwards() {
    let server = TestServer::start_echo(unanswered_config());
    let client = PollingClient::open_engineio(&server).await;
    assert_eq!(client.poll_ok().await, "2");
    client.assert_unknown().await;
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn parked_poll_of_a_client_that_answers_no_ping_is_answered_as_unknown() {
    let server = TestServer::start_echo(unanswered_config());
    let client = PollingClient::open_engineio(&server).await;
    assert_eq!(client.poll_ok().await, "2");
    client.start_poll().await.assert_unknown().await;
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn session_whose_client_stops_polling_is_unknown_after_the_ping_timeout() {
    let server = TestServer::start_echo(unanswered_config());
    let client = PollingClient::open_engineio(&server).await;
    server.wait_until_empty().await;
    client.assert_unknown().await;
}

#[actix_web::test]
async fn close_by_the_client_answers_its_pending_poll() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let pending_poll = client.start_poll().await;
    client.post_ok("1").await;
    assert_eq!(pending_poll.response().await, (200, "6".to_owned()));
    client.assert_unknown().await;
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn second_concurrent_poll_closes_the_session() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let pending_poll = client.start_poll().await;
    let second = client.poll().await;
    assert_eq!(
        (second.status.as_u16(), second.body.as_str()),
        (400, BAD_REQUEST)
    );
    pending_poll.assert_unknown().await;
    client.assert_unknown().await;
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn second_concurrent_post_closes_the_session() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let slow = client
        .start_request("POST", "content-length: 9\r\n", "4hal")
        .await;
    let second = client.post("4whole").await;
    assert_eq!(
        (second.status.as_u16(), second.body.as_str()),
        (400, BAD_REQUEST)
    );
    assert_eq!(
        slow.response().await.0,
        400,
        "the first POST is answered as well"
    );
    client.assert_unknown().await;
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn aborted_request_closes_the_session() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let client = PollingClient::connect_to_namespace(&scripted.server).await;
    drop(client.start_poll().await);
    assert_eq!(scripted.next_report().await, "transport close");
    client.assert_unknown().await;

    let client = PollingClient::connect_to_namespace(&scripted.server).await;
    drop(
        client
            .start_request("POST", "content-length: 9\r\n", "4hal")
            .await,
    );
    assert_eq!(scripted.next_report().await, "transport close");
    client.assert_unknown().await;
    scripted.server.wait_until_empty().await;
}

#[actix_web::test]
async fn incomplete_post_ends_with_its_session() {
    let server = TestServer::start_echo(fast_config());
    let client = PollingClient::open_engineio(&server).await;
    let incomplete = client
        .start_request("POST", "content-length: 9\r\n", "4hal")
        .await;
    let (status, body) = incomplete.response().await;
    assert_eq!((status, body.as_str()), (400, SESSION_UNKNOWN));
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn invalid_payload_closes_the_session() {
    let server = TestServer::start_echo(quiet_config());
    let flood = "4\x1e".repeat(50_000).into_bytes();
    for payload in [
        b"".as_slice(),
        b"abc",
        b"2",
        b"0{}",
        b"b!",
        "éabcd".as_bytes(),
        b"4\xff",
        &flood,
    ] {
        let client = PollingClient::open_engineio(&server).await;
        let pending_poll = client.start_poll().await;
        let answer = client.post(payload.to_vec()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (400, BAD_REQUEST)
        );
        pending_poll.assert_unknown().await;
        client.assert_unknown().await;
    }
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn packets_before_a_malformed_packet_are_handled_and_later_ones_are_not() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let pending_poll = client.start_poll().await;
    let answer = client.post("4before\x1e\x1e4after").await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (400, BAD_REQUEST)
    );
    assert_eq!(pending_poll.response().await, (200, "4before".to_owned()));
    client.assert_unknown().await;
}

#[actix_web::test]
async fn post_with_a_binary_content_type_closes_the_session() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let headers = "content-type: application/octet-stream\r\ncontent-length: 2\r\n";
    let (status, body) = client
        .start_request("POST", headers, "4a")
        .await
        .response()
        .await;
    assert_eq!((status, body.as_str()), (400, BAD_REQUEST));
    client.assert_unknown().await;
}

#[actix_web::test]
async fn payload_over_the_limit_is_refused_and_the_session_stays_open() {
    let server = TestServer::start_echo(EngineConfig {
        max_payload: 1000,
        ..quiet_config()
    });
    let client = PollingClient::open_engineio(&server).await;
    let message = format!("4{}", "x".repeat(999));
    client.post_ok(&message).await;
    assert_eq!(client.poll_ok().await, message);

    let too_long = format!("{message}x");
    assert_eq!(
        client.post(too_long.clone()).await.status,
        413,
        "too large by its content-length"
    );
    let declared = client
        .start_request("POST", "content-length: 200000000\r\n", "")
        .await;
    assert_eq!(
        declared.response().await.0,
        413,
        "refused before its body arrives"
    );
    let chunked = format!("{:x}\r\n{too_long}\r\n", too_long.len());
    let chunked = client
        .start_request("POST", "transfer-encoding: chunked\r\n", &chunked)
        .await;
    assert_eq!(chunked.response().await.0, 413, "chunked and incomplete");

    client.post_ok("4still here").await;
    assert_eq!(client.poll_ok().await, "4still here");
}

#[actix_web::test]
async fn unsupported_method_is_refused_and_the_session_stays_open() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let (status, body) = client.start_request("PUT", "", "").await.response().await;
    assert_eq!((status, body.as_str()), (400, BAD_REQUEST));
    client.post_ok("4still here").await;
    assert_eq!(client.poll_ok().await, "4still here");
}

#[actix_web::test]
async fn client_that_does_not_poll_is_closed_as_slow_and_unknown_at_its_next_poll() {
    let mut scripted = ScriptedServer::start(EngineConfig {
        outbox: OutboxBounds::new(100, 4 << 20),
        ..quiet_config()
    });
    let client = PollingClient::connect_to_namespace(&scripted.server).await;
    client.post_ok(r#"42["burst"]"#).await;
    assert_eq!(scripted.next_report().await, "slow");
    client.assert_unknown().await;
    scripted.server.wait_until_empty().await;
}

#[actix_web::test]
async fn events_sent_before_a_close_arrive_before_the_session_is_unknown() {
    let mut scripted = ScriptedServer::start(quiet_config());
    let client = PollingClient::connect_to_namespace(&scripted.server).await;
    client.post_ok(r#"42["close"]"#).await;
    assert_eq!(scripted.next_report().await, "session expired");
    assert_eq!(client.poll_ok().await, "42[\"goodbye\",\"see you\"]");
    client.assert_unknown().await;
    scripted.server.wait_until_empty().await;
}

#[actix_web::test]
async fn closed_client_may_still_post_and_is_unknown_at_its_next_poll() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    server.sessions.close_all(CloseReason::Shutdown);
    client.post_ok("4too late").await;
    client.assert_unknown().await;
}

#[actix_web::test]
async fn closing_all_sessions_answers_pending_polls_as_unknown() {
    let server = TestServer::start_echo(quiet_config());
    let (first, second) = (
        PollingClient::open_engineio(&server).await,
        PollingClient::open_engineio(&server).await,
    );
    let polls = [first.start_poll().await, second.start_poll().await];
    // The response to this handshake shows that the server has received both polls.
    let last = PollingClient::open_engineio(&server).await;

    server.sessions.close_all(CloseReason::Shutdown);
    for poll in polls {
        poll.assert_unknown().await;
    }
    last.assert_unknown().await;
    server.wait_until_empty().await;
}

#[actix_web::test]
async fn binary_events_and_acknowledgements_work_over_polling() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::connect_to_namespace(&server).await;
    let placeholder = r#"{"_placeholder":true,"num":0}"#;

    client
        .post_ok(&format!("451-[\"message\",{placeholder}]\x1ebAQID"))
        .await;
    let back = format!("451-[\"message-back\",{placeholder}]\x1ebAQID");
    assert_eq!(client.poll_ok().await, back);
    client
        .post_ok(&format!(
            "451-7[\"message-with-ack\",{placeholder}]\x1ebAQID"
        ))
        .await;
    assert_eq!(
        client.poll_ok().await,
        format!("461-7[{placeholder}]\x1ebAQID")
    );
}

#[actix_web::test]
async fn panic_of_the_application_answers_the_poll_and_closes_the_session() {
    let scripted = ScriptedServer::start(quiet_config());
    let client = PollingClient::connect_to_namespace(&scripted.server).await;
    let pending_poll = client.start_poll().await;
    let posted = client.post(r#"42["panic"]"#).await;
    assert_eq!(posted.status, 400);
    pending_poll.assert_unknown().await;
    client.assert_unknown().await;
    scripted.server.wait_until_empty().await;
}
