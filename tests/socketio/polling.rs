//! Long polling: what a poll and a post carry, how many there may be, and how a session ends that they carry.

use vaultcast::engineio::{CloseReason, Config, OutboxBounds};

use crate::{
    poller::Poller,
    server::{TestServer, config, patient},
    theatre::Theatre,
};

const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

#[actix_web::test]
async fn the_first_poll_tells_the_id_the_rules_and_the_way_up() {
    let server = TestServer::echo(config());
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
    let (sid, rules) = open.strip_prefix(r#"0{"sid":""#).unwrap().split_at(16);
    assert!(!sid.contains('"'));
    assert_eq!(
        rules,
        r#"","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":1000000}"#
    );
}

#[actix_web::test]
async fn what_is_posted_is_taken_and_what_waits_is_the_answer_to_a_poll() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;

    let posted = client.post("4hello ✓").await;
    assert_eq!((posted.status.as_u16(), posted.body.as_str()), (200, "ok"));
    assert_eq!(posted.content_type.as_deref(), Some("text/html"));
    let polled = client.poll().await;
    assert_eq!(polled.body, "4hello ✓");
    assert_eq!(
        polled.content_type.as_deref(),
        Some("text/plain; charset=UTF-8")
    );

    client.says("4one\x1e4two\x1e4three").await;
    assert_eq!(client.hears().await, "4one\x1e4two\x1e4three");
    client.says("4hello\x1ebAQIDBA==").await;
    assert_eq!(client.hears().await, "4hello\x1ebAQIDBA==");
}

#[actix_web::test]
async fn a_poll_is_parked_until_something_waits() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    for number in 0..20 {
        let parked = client.parked().await;
        client.says(&format!("4{number}")).await;
        assert_eq!(parked.answer().await, (200, format!("4{number}")));
    }
}

#[actix_web::test]
async fn many_messages_come_back_in_order() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    for batch in 0..10 {
        let numbers: Vec<_> = (0..1000)
            .map(|number| format!("4{batch} {number}"))
            .collect();
        client.says(&numbers.join("\x1e")).await;
        assert_eq!(client.hears().await, numbers.join("\x1e"));
    }
}

#[actix_web::test]
async fn a_client_that_answers_its_pings_stays() {
    let server = TestServer::echo(config());
    let client = Poller::engine(&server).await;
    for _ in 0..3 {
        assert_eq!(client.hears().await, "2");
        client.says("3").await;
    }
    client.says("4still here").await;
    assert_eq!(client.hears().await, "4still here");
}

#[actix_web::test]
async fn a_client_that_answers_no_ping_is_let_go_at_its_timeout_and_unknown() {
    let server = TestServer::echo(config());
    let client = Poller::engine(&server).await;
    assert_eq!(client.hears().await, "2");
    assert_eq!(client.hears().await, "1");
    client.is_unknown().await;
    server.emptied().await;
}

#[actix_web::test]
async fn a_client_that_polls_no_more_is_unknown_after_its_timeout() {
    let server = TestServer::echo(config());
    let client = Poller::engine(&server).await;
    server.emptied().await;
    client.is_unknown().await;
}

#[actix_web::test]
async fn a_client_that_closes_gets_its_poll_back_and_is_unknown() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let parked = client.parked().await;
    client.says("1").await;
    assert_eq!(parked.answer().await, (200, "6".to_owned()));
    client.is_unknown().await;
    server.emptied().await;
}

#[actix_web::test]
async fn a_second_poll_closes_the_session() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let parked = client.parked().await;
    let second = client.poll().await;
    assert_eq!(
        (second.status.as_u16(), second.body.as_str()),
        (400, BAD_REQUEST)
    );
    assert_eq!(parked.answer().await, (200, "1".to_owned()));
    client.is_unknown().await;
    server.emptied().await;
}

#[actix_web::test]
async fn a_second_post_closes_the_session() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let slow = client.raw("POST", "content-length: 9\r\n", "4hal").await;
    let second = client.post("4whole").await;
    assert_eq!(
        (second.status.as_u16(), second.body.as_str()),
        (400, BAD_REQUEST)
    );
    assert_eq!(
        slow.answer().await.0,
        400,
        "the first one is let go as well"
    );
    client.is_unknown().await;
    server.emptied().await;
}

#[actix_web::test]
async fn a_request_that_is_given_up_closes_the_session() {
    let mut theatre = Theatre::open(patient());
    let client = Poller::joined(&theatre.server).await;
    drop(client.parked().await);
    assert_eq!(theatre.report().await, "transport close");
    client.is_unknown().await;

    let client = Poller::joined(&theatre.server).await;
    drop(client.raw("POST", "content-length: 9\r\n", "4hal").await);
    assert_eq!(theatre.report().await, "transport close");
    client.is_unknown().await;
    theatre.server.emptied().await;
}

#[actix_web::test]
async fn a_post_that_never_ends_does_not_outlive_its_session() {
    let server = TestServer::echo(config());
    let client = Poller::engine(&server).await;
    let endless = client.raw("POST", "content-length: 9\r\n", "4hal").await;
    let (status, body) = endless.answer().await;
    assert_eq!(
        (status, body.as_str()),
        (400, r#"{"code":1,"message":"Session ID unknown"}"#)
    );
    server.emptied().await;
}

#[actix_web::test]
async fn what_is_no_payload_closes_the_session() {
    let server = TestServer::echo(patient());
    let flood = "4\x1e".repeat(50_000).into_bytes();
    for nonsense in [
        b"".as_slice(),
        b"abc",
        b"2",
        b"0{}",
        b"b!",
        "éabcd".as_bytes(),
        b"4\xff",
        &flood,
    ] {
        let client = Poller::engine(&server).await;
        let parked = client.parked().await;
        let answer = client.post(nonsense.to_vec()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (400, BAD_REQUEST)
        );
        assert_eq!(parked.answer().await, (200, "1".to_owned()));
        client.is_unknown().await;
    }
    server.emptied().await;
}

#[actix_web::test]
async fn packets_before_a_malformed_one_are_taken_and_none_after_it() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let parked = client.parked().await;
    let answer = client.post("4before\x1e\x1e4after").await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (400, BAD_REQUEST)
    );
    assert_eq!(parked.answer().await, (200, "4before".to_owned()));
    client.is_unknown().await;
}

#[actix_web::test]
async fn bytes_that_do_not_say_that_they_are_text_close_the_session() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let headers = "content-type: application/octet-stream\r\ncontent-length: 2\r\n";
    let (status, body) = client.raw("POST", headers, "4a").await.answer().await;
    assert_eq!((status, body.as_str()), (400, BAD_REQUEST));
    client.is_unknown().await;
}

#[actix_web::test]
async fn a_payload_over_the_limit_is_refused_and_the_session_goes_on() {
    let server = TestServer::echo(Config {
        max_payload: 1000,
        ..patient()
    });
    let client = Poller::engine(&server).await;
    let message = format!("4{}", "x".repeat(999));
    client.says(&message).await;
    assert_eq!(client.hears().await, message);

    let too_long = format!("{message}x");
    assert_eq!(client.post(too_long.clone()).await.status, 413, "declared");
    let declared = client
        .raw("POST", "content-length: 200000000\r\n", "")
        .await;
    assert_eq!(declared.answer().await.0, 413, "before it comes");
    let chunked = format!("{:x}\r\n{too_long}\r\n", too_long.len());
    let chunked = client
        .raw("POST", "transfer-encoding: chunked\r\n", &chunked)
        .await;
    assert_eq!(chunked.answer().await.0, 413, "in chunks, and without end");

    client.says("4still here").await;
    assert_eq!(client.hears().await, "4still here");
}

#[actix_web::test]
async fn a_method_that_polling_does_not_know_is_a_bad_request_and_harmless() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    let (status, body) = client.raw("PUT", "", "").await.answer().await;
    assert_eq!((status, body.as_str()), (400, BAD_REQUEST));
    client.says("4still here").await;
    assert_eq!(client.hears().await, "4still here");
}

#[actix_web::test]
async fn a_client_that_does_not_poll_is_closed_as_slow_and_told_by_its_next_poll() {
    let mut theatre = Theatre::open(Config {
        outbox: OutboxBounds::new(100, 4 << 20),
        ..patient()
    });
    let client = Poller::joined(&theatre.server).await;
    client.says(r#"42["burst"]"#).await;
    assert_eq!(theatre.report().await, "slow");
    assert_eq!(client.hears().await, "1");
    client.is_unknown().await;
    theatre.server.emptied().await;
}

#[actix_web::test]
async fn what_was_sent_before_the_server_closes_arrives_and_the_close_behind_it() {
    let mut theatre = Theatre::open(patient());
    let client = Poller::joined(&theatre.server).await;
    client.says(r#"42["close"]"#).await;
    assert_eq!(theatre.report().await, "session expired");
    assert_eq!(client.hears().await, "42[\"goodbye\",\"see you\"]");
    assert_eq!(client.hears().await, "1");
    client.is_unknown().await;
    theatre.server.emptied().await;
}

#[actix_web::test]
async fn a_client_that_has_been_closed_may_still_post_and_is_told_by_its_next_poll() {
    let server = TestServer::echo(patient());
    let client = Poller::engine(&server).await;
    server.sessions.close_all(CloseReason::Shutdown);
    client.says("4too late").await;
    assert_eq!(client.hears().await, "1");
    client.is_unknown().await;
}

#[actix_web::test]
async fn draining_answers_the_polls_that_are_parked() {
    let server = TestServer::echo(patient());
    let (one, other) = (Poller::engine(&server).await, Poller::engine(&server).await);
    let parked = [one.parked().await, other.parked().await];
    // Who is answered after them tells that both are there.
    let last = Poller::engine(&server).await;

    server.sessions.close_all(CloseReason::Shutdown);
    for parked in parked {
        assert_eq!(parked.answer().await, (200, "1".to_owned()));
    }
    assert_eq!(last.hears().await, "1");
    server.emptied().await;
}

#[actix_web::test]
async fn events_acknowledgements_and_binary_data_go_by_polls_as_well() {
    let server = TestServer::echo(patient());
    let client = Poller::joined(&server).await;
    let placeholder = r#"{"_placeholder":true,"num":0}"#;

    client
        .says(&format!("451-[\"message\",{placeholder}]\x1ebAQID"))
        .await;
    let back = format!("451-[\"message-back\",{placeholder}]\x1ebAQID");
    assert_eq!(client.hears().await, back);
    client
        .says(&format!(
            "451-7[\"message-with-ack\",{placeholder}]\x1ebAQID"
        ))
        .await;
    assert_eq!(
        client.hears().await,
        format!("461-7[{placeholder}]\x1ebAQID")
    );
}

#[actix_web::test]
async fn a_panic_of_the_application_answers_the_poll_and_ends_that_one_session() {
    let theatre = Theatre::open(patient());
    let client = Poller::joined(&theatre.server).await;
    let parked = client.parked().await;
    let posted = client.post(r#"42["panic"]"#).await;
    assert_eq!(posted.status, 400);
    assert_eq!(parked.answer().await, (200, "1".to_owned()));
    client.is_unknown().await;
    theatre.server.emptied().await;
}
