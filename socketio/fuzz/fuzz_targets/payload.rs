//! Fuzzes the POST requests of an open session. Whatever they contain, the session can be closed afterwards or is closed
//! already.
#![no_main]

use actix_socketio_fuzz::{ClientVersion, FuzzTarget, opened_session, run};
use actix_web::test::TestRequest;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct PayloadInput<'a> {
    version: ClientVersion,
    socketio: bool,
    /// Whether the client sends a CONNECT first. In version 3 the server connects it.
    connect: bool,
    /// Whether the client requests binary messages in base64.
    base64: bool,
    payloads: Vec<PayloadBody<'a>>,
}

#[derive(Arbitrary, Debug)]
enum PayloadBody<'a> {
    Text(&'a [u8]),
    /// A body with the content type of a binary payload. Only version 3 has those.
    Binary(&'a [u8]),
    /// One packet, behind its length in version 3.
    Packet(&'a str),
    /// One packet of a binary payload, behind its kind and its length.
    BinaryPacket {
        kind: u8,
        packet: &'a [u8],
    },
}

impl PayloadBody<'_> {
    /// Returns the request that posts this payload.
    fn request(self, uri: &str, version: ClientVersion) -> TestRequest {
        let request = TestRequest::post().uri(uri);
        let binary = ("content-type", "application/octet-stream");
        match self {
            Self::Text(bytes) => request.set_payload(bytes.to_vec()),
            Self::Binary(bytes) => request.append_header(binary).set_payload(bytes.to_vec()),
            Self::Packet(packet) => request.set_payload(version.payload(packet)),
            Self::BinaryPacket { kind, packet } => {
                let length = packet.len().to_string();
                let digits: Vec<u8> = length.bytes().map(|digit| digit - b'0').collect();
                let payload = [&[kind], &digits[..], &[0xff], packet].concat();
                request.append_header(binary).set_payload(payload)
            }
        }
    }
}

fuzz_target!(|input: PayloadInput| {
    run(|target| async move { send_payloads(&target, input).await });
});

async fn send_payloads(target: &FuzzTarget, input: PayloadInput<'_>) {
    let path = if input.socketio {
        "/socket.io/"
    } else {
        "/engine.io/"
    };
    let version = input.version;
    let base64 = if input.base64 { "&b64=1" } else { "" };
    let uri = format!("{path}?{}{base64}", version.query("polling"));
    let open = target
        .request(TestRequest::with_uri(&uri).to_request())
        .await;
    let session = opened_session(&open).expect("a valid handshake opens a session");
    let uri = format!("{uri}&sid={}", session.sid);

    match version {
        ClientVersion::Version3 => {}
        ClientVersion::Version4 if input.connect => {
            let connect = TestRequest::post().uri(&uri).set_payload("40");
            target.request(connect.to_request()).await;
        }
        ClientVersion::Version4 => {}
    }
    for payload in input.payloads {
        let request = payload.request(&uri, version);
        target.request(request.to_request()).await;
    }
    // The poll runs beside the close and receives what is still queued.
    let poll = target.request(TestRequest::with_uri(&uri).to_request());
    let close = async {
        let close = TestRequest::post()
            .uri(&uri)
            .set_payload(version.payload("1"));
        target.request(close.to_request()).await;
        let poll = TestRequest::with_uri(&uri).to_request();
        target.request(poll).await;
    };
    futures_util::join!(poll, close);
    target.assert_empty().await;
}
