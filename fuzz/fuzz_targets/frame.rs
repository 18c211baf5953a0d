//! A websocket's bytes, in frames that are well or raw. When they end the session does.
#![no_main]

use actix_web::test::TestRequest;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vaultcast_fuzz::{Target, with_target};

#[derive(Arbitrary, Debug)]
struct Sent<'a> {
    way: Way,
    pieces: Vec<Piece<'a>>,
}

/// How the session came to its websocket.
#[derive(Arbitrary, Debug)]
enum Way {
    Engine,
    SocketIo,
    Joined,
    /// By an upgrade, which probes and takes over or leaves that to the input.
    Upgrade {
        probed: bool,
    },
}

#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Frame {
        head: u8,
        mask: [u8; 4],
        payload: &'a [u8],
    },
    Raw(&'a [u8]),
}

fuzz_target!(|sent: Sent| {
    with_target(|target| async move { send(&target, sent).await });
});

async fn send(target: &Target, sent: Sent<'_>) {
    let mut bytes = Vec::new();
    let mut uri = "/engine.io/?EIO=4&transport=websocket".to_owned();
    let mut polling = None;
    match sent.way {
        Way::Engine => {}
        Way::SocketIo => uri = uri.replace("engine", "socket"),
        Way::Joined => {
            uri = uri.replace("engine", "socket");
            frame(&mut bytes, 0x81, [0; 4], b"40");
        }
        Way::Upgrade { probed } => {
            let open = TestRequest::with_uri("/engine.io/?EIO=4&transport=polling");
            let open = target.hear(open.to_request()).await;
            let open = std::str::from_utf8(&open).expect("it is text");
            let sid = open.split('"').nth(3).expect("it begins with its id");
            uri = format!("{uri}&sid={sid}");
            polling = Some(format!("/engine.io/?EIO=4&transport=polling&sid={sid}"));
            if probed {
                frame(&mut bytes, 0x81, [0; 4], b"2probe");
                frame(&mut bytes, 0x81, [0; 4], b"5");
            }
        }
    }
    for piece in sent.pieces {
        match piece {
            Piece::Text(text) => frame(&mut bytes, 0x81, [1, 2, 3, 4], text.as_bytes()),
            Piece::Binary(binary) => frame(&mut bytes, 0x82, [0; 4], binary),
            Piece::Frame {
                head,
                mask,
                payload,
            } => frame(&mut bytes, head, mask, payload),
            Piece::Raw(raw) => bytes.extend(raw),
        }
    }
    let request = TestRequest::with_uri(&uri)
        .insert_header(("connection", "upgrade"))
        .insert_header(("upgrade", "websocket"))
        .insert_header(("sec-websocket-version", "13"))
        .insert_header(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))
        .set_payload(bytes);
    target.hear(request.to_request()).await;
    if let Some(polling) = polling {
        let close = TestRequest::post().uri(&polling).set_payload("1");
        target.hear(close.to_request()).await;
    }
    target.is_empty().await;
}

/// A frame of a client: masked, and of the length that it says.
fn frame(into: &mut Vec<u8>, head: u8, mask: [u8; 4], payload: &[u8]) {
    into.push(head);
    match payload.len() {
        short @ 0..126 => into.push(0x80 | short as u8),
        long => {
            into.push(0x80 | 127);
            into.extend((long as u64).to_be_bytes());
        }
    }
    into.extend(mask);
    into.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
}
