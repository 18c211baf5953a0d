//! Polls and posts that no client makes.

use vaultcast::engineio::Config;

use crate::{
    poller::Poller,
    server::{TestServer, config, patient},
    siege::Siege,
};

const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

fn bad_request() -> (u16, String) {
    (400, BAD_REQUEST.to_owned())
}

/// A post that ends its session: it is told so, and the poll that is parked as well.
async fn ends_the_session(server: &TestServer, headers: &str, body: &[u8]) {
    let client = Poller::engine(server).await;
    let parked = client.parked().await;
    let headers = format!("{headers}content-length: {}\r\n", body.len());
    let posted = client.raw_bytes("POST", &headers, body).await;
    let shown = String::from_utf8_lossy(&body[..body.len().min(20)]);
    assert_eq!(posted.answer().await, bad_request(), "{shown}");
    assert_eq!(parked.answer().await, (200, "1".to_owned()), "{shown}");
    client.is_unknown().await;
}

#[actix_web::test]
async fn two_polls_at_once() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let client = Poller::engine(server).await;
            let first = client.parked().await;
            assert_eq!(client.parked().await.answer().await, bad_request());
            assert_eq!(first.answer().await, (200, "1".to_owned()));
            client.is_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn two_posts_at_once() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let client = Poller::engine(server).await;
            let half = client.raw("POST", "content-length: 9\r\n", "4hal").await;
            let second = client.raw("POST", "content-length: 2\r\n", "4a").await;
            assert_eq!(second.answer().await, bad_request());
            assert_eq!(half.answer().await.0, 400);
            client.is_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn payloads_over_the_limit() {
    let mut siege = Siege::lay(Config {
        max_payload: 10_000,
        ..patient()
    })
    .await;
    siege
        .withstands(async |server| {
            let client = Poller::engine(server).await;
            let declared = client.raw("POST", "content-length: 10001\r\n", "4").await;
            let (answer, mut connection) = declared.answer_and_rest().await;
            assert_eq!(answer.0, 413);
            connection.is_closed_by_the_server().await;

            let chunk = format!("{:x}\r\n{}\r\n", 4096, "x".repeat(4096)).repeat(3);
            let chunked = client
                .raw("POST", "transfer-encoding: chunked\r\n", &chunk)
                .await;
            let (answer, mut connection) = chunked.answer_and_rest().await;
            assert_eq!(answer.0, 413);
            connection.is_closed_by_the_server().await;

            client.says("4still here\x1e1").await;
        })
        .await;
}

#[actix_web::test]
async fn bytes_that_do_not_say_that_they_are_text() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let headers = "content-type: application/octet-stream\r\ncontent-length: 2\r\n";
            let client = Poller::engine(server).await;
            let posted = client.raw("POST", headers, "4a").await;
            assert_eq!(posted.answer().await, bad_request());
            client.is_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn fifty_thousand_packets_in_one_payload() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let mut flood = "4\x1e".repeat(50_000);
            flood.pop();
            ends_the_session(server, "", flood.as_bytes()).await;
        })
        .await;
}

#[actix_web::test]
async fn payloads_that_are_no_text_or_no_packets() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            for nonsense in [
                b"".as_slice(),
                b"\x1e",
                b"4\xff",
                b"4\xed\xa0\x80", // half a surrogate pair
                "éabcd".as_bytes(),
                "🦀".as_bytes(),
                b"9",
                b"abc",
                b"b!", // no base64
                b"bAQI",
                b"0{}",
                b"2",
                b"2probe",
            ] {
                ends_the_session(server, "", nonsense).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn clients_that_go_away_in_the_middle_of_a_request() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            let client = Poller::engine(server).await;
            drop(client.parked().await);
            server.emptied().await;
            client.is_unknown().await;

            let client = Poller::engine(server).await;
            drop(client.raw("POST", "content-length: 9\r\n", "4hal").await);
            server.emptied().await;
            client.is_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn clients_that_are_not_heard_of_again() {
    let mut siege = Siege::lay(config()).await;
    siege
        .withstands(async |server| {
            let client = Poller::engine(server).await;
            server.emptied().await;
            client.is_unknown().await;
        })
        .await;
}

#[actix_web::test]
async fn a_post_that_stays_half_sent() {
    let mut siege = Siege::lay(config()).await;
    siege
        .withstands(async |server| {
            for headers in [
                "content-length: 900000\r\n",
                "transfer-encoding: chunked\r\n",
            ] {
                let client = Poller::engine(server).await;
                let half = client.raw("POST", headers, "4\r\n4hal").await;
                let (answer, mut connection) = half.answer_and_rest().await;
                assert_eq!(answer.0, 400);
                connection.is_closed_by_the_server().await;
                client.is_unknown().await;
            }
        })
        .await;
}
