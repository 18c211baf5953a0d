//! Fuzzes the bytes that a client sends over a WebSocket, as valid frames, arbitrary frames and raw bytes. The session
//! ends when the bytes end.
#![no_main]

use actix_socketio_fuzz::{ClientVersion, FuzzTarget, opened_session, run};
use actix_web::test::TestRequest;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

/// The head of a frame that contains a complete text message.
const TEXT: u8 = 0x81;
/// The head of a frame that contains a complete binary message.
const BINARY: u8 = 0x82;

#[derive(Arbitrary, Debug)]
struct WebSocketInput<'a> {
    version: ClientVersion,
    /// Whether the client requests binary messages in base64.
    base64: bool,
    session: SessionKind,
    chunks: Vec<Chunk<'a>>,
}

/// The session that the WebSocket belongs to.
#[derive(Arbitrary, Debug)]
enum SessionKind {
    EngineIo,
    SocketIo,
    /// A Socket.IO session whose client sends a CONNECT first. In version 3 the server has connected it.
    SocketIoConnected,
    /// An Engine.IO session over polling that the WebSocket upgrades.
    Upgrade {
        /// Whether probe and upgrade packets come first. Otherwise the input decides.
        complete: bool,
    },
}

#[derive(Arbitrary, Debug)]
enum Chunk<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    /// A binary message of version 3, behind the packet's type.
    TypedBinary(&'a [u8]),
    Frame {
        head: u8,
        mask: [u8; 4],
        payload: &'a [u8],
    },
    Raw(&'a [u8]),
}

fuzz_target!(|input: WebSocketInput| {
    run(|target| async move { send_bytes(&target, input).await });
});

async fn send_bytes(target: &FuzzTarget, input: WebSocketInput<'_>) {
    let mut bytes = Vec::new();
    let version = input.version;
    let base64 = if input.base64 { "&b64=1" } else { "" };
    let mut uri = format!("/engine.io/?{}{base64}", version.query("websocket"));
    let mut polling_uri = None;
    match input.session {
        SessionKind::EngineIo => {}
        SessionKind::SocketIo => uri = uri.replace("engine", "socket"),
        SessionKind::SocketIoConnected => {
            uri = uri.replace("engine", "socket");
            match version {
                ClientVersion::Version3 => {}
                ClientVersion::Version4 => write_frame(&mut bytes, TEXT, [0; 4], b"40"),
            }
        }
        SessionKind::Upgrade { complete } => {
            let polling = format!("/engine.io/?{}{base64}", version.query("polling"));
            let open = TestRequest::with_uri(&polling).to_request();
            let open = target.request(open).await;
            let session = opened_session(&open).expect("a valid handshake opens a session");
            uri = format!("{uri}&sid={}", session.sid);
            polling_uri = Some(format!("{polling}&sid={}", session.sid));
            if complete {
                write_frame(&mut bytes, TEXT, [0; 4], b"2probe");
                write_frame(&mut bytes, TEXT, [0; 4], b"5");
            }
        }
    }
    for chunk in input.chunks {
        match chunk {
            Chunk::Text(text) => write_frame(&mut bytes, TEXT, [1, 2, 3, 4], text.as_bytes()),
            Chunk::Binary(binary) => write_frame(&mut bytes, BINARY, [0; 4], binary),
            Chunk::TypedBinary(binary) => {
                write_frame(&mut bytes, BINARY, [0; 4], &[&[4], binary].concat());
            }
            Chunk::Frame {
                head,
                mask,
                payload,
            } => write_frame(&mut bytes, head, mask, payload),
            Chunk::Raw(raw) => bytes.extend(raw),
        }
    }
    let request = TestRequest::with_uri(&uri)
        .insert_header(("connection", "upgrade"))
        .insert_header(("upgrade", "websocket"))
        .insert_header(("sec-websocket-version", "13"))
        .insert_header(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))
        .set_payload(bytes);
    target.request(request.to_request()).await;
    if let Some(uri) = polling_uri {
        let close = TestRequest::post()
            .uri(&uri)
            .set_payload(version.payload("1"));
        target.request(close.to_request()).await;
    }
    target.assert_empty().await;
}

/// Appends a masked frame with the correct length.
fn write_frame(bytes: &mut Vec<u8>, head: u8, mask: [u8; 4], payload: &[u8]) {
    bytes.push(head);
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}
