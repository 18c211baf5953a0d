//! A client that polls: it sends one request at a time, or as many as a test wants.

use std::io;

use reqwest::{Body, Response, StatusCode, header::HeaderMap};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
};

use crate::server::{TestServer, patiently};

/// An answer of the server, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub content_type: Option<String>,
    pub body: String,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let content_type = response.headers().get("content-type");
        Self {
            status: response.status(),
            content_type: content_type.map(|value| value.to_str().unwrap().to_owned()),
            body: response.text().await.unwrap(),
        }
    }
}

/// A client whose session is carried by polls.
pub struct Poller {
    http: reqwest::Client,
    authority: String,
    pub path: &'static str,
    pub sid: String,
    /// The headers of the answer that opened the session.
    pub opening: HeaderMap,
}

impl Poller {
    /// Opens an Engine.IO session.
    pub async fn engine(server: &TestServer) -> Self {
        Self::open(server, "/engine.io/").await
    }

    /// Opens a session and enters the default namespace; what the application says to that may be in the same payload.
    pub async fn joined(server: &TestServer) -> Self {
        let poller = Self::open(server, "/socket.io/").await;
        poller.says("40").await;
        assert!(poller.hears().await.starts_with(r#"40{"sid":""#));
        poller
    }

    async fn open(server: &TestServer, path: &'static str) -> Self {
        // A connection for each request: so they reach the server in the order in which they are sent.
        let http = reqwest::Client::builder().pool_max_idle_per_host(0);
        let (http, authority) = (http.build().unwrap(), server.address.to_string());
        let url = format!("http://{authority}{path}?EIO=4&transport=polling");
        let response = http.get(url).send().await.unwrap();
        let opening = response.headers().clone();
        let open = Answer::of(response).await;
        let rest = open.body.strip_prefix(r#"0{"sid":""#).unwrap();
        let (sid, _) = rest.split_once('"').unwrap();
        Self {
            http,
            authority,
            path,
            sid: sid.to_owned(),
            opening,
        }
    }

    /// Where its requests go, on its server.
    fn target(&self) -> String {
        format!("{}?EIO=4&transport=polling&sid={}", self.path, self.sid)
    }

    fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.target())
    }

    /// One poll, whatever comes of it.
    pub async fn poll(&self) -> Answer {
        Answer::of(patiently(self.http.get(self.url()).send()).await.unwrap()).await
    }

    /// One post, whatever comes of it.
    pub async fn post(&self, body: impl Into<Body>) -> Answer {
        let request = self.http.post(self.url()).body(body);
        Answer::of(patiently(request.send()).await.unwrap()).await
    }

    /// The payload of a poll that is answered well.
    pub async fn hears(&self) -> String {
        let answer = self.poll().await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    /// Brings packets, which are taken.
    pub async fn says(&self, payload: &str) {
        let answer = self.post(payload.to_owned()).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::OK, "ok")
        );
    }

    /// The server does not know the session.
    pub async fn is_unknown(&self) {
        let answer = self.poll().await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.body, r#"{"code":1,"message":"Session ID unknown"}"#);
    }

    /// A poll that the server has before anything that is sent after it.
    pub async fn parked(&self) -> Raw {
        self.raw("GET", "", "").await
    }

    /// A request of one's own making, byte for byte: its headers, and as much of its body as is wanted.
    pub async fn raw(&self, method: &str, headers: &str, body: &str) -> Raw {
        self.raw_bytes(method, headers, body.as_bytes()).await
    }

    /// Likewise, with a body that need not be text.
    pub async fn raw_bytes(&self, method: &str, headers: &str, body: &[u8]) -> Raw {
        let headers = format!("connection: close\r\n{headers}");
        send_bytes(&self.authority, method, &self.target(), &headers, body).await
    }
}

/// Sends a request of one's own making to `target`, over a connection of its own.
pub async fn send(
    address: impl ToSocketAddrs,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Raw {
    send_bytes(address, method, target, headers, body.as_bytes()).await
}

async fn send_bytes(
    address: impl ToSocketAddrs,
    method: &str,
    target: &str,
    headers: &str,
    body: &[u8],
) -> Raw {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("{method} {target} HTTP/1.1\r\nhost: test\r\n{headers}\r\n");
    stream
        .write_all(&[head.as_bytes(), body].concat())
        .await
        .unwrap();
    Raw(stream)
}

/// A request that was sent by hand. Dropping it gives it up.
pub struct Raw(TcpStream);

/// The connection behind an answer.
pub struct Rest(TcpStream);

impl Rest {
    /// There will be no more on it, not even when the request goes on.
    pub async fn is_closed_by_the_server(&mut self) {
        let mut more = [0; 64];
        match patiently(self.0.read(&mut more)).await {
            Ok(0) => {}
            Ok(_) => panic!("something came behind the answer"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
        }
    }
}

impl Raw {
    /// Its answer: status and body.
    pub async fn answer(self) -> (u16, String) {
        self.answer_and_rest().await.0
    }

    /// Its answer, and the connection, which stays open as far as it is up to this side.
    pub async fn answer_and_rest(mut self) -> ((u16, String), Rest) {
        let mut answer = Vec::new();
        loop {
            let read = patiently(self.0.read_buf(&mut answer)).await.unwrap();
            let text = String::from_utf8_lossy(&answer);
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head.split_once("content-length: ").expect("a length").1;
                let length: usize = length.lines().next().unwrap().parse().unwrap();
                if body.len() == length {
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    return ((status, body.to_owned()), Rest(self.0));
                }
            }
            assert_ne!(read, 0, "the answer broke off: {text:?}");
        }
    }
}
