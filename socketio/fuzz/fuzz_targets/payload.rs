//! Fuzzes the POST requests of an open session. Whatever they contain, the session can be closed afterwards or is closed
//! already.
#![no_main]

use actix_socketio_fuzz::{FuzzTarget, run, session_id};
use actix_web::test::TestRequest;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct PayloadInput<'a> {
    socketio: bool,
    /// Whether the client sends a CONNECT first.
    connect: bool,
    payloads: Vec<&'a [u8]>,
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
    let open = TestRequest::with_uri(&format!("{path}?EIO=4&transport=polling"));
    let open = target.request(open.to_request()).await;
    let sid = session_id(&open).expect("a valid handshake opens a session");
    let uri = format!("{path}?EIO=4&transport=polling&sid={sid}");

    if input.connect {
        let connect = TestRequest::post().uri(&uri).set_payload("40");
        target.request(connect.to_request()).await;
    }
    for payload in input.payloads {
        let request = TestRequest::post().uri(&uri).set_payload(payload.to_vec());
        target.request(request.to_request()).await;
    }
    // The poll runs beside the close and receives what is still queued.
    let poll = target.request(TestRequest::with_uri(&uri).to_request());
    let close = async {
        let close = TestRequest::post().uri(&uri).set_payload("1");
        target.request(close.to_request()).await;
        let poll = TestRequest::with_uri(&uri).to_request();
        target.request(poll).await;
    };
    futures_util::join!(poll, close);
    target.assert_empty().await;
}
