//! The query of a handshake, compared with the reference implementation. The tables are the answers of the server of the npm package
//! `engine.io` 6.6.12 (`allowEIO3: false`) to the same requests.

use crate::{
    polling_client::{PollingClient, start_request},
    test_server::{TestServer, quiet_config},
    websocket_client::WebSocketClient,
};

/// The answer of the reference implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// A session is opened.
    Opens,
    /// The request is handled by its session.
    Handled,
    /// Status 400 with this code of the protocol's error table.
    Refused(u8),
}

use Answer::{Handled, Opens, Refused};

const TRANSPORT_UNKNOWN: Answer = Refused(0);
const SESSION_UNKNOWN: Answer = Refused(1);
const BAD_METHOD: Answer = Refused(2);
const BAD_REQUEST: Answer = Refused(3);
const UNSUPPORTED_VERSION: Answer = Refused(5);

async fn answer(server: &TestServer, method: &str, query: &str, body: &str) -> Answer {
    let headers = format!("connection: close\r\ncontent-length: {}\r\n", body.len());
    let target = format!("/engine.io/?{query}");
    let request = start_request(server.address, method, &target, &headers, body).await;
    let (status, body) = request.response().await;
    match (status, body.as_str()) {
        (200, "ok") => Handled,
        (200, open) if open.starts_with(r#"0{"sid":""#) => Opens,
        (400, refusal) => {
            let code = refusal
                .strip_prefix(r#"{"code":"#)
                .and_then(|rest| rest.chars().next());
            Refused(code.unwrap().to_digit(10).unwrap() as u8)
        }
        _ => panic!("{query}: {status} {body}"),
    }
}

/// Requests without a session, and the answers of the reference implementation.
const OPENING: [(&str, Answer); 52] = [
    ("EIO=4&transport=polling", Opens),
    ("transport=polling&EIO=4", Opens),
    // Of a repeated parameter, the last value counts.
    ("EIO=4&EIO=4&transport=polling", Opens),
    ("EIO=3&EIO=4&transport=polling", Opens),
    ("EIO=4&EIO=3&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=4&transport=polling&transport=polling", Opens),
    ("EIO=4&transport=websocket&transport=polling", Opens),
    ("EIO=4&transport=polling&transport=websocket", BAD_REQUEST),
    ("EIO=4&transport=polling&transport=", TRANSPORT_UNKNOWN),
    ("EIO=4&transport=polling&transport=x", TRANSPORT_UNKNOWN),
    ("EIO=4&transport=polling&t=1&t=2", Opens),
    // Versions are compared as text, after decoding.
    ("EIO=%34&transport=polling", Opens),
    ("E%49O=4&transport=polling", Opens),
    ("EIO=04&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=4.0&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=+4&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=4+&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=&transport=polling", UNSUPPORTED_VERSION),
    ("EIO&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=5&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=3&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=2&transport=polling", UNSUPPORTED_VERSION),
    ("eio=4&transport=polling", UNSUPPORTED_VERSION),
    ("EIO%3D4&transport=polling", UNSUPPORTED_VERSION),
    ("?EIO=4&transport=polling", UNSUPPORTED_VERSION),
    ("EIO=4&tr%61nsport=p%6flling", Opens),
    ("EIO=4&transport", TRANSPORT_UNKNOWN),
    ("EIO=4&transport=", TRANSPORT_UNKNOWN),
    ("EIO=4&Transport=polling", TRANSPORT_UNKNOWN),
    ("EIO=4&transport=Polling", TRANSPORT_UNKNOWN),
    ("EIO=4&transport=polling%00", TRANSPORT_UNKNOWN),
    ("EIO=4&transport=webtransport", TRANSPORT_UNKNOWN),
    ("EIO=4&transport=flashsocket", TRANSPORT_UNKNOWN),
    ("EIO=4;transport=polling", TRANSPORT_UNKNOWN),
    ("", TRANSPORT_UNKNOWN),
    // Unknown parameters are ignored, whatever they are.
    ("EIO=4&transport=polling&t=", Opens),
    ("EIO=4&transport=polling&b64=1", Opens),
    ("EIO=4&transport=polling&b64=0", Opens),
    ("EIO=4&transport=polling&foo=bar&foo=baz&a[b]=c", Opens),
    ("EIO=4&transport=polling&token=%", Opens),
    ("EIO=4&transport=polling&token=%zz", Opens),
    ("EIO=4&transport=polling&token=%ff", Opens),
    ("EIO=4&transport=polling&%ff=%ff", Opens),
    ("EIO=4&transport=polling&=", Opens),
    ("&&EIO=4&&transport=polling&", Opens),
    ("EIO=4&transport=polling#x", Opens),
    // An empty `sid` names no session.
    ("EIO=4&transport=polling&sid", Opens),
    ("EIO=4&transport=polling&sid=", Opens),
    ("EIO=4&transport=polling&sid=&sid=", Opens),
    ("EIO=4&transport=polling&sid=x&sid=", Opens),
    ("EIO=4&transport=polling&sid=&sid=x", SESSION_UNKNOWN),
    ("EIO=4&transport=polling&sid=x&sid=y", SESSION_UNKNOWN),
];

#[actix_web::test]
async fn query_of_a_handshake_is_read_as_the_reference_implementation_reads_it() {
    let server = TestServer::start_echo(quiet_config());
    for (query, expected) in OPENING {
        assert_eq!(answer(&server, "GET", query, "").await, expected, "{query}");
    }
}

/// The one deliberate difference: the reference implementation answers with a script (`___eio[0]("…")`), which the pages of any origin
/// can read, because scripts are requested without an `Origin`. Clients of version 4 do not request it.
#[actix_web::test]
async fn parameter_for_jsonp_is_ignored() {
    let server = TestServer::start_echo(quiet_config());
    for query in ["EIO=4&transport=polling&j=0", "EIO=4&transport=polling&j="] {
        assert_eq!(answer(&server, "GET", query, "").await, Opens, "{query}");
    }
}

/// POSTs of a packet by a session whose id replaces `SID`, and the answers of the reference implementation.
const OF_A_SESSION: [(&str, Answer); 13] = [
    ("EIO=4&transport=polling&sid=SID", Handled),
    ("sid=SID&transport=polling&EIO=4&t=x&foo=1", Handled),
    ("EIO=4&transport=polling&sid=x&sid=SID", Handled),
    ("EIO=4&transport=polling&sid=SID&sid=SID", Handled),
    ("EIO=4&transport=polling&sid=SID&sid=x", SESSION_UNKNOWN),
    ("EIO=4&transport=polling&sid=SID&sid=", BAD_METHOD),
    ("EIO=4&transport=polling&sid=SID%20", SESSION_UNKNOWN),
    ("EIO=4&transport=polling&sid=+SID", SESSION_UNKNOWN),
    ("EIO=3&EIO=4&transport=polling&sid=SID", Handled),
    // A session keeps its protocol version.
    ("EIO=4&EIO=3&transport=polling&sid=SID", BAD_REQUEST),
    ("EIO=3&transport=polling&sid=SID", BAD_REQUEST),
    ("transport=polling&sid=SID", BAD_REQUEST),
    ("EIO=4&transport=websocket&sid=SID", BAD_REQUEST),
];

#[actix_web::test]
async fn query_that_names_a_session_is_read_as_the_reference_implementation_reads_it() {
    let server = TestServer::start_echo(quiet_config());
    for (query, expected) in OF_A_SESSION {
        let client = PollingClient::open_engineio(&server).await;
        let named = query.replace("SID", &client.sid);
        assert_eq!(
            answer(&server, "POST", &named, "4a").await,
            expected,
            "{query}"
        );
        // A refused request does not end the session.
        client.post_ok("4b").await;
    }
}

/// The `b64` of the client's option `forceBase64`: any value but an empty one.
#[actix_web::test]
async fn binary_messages_are_base64_text_on_a_websocket_that_requests_it() {
    let server = TestServer::start_echo(quiet_config());
    for (query, expected) in [("b64=1", "bAQIDBA=="), ("b64=0", "bAQIDBA==")] {
        let target = format!("/engine.io/?EIO=4&transport=websocket&{query}");
        let mut client = WebSocketClient::connect(server.address, &target).await;
        assert!(client.recv_text().await.starts_with("0{"));
        client.send_text("bAQIDBA==").await;
        assert_eq!(client.recv_text().await, expected, "{query}");
    }
    for query in ["b64=", "b64", "t=1"] {
        let target = format!("/engine.io/?EIO=4&transport=websocket&{query}");
        let mut client = WebSocketClient::connect(server.address, &target).await;
        assert!(client.recv_text().await.starts_with("0{"));
        client.send_text("bAQIDBA==").await;
        assert_eq!(client.recv_binary().await.as_ref(), [1, 2, 3, 4], "{query}");
    }
}

/// Each transport of a session has an encoding of its own.
#[actix_web::test]
async fn binary_messages_are_base64_text_after_an_upgrade_that_requests_it() {
    let server = TestServer::start_echo(quiet_config());
    let client = PollingClient::open_engineio(&server).await;
    let target = format!(
        "/engine.io/?EIO=4&transport=websocket&b64=1&sid={}",
        client.sid
    );
    let mut websocket = WebSocketClient::connect(server.address, &target).await;
    websocket.send_text("2probe").await;
    assert_eq!(websocket.recv_text().await, "3probe");
    websocket.send_text("5").await;
    websocket.send_text("bAQIDBA==").await;
    assert_eq!(websocket.recv_text().await, "bAQIDBA==");
}
