//! Requests of any kind: none of them leaves anything but a session that polls, which its client then closes.
#![no_main]

use actix_web::{http::Method, test::TestRequest};
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vaultcast_fuzz::{Target, with_target};

#[derive(Arbitrary, Debug)]
struct Asked<'a> {
    method: u8,
    socketio: bool,
    /// Part of the query that is well, so that what comes behind it is reached.
    well: u8,
    query: &'a str,
    headers: Vec<(u8, &'a str)>,
    body: &'a [u8],
}

const METHODS: [Method; 5] = [
    Method::GET,
    Method::POST,
    Method::PUT,
    Method::OPTIONS,
    Method::HEAD,
];
const WELL: [&str; 5] = [
    "",
    "EIO=4&",
    "EIO=4&transport=polling&",
    "EIO=4&transport=websocket&",
    "EIO=4&transport=polling&sid=",
];
const HEADERS: [(&str, &str); 6] = [
    ("connection", "upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("content-type", "application/octet-stream"),
    ("origin", "null"),
];

fuzz_target!(|asked: Asked| {
    with_target(|target| async move { ask(&target, asked).await });
});

async fn ask(target: &Target, asked: Asked<'_>) {
    let path = if asked.socketio {
        "/socket.io/"
    } else {
        "/engine.io/"
    };
    let well = WELL[asked.well as usize % WELL.len()];
    let uri = format!("{path}?{well}{}", asked.query);
    let Ok(uri) = uri.parse::<actix_web::http::Uri>() else {
        return;
    };
    let method = METHODS[asked.method as usize % METHODS.len()].clone();
    let mut request = TestRequest::with_uri(&uri.to_string()).method(method);
    for (which, value) in asked.headers {
        let (name, well) = HEADERS[which as usize % HEADERS.len()];
        let value = if value.is_empty() { well } else { value };
        if actix_web::http::header::HeaderValue::from_str(value).is_ok() {
            request = request.append_header((name, value));
        }
    }
    let request = request.set_payload(asked.body.to_vec()).to_request();
    let heard = target.hear(request).await;
    if let Some(sid) = sid(&heard) {
        let uri = format!("/engine.io/?EIO=4&transport=polling&sid={sid}");
        let close = TestRequest::post().uri(&uri).set_payload("1");
        target.hear(close.to_request()).await;
    }
    target.is_empty().await;
}

fn sid(open: &[u8]) -> Option<&str> {
    let rest = std::str::from_utf8(open)
        .ok()?
        .strip_prefix(r#"0{"sid":""#)?;
    rest.split('"').next()
}
