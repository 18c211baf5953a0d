//! Polls and posts that no official client sends.

use actix_socketio::engineio::EngineConfig;

use crate::{
    attack_harness::AttackHarness,
    polling_client::PollingClient,
    test_server::{TestServer, fast_config, quiet_config},
};

const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

fn bad_request() -> (u16, String) {
    (400, BAD_REQUEST.to_owned())
}

/// Asserts that a POST with this body is refused, and that it ends the session and the parked poll.
async fn assert_ends_session(server: &TestServer, body: &[u8]) {
    let client = PollingClient::open_engineio(server).await;
    let parked = client.start_poll().await;
    let headers = format!("content-length: {}\r\n", body.len());
    let post = client
        .start_request_with_bytes("POST", &headers, body)
        .await;
    let shown = String::from_utf8_lossy(&body[..body.len().min(20)]);
    assert_eq!(post.response().await, bad_request(), "{shown}");
    parked.assert_unknown().await;
    client.assert_unknown().await;
}

#[actix_web::test]
async fn second_concurrent_poll_ends_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let client = PollingClient::open_engineio(server).await;
            let first = client.start_poll().await;
            let second = client.start_poll().await;
            assert_eq!(second.response().await, bad_request());
            first.assert_unknown().await;
            client.assert_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn second_concurrent_post_ends_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let client = PollingClient::open_engineio(server).await;
            let incomplete = client
                .start_request("POST", "content-length: 9\r\n", "4hal")
                .await;
            let second = client
                .start_request("POST", "content-length: 2\r\n", "4a")
                .await;
            assert_eq!(second.response().await, bad_request());
            assert_eq!(incomplete.response().await.0, 400);
            client.assert_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn payload_over_the_limit_is_refused_and_the_session_continues() {
    let mut harness = AttackHarness::start(EngineConfig {
        max_payload: 10_000,
        ..quiet_config()
    })
    .await;
    harness
        .assert_withstands(async |server| {
            let client = PollingClient::open_engineio(server).await;
            let declared = client
                .start_request("POST", "content-length: 10001\r\n", "4")
                .await;
            let (response, mut connection) = declared.response_and_connection().await;
            assert_eq!(response.0, 413);
            connection.assert_closed_by_server().await;

            let chunks = format!("{:x}\r\n{}\r\n", 4096, "x".repeat(4096)).repeat(3);
            let chunked = client
                .start_request("POST", "transfer-encoding: chunked\r\n", &chunks)
                .await;
            let (response, mut connection) = chunked.response_and_connection().await;
            assert_eq!(response.0, 413);
            connection.assert_closed_by_server().await;

            client.post_ok("4still here\x1e1").await;
        })
        .await;
}

#[actix_web::test]
async fn post_of_an_octet_stream_ends_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let headers = "content-type: application/octet-stream\r\ncontent-length: 2\r\n";
            let client = PollingClient::open_engineio(server).await;
            let post = client.start_request("POST", headers, "4a").await;
            assert_eq!(post.response().await, bad_request());
            client.assert_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn payload_of_fifty_thousand_packets_ends_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let mut payload = "4\x1e".repeat(50_000);
            payload.pop();
            assert_ends_session(server, payload.as_bytes()).await;
        })
        .await;
}

#[actix_web::test]
async fn malformed_payload_ends_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for malformed in [
                b"".as_slice(),
                b"\x1e",
                b"4\xff",
                b"4\xed\xa0\x80", // half a surrogate pair
                "éabcd".as_bytes(),
                "🦀".as_bytes(),
                b"9",
                b"abc",
                b"b!", // invalid base64
                b"bAQI",
                b"0{}",
                b"2",
                b"2probe",
            ] {
                assert_ends_session(server, malformed).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn aborted_poll_or_post_ends_the_session() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let client = PollingClient::open_engineio(server).await;
            drop(client.start_poll().await);
            server.wait_until_empty().await;
            client.assert_unknown().await;

            let client = PollingClient::open_engineio(server).await;
            let incomplete = client.start_request("POST", "content-length: 9\r\n", "4hal");
            drop(incomplete.await);
            server.wait_until_empty().await;
            client.assert_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn session_of_a_client_that_never_polls_again_ends() {
    let mut harness = AttackHarness::start(fast_config()).await;
    harness
        .assert_withstands(async |server| {
            let client = PollingClient::open_engineio(server).await;
            server.wait_until_empty().await;
            client.assert_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn incomplete_post_ends_with_its_session() {
    let mut harness = AttackHarness::start(fast_config()).await;
    harness
        .assert_withstands(async |server| {
            for headers in [
                "content-length: 900000\r\n",
                "transfer-encoding: chunked\r\n",
            ] {
                let client = PollingClient::open_engineio(server).await;
                let incomplete = client.start_request("POST", headers, "4\r\n4hal").await;
                let (response, mut connection) = incomplete.response_and_connection().await;
                assert_eq!(response.0, 400);
                connection.assert_closed_by_server().await;
                client.assert_unknown().await;
            }
        })
        .await;
}
