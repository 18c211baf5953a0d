//! Requests that should open a session or name one, and do neither.

use crate::{
    poller::send,
    server::{TestServer, config, patient},
    siege::Siege,
};

const UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
const BAD_METHOD: &str = r#"{"code":2,"message":"Bad handshake method"}"#;
const BAD_REQUEST: &str = r#"{"code":3,"message":"Bad request"}"#;

async fn is_refused(server: &TestServer, method: &str, query: &str, body: &str) {
    for path in ["/engine.io/", "/socket.io/"] {
        let request = send(server.address, method, &format!("{path}?{query}"), "", "").await;
        let answer = request.answer().await;
        assert_eq!(answer, (400, body.to_owned()), "{method} {path}?{query}");
    }
}

#[actix_web::test]
async fn a_session_that_is_unknown_or_named_twice() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            for transport in ["polling", "websocket"] {
                let query = format!("EIO=4&transport={transport}&sid");
                for sid in [
                    "x",
                    "AAAAAAAAAAAAAAAA",
                    "%00",
                    "__proto__",
                    &"x".repeat(8000),
                ] {
                    is_refused(server, "GET", &format!("{query}={sid}"), UNKNOWN).await;
                }
                let twice = format!("{query}=AAAAAAAAAAAAAAAA&sid=AAAAAAAAAAAAAAAA");
                is_refused(server, "GET", &twice, BAD_REQUEST).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn transports_that_do_not_exist() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
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
                is_refused(server, "GET", &query, unknown).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn handshakes_by_another_method_than_get() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                is_refused(server, method, "EIO=4&transport=polling", BAD_METHOD).await;
                is_refused(server, method, "EIO=4&transport=websocket", BAD_METHOD).await;
            }
        })
        .await;
}

#[actix_web::test]
async fn websockets_without_an_upgrade() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            is_refused(server, "GET", "EIO=4&transport=websocket", BAD_REQUEST).await;
            for headers in [
                "upgrade: websocket\r\n",
                "connection: upgrade\r\nupgrade: h2c\r\n",
                "connection: upgrade\r\nupgrade: websocket\r\n",
                "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 7\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            ] {
                let target = "/socket.io/?EIO=4&transport=websocket";
                let request = send(server.address, "GET", target, headers, "").await;
                assert_eq!(
                    request.answer().await,
                    (400, BAD_REQUEST.to_owned()),
                    "{headers}"
                );
            }
        })
        .await;
}

#[actix_web::test]
async fn bodies_that_nobody_wants_and_that_never_end() {
    let mut siege = Siege::lay(patient()).await;
    siege
        .withstands(async |server| {
            for (target, body) in [
                ("/socket.io/?EIO=4&transport=polling", BAD_METHOD),
                ("/socket.io/?EIO=4&transport=polling&sid=x", UNKNOWN),
            ] {
                for headers in [
                    "content-length: 900000\r\n",
                    "transfer-encoding: chunked\r\n",
                ] {
                    let request = send(server.address, "POST", target, headers, "4\r\n4hal").await;
                    let (answer, mut connection) = request.answer_and_rest().await;
                    assert_eq!(answer, (400, body.to_owned()), "{target} {headers}");
                    connection.is_closed_by_the_server().await;
                }
            }
        })
        .await;
}

#[actix_web::test]
async fn clients_that_never_enter_a_namespace() {
    let mut siege = Siege::lay(config()).await;
    siege
        .withstands(async |server| {
            let mut client = server.socketio().await;
            assert_eq!(client.hear().await, "2");
            client.say("3").await;
            assert_eq!(client.closed().await, (1000, "connect timeout".to_owned()));
        })
        .await;
}
