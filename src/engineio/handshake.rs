//! What a request asks for. Its query says so: `EIO`, the version of the protocol, `transport`, and `sid` where it
//! means a session that exists. The checks stand in the order of the protocol's reference implementation, so that a
//! request with several faults is told of the same one.

use actix::Addr;
use actix_web::{HttpRequest, http::Method, web};
use engineioxide_core::{ProtocolVersion, Sid, TransportType};
use serde::Deserialize;
use tracing::{Span, field::display};

use super::{alias::Alias, error::HandshakeError, session::Session, sessions::Sessions};

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "EIO")]
    version: Option<String>,
    transport: Option<String>,
    sid: Option<String>,
}

/// What a request asks for.
pub(super) enum Wish {
    /// A new session.
    Open(Terms),
    /// An answer with what waits for this session.
    Poll(Addr<Session>),
    /// To bring this session packets.
    Post(Addr<Session>),
    /// To carry this session by a websocket.
    Upgrade(Addr<Session>),
}

/// What client and server agree on when a session opens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The version of the protocol that the client speaks.
    pub(super) version: ProtocolVersion,
    /// What carries the session at first.
    pub(super) transport: TransportType,
}

/// What `request` asks for, or what is wrong with it.
pub(super) fn read(request: &HttpRequest, sessions: &Sessions) -> Result<Wish, HandshakeError> {
    let web::Query(query) = web::Query::<Query>::from_query(request.query_string())
        .map_err(|_| HandshakeError::BadRequest)?;
    let transport = query.transport.as_deref().unwrap_or_default();
    let transport: TransportType = transport
        .parse()
        .map_err(|_| HandshakeError::TransportUnknown)?;
    if let Some(sid) = query.sid.filter(|sid| !sid.is_empty()) {
        let sid = sid.parse::<Sid>().ok();
        if let Some(sid) = sid {
            Span::current().record("session.sid", display(Alias::of(sid)));
        }
        let session = sid.and_then(|sid| sessions.find(sid));
        let session = session.ok_or(HandshakeError::SessionUnknown)?;
        return match (transport, request.method()) {
            (TransportType::Websocket, _) => Ok(Wish::Upgrade(session)),
            (TransportType::Polling, &Method::GET) => Ok(Wish::Poll(session)),
            (TransportType::Polling, &Method::POST) => Ok(Wish::Post(session)),
            (TransportType::Polling, _) => Err(HandshakeError::BadRequest),
        };
    }
    if request.method() != Method::GET {
        return Err(HandshakeError::BadMethod);
    }
    let version = version(query.version.as_deref())?;
    Ok(Wish::Open(Terms { version, transport }))
}

/// The version that is asked for, if it is one that is spoken here.
fn version(asked: Option<&str>) -> Result<ProtocolVersion, HandshakeError> {
    match asked {
        Some("4") => Ok(ProtocolVersion::V4),
        Some(_) | None => Err(HandshakeError::UnsupportedVersion),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn refusal(request: TestRequest) -> Option<HandshakeError> {
        read(&request.to_http_request(), &Sessions::default()).err()
    }

    fn get(query: &str) -> TestRequest {
        TestRequest::with_uri(&format!("/?{query}"))
    }

    #[test]
    fn either_transport_of_version_four_may_open_a_session() {
        assert_eq!(refusal(get("EIO=4&transport=websocket")), None);
        assert_eq!(refusal(get("EIO=4&transport=polling&t=abc&sid=")), None);
    }

    #[test]
    fn each_fault_has_its_entry_in_the_error_table() {
        use HandshakeError::*;
        for (query, error) in [
            ("EIO=4", TransportUnknown),
            ("EIO=4&transport=__proto__", TransportUnknown),
            ("EIO=4&transport=websocket&sid=abc", SessionUnknown),
            ("EIO=4&transport=polling&sid=abc", SessionUnknown),
            ("transport=websocket", UnsupportedVersion),
            ("EIO=3&transport=polling", UnsupportedVersion),
            ("EIO=4&EIO=4&transport=websocket", BadRequest),
            ("EIO=4&transport=polling&sid=a&sid=b", BadRequest),
        ] {
            assert_eq!(refusal(get(query)), Some(error), "{query}");
        }
        let posted = TestRequest::post().uri("/?EIO=4&transport=polling");
        assert_eq!(refusal(posted), Some(BadMethod));
    }
}
