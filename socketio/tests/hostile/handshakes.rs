//! Requests that fail to open a session or to name one.

use std::time::Duration;

use actix_socketio::engineio::EngineConfig;

use crate::{
    attack_harness::AttackHarness,
    polling_client::start_request,
    test_server::{TestServer, quiet_config},
};

const UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const BAD_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

async fn assert_refused(server: &TestServer, method: &str, query: &str, body: &str) {
    for path in ["/engine.io/", "/socket.io/"] {
        let target = format!("{path}?{query}");
        let request = start_request(server.address, method, &target, "", "").await;
        let response = request.response().await;
        assert_eq!(response, (400, body.to_owned()), "{method} {target}");
    }
}

#[actix_web::test]
async fn request_with_an_unknown_or_repeated_sid_is_refused() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for transport in ["polling", "websocket"] {
                let query = format!("EIO=4&transport={transport}&sid");
                for sid in [
                    "x",
                    "AAAAAAAAAAAAAAAA",
                    "%00",
                    "__proto__",
                    &"x".repeat(8000),
                ] {
                    assert_refused(server, "GET", &format!("{query}={sid}"), UNKNOWN).await;
                }
                let repeated = format!("{query}=AAAAAAAAAAAAAAAA&sid=AAAAAAAAAAAAAAAA");
                assert_refused(server, "GET", &repeated, UNKNOWN).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn request_with_an_unknown_transport_is_refused() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            let unknown = r#"{"code":0,"message":"Transport unknown"}"#;
            for transport in [
                "__proto__",
                "constructor",
                "",
                "webtransport",
                "Polling",
                "%ff",
            ] {
                let query = format!("EIO=4&transport={transport}");
                assert_refused(server, "GET", &query, unknown).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn handshake_with_another_method_than_get_is_refused() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                assert_refused(server, method, "EIO=4&transport=polling", BAD_METHOD).await;
                assert_refused(server, method, "EIO=4&transport=websocket", BAD_METHOD).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn websocket_request_without_a_valid_upgrade_is_refused() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            assert_refused(server, "GET", "EIO=4&transport=websocket", BAD_REQUEST).await;
            for headers in [
                "upgrade: websocket\r\n",
                "connection: upgrade\r\nupgrade: h2c\r\n",
                "connection: upgrade\r\nupgrade: websocket\r\n",
            ] {
                let target = "/socket.io/?EIO=4&transport=websocket";
                let request = start_request(server.address, "GET", target, headers, "").await;
                assert_eq!(
                    request.response().await,
                    (400, BAD_REQUEST.to_owned()),
                    "{headers}"
                );
            }
        })
        .await;
}

#[actix_web::test]
async fn connection_of_a_refused_request_with_an_endless_body_is_closed() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for (target, body) in [
                ("/socket.io/?EIO=4&transport=polling", BAD_METHOD),
                ("/socket.io/?EIO=4&transport=polling&sid=x", UNKNOWN),
            ] {
                for headers in [
                    "content-length: 900000\r\n",
                    "transfer-encoding: chunked\r\n",
                ] {
                    let request =
                        start_request(server.address, "POST", target, headers, "4\r\n4hal").await;
                    let (response, mut connection) = request.response_and_connection().await;
                    assert_eq!(response, (400, body.to_owned()), "{target} {headers}");
                    connection.assert_closed_by_server().await;
                }
            }
        })
        .await;
}

#[actix_web::test]
async fn client_in_no_namespace_is_closed_after_the_connect_timeout() {
    let mut harness = AttackHarness::start(EngineConfig {
        connect_timeout: Duration::from_millis(400),
        ..quiet_config()
    })
    .await;
    harness
        .assert_withstands(async |server| {
            let mut client = server.connect_socketio().await;
            assert_eq!(
                client.recv_close().await,
                (1000, "connect timeout".to_owned())
            );
        })
        .await;
}
