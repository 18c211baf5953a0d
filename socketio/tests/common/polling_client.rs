//! A client that uses the polling transport. Each request has a TCP connection of its own, so requests reach the server
//! in the order in which they are sent.

use std::io;

use reqwest::{Body, Response, StatusCode, header::HeaderMap};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
};

use crate::{test_server::TestServer, timeout::within_timeout, websocket_client::WebSocketClient};

/// The body of the response to a request that names an unknown session.
pub const SESSION_UNKNOWN: &str = r#"{"code":1,"message":"Session ID unknown"}"#;

/// A complete response of the server.
#[derive(Debug)]
pub struct PollResponse {
    pub status: StatusCode,
    pub content_type: Option<String>,
    pub body: String,
}

impl PollResponse {
    pub async fn read(response: Response) -> Self {
        let content_type = response.headers().get("content-type");
        Self {
            status: response.status(),
            content_type: content_type.map(|value| value.to_str().unwrap().to_owned()),
            body: response.text().await.unwrap(),
        }
    }
}

/// A client with a session on the polling transport.
pub struct PollingClient {
    http: reqwest::Client,
    authority: String,
    pub path: &'static str,
    /// The parameter `EIO` of each request.
    version: &'static str,
    pub sid: String,
    /// The headers of the response that opened the session.
    pub open_headers: HeaderMap,
}

impl PollingClient {
    /// Opens an Engine.IO session.
    pub async fn open_engineio(server: &TestServer) -> Self {
        Self::open(server, "/engine.io/", "EIO=4").await
    }

    /// Opens a session and connects it to the default namespace. The first events of the application may be in the same
    /// payload as the answer to the CONNECT, which is discarded.
    pub async fn connect_to_namespace(server: &TestServer) -> Self {
        let client = Self::open(server, "/socket.io/", "EIO=4").await;
        client.post_ok("40").await;
        assert!(client.poll_ok().await.starts_with(r#"40{"sid":""#));
        client
    }

    /// Opens a session of version 3, whose payloads have lengths. A client of Socket.IO is connected to the default namespace.
    pub async fn open_version_3(server: &TestServer, path: &'static str) -> Self {
        Self::open(server, path, "EIO=3").await
    }

    async fn open(server: &TestServer, path: &'static str, version: &'static str) -> Self {
        let http = reqwest::Client::builder().pool_max_idle_per_host(0);
        let (http, authority) = (http.build().unwrap(), server.address.to_string());
        let url = format!("http://{authority}{path}?{version}&transport=polling");
        let response = http.get(url).send().await.unwrap();
        let open_headers = response.headers().clone();
        let open = PollResponse::read(response).await;
        let (_length, rest) = open.body.split_once(r#"0{"sid":""#).unwrap();
        let (sid, _) = rest.split_once('"').unwrap();
        Self {
            http,
            authority,
            path,
            version,
            sid: sid.to_owned(),
            open_headers,
        }
    }

    /// Returns the path and query of the session's requests.
    fn target(&self) -> String {
        let (path, version, sid) = (self.path, self.version, &self.sid);
        format!("{path}?{version}&transport=polling&sid={sid}")
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.target())
    }

    /// Opens a WebSocket for an upgrade of this session.
    pub async fn open_websocket(&self, server: &TestServer) -> WebSocketClient {
        server
            .connect_websocket_to_session(self.path, &self.sid)
            .await
    }

    /// Sends a poll and returns any response.
    pub async fn poll(&self) -> PollResponse {
        let request = self.http.get(self.url());
        PollResponse::read(within_timeout(request.send()).await.unwrap()).await
    }

    /// Sends a POST and returns any response.
    pub async fn post(&self, body: impl Into<Body>) -> PollResponse {
        let request = self.http.post(self.url()).body(body);
        PollResponse::read(within_timeout(request.send()).await.unwrap()).await
    }

    /// Sends a poll that must succeed and returns its payload.
    pub async fn poll_ok(&self) -> String {
        let response = self.poll().await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.body
    }

    /// Sends a POST that must succeed.
    pub async fn post_ok(&self, payload: &str) {
        let response = self.post(payload.to_owned()).await;
        assert_eq!(
            (response.status, response.body.as_str()),
            (StatusCode::OK, "ok")
        );
    }

    /// Asserts that the server does not know the session.
    pub async fn assert_unknown(&self) {
        let response = self.poll().await;
        assert_eq!(response.status, 400, "{}", response.body);
        assert_eq!(response.body, SESSION_UNKNOWN);
    }

    /// Sends a poll without waiting for its response. The server receives it before any later request.
    pub async fn start_poll(&self) -> PendingRequest {
        self.start_request("GET", "", "").await
    }

    /// Sends a request with exactly these headers and this part of its body.
    pub async fn start_request(&self, method: &str, headers: &str, body: &str) -> PendingRequest {
        self.start_request_with_bytes(method, headers, body.as_bytes())
            .await
    }

    /// Sends a request with exactly these headers and this part of its body, which need not be text.
    pub async fn start_request_with_bytes(
        &self,
        method: &str,
        headers: &str,
        body: &[u8],
    ) -> PendingRequest {
        let headers = format!("connection: close\r\n{headers}");
        write_request(&self.authority, method, &self.target(), &headers, body).await
    }
}

/// Sends a request to `target`, the path and query of a URL, with exactly these headers and this body.
pub async fn start_request(
    address: impl ToSocketAddrs,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> PendingRequest {
    write_request(address, method, target, headers, body.as_bytes()).await
}

async fn write_request(
    address: impl ToSocketAddrs,
    method: &str,
    target: &str,
    headers: &str,
    body: &[u8],
) -> PendingRequest {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{method} {target} HTTP/1.1\r\nhost: test\r\n{headers}\r\n");
    stream
        .write_all(&[head.as_bytes(), body].concat())
        .await
        .unwrap();
    PendingRequest(stream)
}

/// A request whose response has not been read. Dropping it closes the connection.
pub struct PendingRequest(TcpStream);

/// The connection of a response that has been read.
pub struct ResponseConnection(TcpStream);

impl ResponseConnection {
    /// Asserts that the server closes the connection without sending more.
    pub async fn assert_closed_by_server(&mut self) {
        let mut buffer = [0; 64];
        match within_timeout(self.0.read(&mut buffer)).await {
            Ok(0) => {}
            Ok(_) => panic!("the server sent more after the response"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }
}

impl PendingRequest {
    /// Asserts that the response is that of an unknown session.
    pub async fn assert_unknown(self) {
        assert_eq!(self.response().await, (400, SESSION_UNKNOWN.to_owned()));
    }

    /// Reads the response and returns its status and body.
    pub async fn response(self) -> (u16, String) {
        self.response_and_connection().await.0
    }

    /// Reads the response and returns its status and body, and the connection, which this side leaves open.
    pub async fn response_and_connection(mut self) -> ((u16, String), ResponseConnection) {
        let mut response = Vec::new();
        loop {
            let read = within_timeout(self.0.read_buf(&mut response))
                .await
                .unwrap();
            let text = String::from_utf8_lossy(&response);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split_once("content-length: ").expect("a length").1;
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                if body.len() == length {
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return ((status, body.to_owned()), ResponseConnection(self.0));
                }
            }
            assert_ne!(read, 0, "the response is incomplete: {text:?}");
        }
    }
}
