//! Hostile clients of Engine.IO 3: handshakes, and requests of another version.

use actix_socketio::engineio::EngineConfig;
use tokio_tungstenite::tungstenite::Message;

use crate::{
    attack_harness::AttackHarness,
    polling_client::{PollingClient, SESSION_UNKNOWN, start_request},
    test_server::{TestServer, quiet_config},
    websocket_client::WebSocketClient,
};

const BAD_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;
const UNSUPPORTED: &str = r#"{"code":5,"message":"Unsupported protocol version"}"#;
const NOT_ALLOWED: &str =
    r#"{"code":5,"message":"Unsupported protocol version (Engine.IO 3 needs allow_eio3 = true)"}"#;

const PARSE_ERROR: (u16, &str) = (1000, "parse error");

/// The headers that request a valid upgrade to a websocket.
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Base64 of binary messages that is invalid, or is not behind the type of a message.
pub const INVALID_BASE64: [&str; 11] = [
    "b",
    "b!",
    "b4!",
    "b4A",
    "b4AQI",
    "b4AQIDBA=",
    "b4AQ ID",
    "b4-_-_",
    "b4é",
    "b5AQID",
    "bAQID",
];

/// Returns `config` with version 3 allowed.
pub fn allowing(config: EngineConfig) -> EngineConfig {
    EngineConfig {
        allow_eio3: true,
        ..config
    }
}

/// Opens a websocket for a new session of version 3 and receives the open packet.
pub async fn connect(server: &TestServer, path: &str) -> WebSocketClient {
    let target = format!("{path}?EIO=3&transport=websocket");
    let mut client = WebSocketClient::connect(server.address, &target).await;
    assert!(client.recv_text().await.starts_with(r#"0{"sid":""#));
    client
}

/// Asserts that this message closes the session of a websocket.
pub async fn assert_closes(mut client: WebSocketClient, message: Message) {
    client.send_message(message.clone()).await;
    let (code, reason) = client.recv_close().await;
    assert_eq!((code, reason.as_str()), PARSE_ERROR, "{message:?}");
}

/// Returns the session id of a text payload that begins with an open packet.
fn sid_of(payload: &str) -> &str {
    let (_length, rest) = payload.split_once(r#":0{"sid":""#).unwrap();
    rest.split('"').next().unwrap()
}

/// Sends a request without a body, which `request` names by its method and target, and returns status and body of the response.
async fn response(server: &TestServer, request: &str, headers: &str) -> (u16, String) {
    let (method, target) = request.split_once(' ').unwrap();
    let request = start_request(server.address, method, target, headers, "").await;
    request.response().await
}

#[actix_web::test]
async fn handshake_of_a_version_that_is_not_allowed_is_refused() {
    let mut harness = AttackHarness::start(quiet_config()).await;
    harness
        .assert_withstands(async |server| {
            for transport in ["polling", "websocket"] {
                for (version, body) in [
                    ("EIO=3", NOT_ALLOWED),
                    ("EIO=4&EIO=3", NOT_ALLOWED),
                    ("EIO=%33", NOT_ALLOWED),
                    ("EIO=3&EIO=2", UNSUPPORTED),
                    ("EIO=2", UNSUPPORTED),
                    ("EIO=5", UNSUPPORTED),
                    ("EIO=03", UNSUPPORTED),
                    ("EIO=3.0", UNSUPPORTED),
                    ("EIO=+3", UNSUPPORTED),
                    ("EIO=", UNSUPPORTED),
                    ("eio=3", UNSUPPORTED),
                    ("b64=1", UNSUPPORTED),
                ] {
                    let request = format!("GET /socket.io/?{version}&transport={transport}");
                    let refused = (400, body.to_owned());
                    assert_eq!(response(server, &request, "").await, refused, "{request}");
                }
            }
        })
        .await;
}

#[actix_web::test]
async fn handshake_of_version_3_that_contradicts_itself_is_refused() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let unknown = r#"{"code":0,"message":"Transport unknown"}"#;
            for (request, headers, body) in [
                ("POST /engine.io/?EIO=3&transport=polling", "", BAD_METHOD),
                ("POST /engine.io/?EIO=3&transport=websocket", "", BAD_METHOD),
                ("GET /engine.io/?EIO=3&transport=websocket", "", BAD_REQUEST),
                (
                    "GET /engine.io/?EIO=3&transport=polling",
                    UPGRADE,
                    BAD_REQUEST,
                ),
                ("GET /engine.io/?EIO=3", "", unknown),
                ("GET /engine.io/?EIO=3&transport=jsonp", "", unknown),
                ("GET /engine.io/?EIO=3&transport=flashsocket", "", unknown),
                (
                    "GET /engine.io/?EIO=3&transport=polling&sid=x",
                    "",
                    SESSION_UNKNOWN,
                ),
                (
                    "GET /engine.io/?EIO=3&EIO=5&transport=polling",
                    "",
                    UNSUPPORTED,
                ),
            ] {
                let refused = (400, body.to_owned());
                assert_eq!(
                    response(server, request, headers).await,
                    refused,
                    "{request}"
                );
            }
        })
        .await;
}

#[actix_web::test]
async fn request_of_another_version_does_not_affect_the_session() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            let version_3 = PollingClient::open_version_3(server, "/engine.io/").await;
            let version_4 = PollingClient::open_engineio(server).await;
            let message = [(&version_3, "2:4a", "1:1"), (&version_4, "4a", "1")];
            for ((client, message, close), others) in message.into_iter().zip([
                ["EIO=4", "EIO=5", "EIO=3&EIO=4"],
                ["EIO=3", "EIO=2", "EIO=4&EIO=3"],
            ]) {
                let parked = client.start_poll().await;
                for other in others.into_iter().chain(["EIO=", "t=1"]) {
                    for (method, transport, headers) in [
                        ("GET", "polling", ""),
                        ("POST", "polling", "content-length: 0\r\n"),
                        ("GET", "websocket", UPGRADE),
                    ] {
                        let query = format!("{other}&transport={transport}&sid={}", client.sid);
                        let request = format!("{method} /engine.io/?{query}");
                        let refused = (400, BAD_REQUEST.to_owned());
                        let answer = response(server, &request, headers).await;
                        assert_eq!(answer, refused, "{request}");
                    }
                }
                client.post_ok(message).await;
                assert_eq!(parked.response().await, (200, message.to_owned()));
                client.post_ok(close).await;
                client.assert_unknown().await;
            }
        })
        .await;
}

#[actix_web::test]
async fn jsonp_is_not_served_and_base64_is_chosen_by_the_handshake() {
    let mut harness = AttackHarness::start(allowing(quiet_config())).await;
    harness
        .assert_withstands(async |server| {
            for query in ["j=0", "j=0&b64=1", "b64=0&j=%00", "b64=1&b64="] {
                let request = format!("GET /engine.io/?EIO=3&transport=polling&{query}");
                let (status, payload) = response(server, &request, "").await;
                assert_eq!(status, 200, "{request}");
                let sid = sid_of(&payload);
                let target = format!("/engine.io/?EIO=3&transport=polling&sid={sid}&{query}");

                // The form of a client that uses JSONP is no payload.
                let form =
                    "content-type: application/x-www-form-urlencoded\r\ncontent-length: 8\r\n";
                let post = start_request(server.address, "POST", &target, form, "d=2%3A4a").await;
                assert_eq!(
                    post.response().await,
                    (400, BAD_REQUEST.to_owned()),
                    "{query}"
                );
            }
            // Only the parameter of the handshake has an effect.
            let handshake = "GET /engine.io/?EIO=3&transport=polling&b64=1";
            let (_, open) = response(server, handshake, "").await;
            let target = format!(
                "/engine.io/?EIO=3&transport=polling&b64=&sid={}",
                sid_of(&open)
            );
            let headers = "content-length: 8\r\n";
            let post = start_request(server.address, "POST", &target, headers, "6:b4AQID").await;
            assert_eq!(post.response().await, (200, "ok".to_owned()));
            let polled = response(server, &format!("GET {target}"), "").await;
            assert_eq!(polled, (200, "6:b4AQID".to_owned()));
            let headers = "content-length: 3\r\n";
            let post = start_request(server.address, "POST", &target, headers, "1:1").await;
            assert_eq!(post.response().await, (200, "ok".to_owned()));
        })
        .await;
}
