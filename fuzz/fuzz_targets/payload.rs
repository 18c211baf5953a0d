//! Posts to an open session. Whatever they bring, the session can still be closed, or is closed already.
#![no_main]

use actix_web::test::TestRequest;
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use vaultcast_fuzz::{Target, with_target};

#[derive(Arbitrary, Debug)]
struct Posted<'a> {
    socketio: bool,
    joined: bool,
    payloads: Vec<&'a [u8]>,
}

fuzz_target!(|posted: Posted| {
    with_target(|target| async move { post(&target, posted).await });
});

async fn post(target: &Target, posted: Posted<'_>) {
    let path = if posted.socketio {
        "/socket.io/"
    } else {
        "/engine.io/"
    };
    let open = TestRequest::with_uri(&format!("{path}?EIO=4&transport=polling"));
    let open = target.hear(open.to_request()).await;
    let open = std::str::from_utf8(&open).expect("it is text");
    let sid = open.split('"').nth(3).expect("it begins with its id");
    let uri = format!("{path}?EIO=4&transport=polling&sid={sid}");

    if posted.joined {
        let connect = TestRequest::post().uri(&uri).set_payload("40");
        target.hear(connect.to_request()).await;
    }
    for payload in posted.payloads {
        let request = TestRequest::post().uri(&uri).set_payload(payload.to_vec());
        target.hear(request.to_request()).await;
    }
    // A poll that closes with the session brings everything that still waits.
    let poll = target.hear(TestRequest::with_uri(&uri).to_request());
    let close = async {
        let close = TestRequest::post().uri(&uri).set_payload("1");
        target.hear(close.to_request()).await;
        target.hear(TestRequest::with_uri(&uri).to_request()).await;
    };
    futures_util::join!(poll, close);
    target.is_empty().await;
}
