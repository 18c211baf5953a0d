//! The headers of a websocket handshake: which upgrades are accepted, and how the others are refused.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    polling_client::PollingClient,
    test_server::{TestServer, quiet_config},
    timeout::within_timeout,
};

const KEY: &str = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const VERSION: &str = "sec-websocket-version: 13\r\n";
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\n";

/// The head and the body of a response.
struct RawResponse {
    head: String,
    body: String,
}

impl RawResponse {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.find_map(|(other, value)| (other == name).then_some(value))
    }
}

/// Sends a request line and headers, and reads the head of the response and what follows it at once.
async fn request(server: &TestServer, line: &str, headers: &str) -> RawResponse {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("{line}\r\nhost: test\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    loop {
        let read = within_timeout(stream.read_buf(&mut received))
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&received);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split_once("content-length: ")
                .and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                let (head, body) = (head.to_owned(), body.to_owned());
                return RawResponse { head, body };
            }
        }
        assert_ne!(read, 0, "the response is incomplete: {text:?}");
    }
}

fn target(sid: Option<&str>) -> String {
    let sid = sid.map(|sid| format!("&sid={sid}")).unwrap_or_default();
    format!("/engine.io/?EIO=4&transport=websocket{sid}")
}

/// Sends a websocket handshake that opens a session, and one that names a session of long polling. Both must have the same outcome,
/// and the polling session must survive.
async fn upgrade(server: &TestServer, headers: &str) -> RawResponse {
    let line = |sid| format!("GET {} HTTP/1.1", target(sid));
    let response = request(server, &line(None), headers).await;
    let polling = PollingClient::open_engineio(server).await;
    let named = request(server, &line(Some(&polling.sid)), headers).await;
    assert_eq!(named.status(), response.status(), "{headers}");
    assert_eq!(
        named.header("sec-websocket-version"),
        response.header("sec-websocket-version")
    );
    polling.post_ok("4a").await;
    response
}

#[actix_web::test]
async fn upgrade_is_accepted_however_its_headers_are_written() {
    let server = TestServer::start_echo(quiet_config());
    for headers in [
        "connection: upgrade\r\nupgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: WebSocket\r\n",
        "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\n",
        "connection: keep-alive\r\nconnection: upgrade\r\nupgrade: websocket\r\n",
        "connection: upgrade\r\nconnection: keep-alive\r\nupgrade: websocket\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-extensions: ,;=\r\n",
    ] {
        let response = upgrade(&server, &format!("{headers}{KEY}{VERSION}")).await;
        assert_eq!(response.status(), 101, "{headers}{}", response.head);
        assert_eq!(
            response.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        assert_eq!(response.header("sec-websocket-extensions"), None);
    }
}

#[actix_web::test]
async fn upgrade_with_another_websocket_version_is_answered_with_the_right_one() {
    let server = TestServer::start_echo(quiet_config());
    for version in [
        "12", "8", "7", "0", "013", "13.0", "13, 8", "8, 13", "", "x",
    ] {
        let headers = format!("{UPGRADE}{KEY}sec-websocket-version: {version}\r\n");
        let response = upgrade(&server, &headers).await;
        assert_eq!(response.status(), 426, "{version}: {}", response.head);
        assert_eq!(
            response.header("sec-websocket-version"),
            Some("13"),
            "{version}"
        );
        assert_eq!(response.header("upgrade"), Some("websocket"), "{version}");
        assert_eq!(
            response.body,
            r#"{"code":3,"message":"Unsupported WebSocket version"}"#
        );
    }
    for versions in [
        format!("{VERSION}{VERSION}"),
        format!("{VERSION}sec-websocket-version: 8\r\n"),
    ] {
        let response = upgrade(&server, &format!("{UPGRADE}{KEY}{versions}")).await;
        assert_eq!(response.status(), 426, "{versions}");
    }
    // Each `upgrade` opened one session of long polling, and the refused handshakes none.
    assert_eq!(server.sessions.open(), 12);
}

#[actix_web::test]
async fn incomplete_upgrade_is_a_bad_request() {
    let server = TestServer::start_echo(quiet_config());
    let key = |value: &str| format!("{UPGRADE}{VERSION}sec-websocket-key: {value}\r\n");
    for headers in [
        format!("{UPGRADE}{KEY}"),
        format!("{UPGRADE}{VERSION}"),
        key(""),
        key("abc"),
        key("!!!!!!!!!!!!!!!!!!!!!!=="),
        key("AAAAAAAAAAAAAAAAAAAA"),
        key("dGhlIHNhbXBsZSBub25jZQ==x"),
        format!("{UPGRADE}{VERSION}{KEY}{KEY}"),
        format!("{VERSION}{KEY}"),
        format!("upgrade: websocket\r\n{VERSION}{KEY}"),
        format!("connection: keep-alive\r\nupgrade: websocket\r\n{VERSION}{KEY}"),
        format!("connection: upgrade\r\n{VERSION}{KEY}"),
        format!("connection: upgrade\r\nupgrade: h2c\r\n{VERSION}{KEY}"),
        format!("connection: close, upgrade\r\nupgrade: websocket\r\n{VERSION}{KEY}"),
        format!("connection: upgrade\r\nupgrade: h2c, websocket\r\n{VERSION}{KEY}"),
        format!("connection: upgrade\r\nupgrade: h2c\r\nupgrade: websocket\r\n{VERSION}{KEY}"),
        format!(
            "connection: upgrade\r\nupgrade: websocket\r\nupgrade: websocket\r\n{VERSION}{KEY}"
        ),
        format!("connection: upgrade\r\nupgrade: websocket/13\r\n{VERSION}{KEY}"),
        format!("connection: upgrade\r\nupgrade: notwebsocketx\r\n{VERSION}{KEY}"),
    ] {
        let response = upgrade(&server, &headers).await;
        assert_eq!(response.status(), 400, "{headers}{}", response.head);
        assert_eq!(
            response.body, r#"{"code":3,"message":"Bad request"}"#,
            "{headers}"
        );
    }
}

#[actix_web::test]
async fn upgrade_by_another_method_or_by_http_1_0_is_refused() {
    let server = TestServer::start_echo(quiet_config());
    let headers = format!("{UPGRADE}{VERSION}{KEY}");
    let polling = PollingClient::open_engineio(&server).await;
    for (sid, code) in [(None, 2), (Some(polling.sid.as_str()), 3)] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let line = format!("{method} {} HTTP/1.1", target(sid));
            let response =
                request(&server, &line, &format!("{headers}content-length: 0\r\n")).await;
            assert_eq!(response.status(), 400, "{line}: {}", response.head);
            assert!(
                response.body.starts_with(&format!(r#"{{"code":{code},"#)),
                "{line}: {}",
                response.body
            );
        }
        let line = format!("GET {} HTTP/1.0", target(sid));
        let response = request(&server, &line, &headers).await;
        assert_eq!(response.status(), 400, "{line}: {}", response.head);
    }
    polling.post_ok("4a").await;
}

/// Clients in Dart request a websocket with `transport=polling` in some settings. No session is left behind.
#[actix_web::test]
async fn websocket_of_the_polling_transport_is_refused() {
    let server = TestServer::start_echo(quiet_config());
    let line = "GET /engine.io/?EIO=4&transport=polling HTTP/1.1";
    let response = request(&server, line, &format!("{UPGRADE}{VERSION}{KEY}")).await;
    assert_eq!(response.status(), 400, "{}", response.head);
    assert_eq!(server.sessions.open(), 0);
    // Some HTTP clients offer HTTP/2 with each request.
    let h2c = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    let response = request(&server, line, h2c).await;
    assert_eq!(response.status(), 200, "{}", response.head);
}

/// The clients `ws` and Chromium close a websocket whose subprotocols were not answered, or not with one of them.
#[actix_web::test]
async fn first_requested_subprotocol_is_selected() {
    let server = TestServer::start_echo(quiet_config());
    for (headers, selected) in [
        ("", None),
        (
            "sec-websocket-protocol: my-protocol-v1\r\n",
            Some("my-protocol-v1"),
        ),
        ("sec-websocket-protocol: a, b\r\n", Some("a")),
        ("sec-websocket-protocol: b,a\r\n", Some("b")),
        (
            "sec-websocket-protocol: a\r\nsec-websocket-protocol: b\r\n",
            Some("a"),
        ),
    ] {
        let response = upgrade(&server, &format!("{UPGRADE}{VERSION}{KEY}{headers}")).await;
        assert_eq!(response.status(), 101, "{headers}{}", response.head);
        assert_eq!(
            response.header("sec-websocket-protocol"),
            selected,
            "{headers}"
        );
    }
    for malformed in ["", "a b", "a,", ",a", "a, a", "a;b", "\"a\""] {
        let headers = format!("{UPGRADE}{VERSION}{KEY}sec-websocket-protocol: {malformed}\r\n");
        let response = upgrade(&server, &headers).await;
        assert_eq!(response.status(), 400, "{malformed}: {}", response.head);
    }
}
