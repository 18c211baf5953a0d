//! Fuzzes HTTP requests of any kind. The only session that a request may leave open is one over polling, which the target
//! then closes.
#![no_main]

use actix_socketio_fuzz::{FuzzTarget, opened_session, run};
use actix_web::{
    http::{Method, Uri, header::HeaderValue},
    test::TestRequest,
};
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct HandshakeInput<'a> {
    method: u8,
    socketio: bool,
    /// The index of a valid start of the query, so that the code behind it is reached.
    query_prefix: u8,
    query: &'a str,
    headers: Vec<HeaderInput<'a>>,
    body: &'a [u8],
}

#[derive(Arbitrary, Debug)]
struct HeaderInput<'a> {
    /// The index of a header in `HEADERS`.
    header: u8,
    /// The value; if it is empty, the valid value of the header is sent.
    value: &'a str,
}

const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::OPTIONS,
    Method::HEAD,
];
const QUERY_PREFIXES: [&str; 9] = [
    "",
    "EIO=4&",
    "EIO=4&transport=polling&",
    "EIO=4&transport=websocket&",
    "EIO=4&transport=polling&sid=",
    "EIO=3&transport=polling&",
    "EIO=3&transport=polling&b64=1&",
    "EIO=3&transport=websocket&",
    "EIO=3&transport=polling&sid=",
];
/// Headers with a valid value each.
const HEADERS: [(&str, &str); 6] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("content-type", "application/octet-stream"),
    ("origin", "null"),
];

fuzz_target!(|input: HandshakeInput| {
    run(|target| async move { send_request(&target, input).await });
});

async fn send_request(target: &FuzzTarget, input: HandshakeInput<'_>) {
    let path = if input.socketio {
        "/socket.io/"
    } else {
        "/engine.io/"
    };
    let prefix = QUERY_PREFIXES[input.query_prefix as usize % QUERY_PREFIXES.len()];
    let uri = format!("{path}?{prefix}{}", input.query);
    let Ok(uri) = uri.parse::<Uri>() else {
        return;
    };
    let method = METHODS[input.method as usize % METHODS.len()].clone();
    let mut request = TestRequest::with_uri(&uri.to_string()).method(method);
    for HeaderInput { header, value } in input.headers {
        let (name, valid) = HEADERS[header as usize % HEADERS.len()];
        let value = if value.is_empty() { valid } else { value };
        if HeaderValue::from_str(value).is_ok() {
            request = request.append_header((name, value));
        }
    }
    let request = request.set_payload(input.body.to_vec()).to_request();
    let response = target.request(request).await;
    if let Some(session) = opened_session(&response) {
        let query = session.version.query("polling");
        let uri = format!("/engine.io/?{query}&sid={}", session.sid);
        let payload = session.version.payload("1");
        let close = TestRequest::post().uri(&uri).set_payload(payload);
        target.request(close.to_request()).await;
    }
    target.assert_empty().await;
}
