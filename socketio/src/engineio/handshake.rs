//! Reads the operation that an HTTP request names. Its query contains the protocol version (`EIO`), the `transport`, and the `sid` of
//! an existing session. The checks have the order of the protocol's reference implementation, so that a request with
//! several faults gets the same error.

use actix_web::{HttpRequest, http::Method};
use engineioxide_core::{ProtocolVersion, Sid, TransportType};
use tracing::{Span, field::display};

use super::{
    address::SessionAddress,
    alias::SessionAlias,
    config::EngineConfig,
    error::HandshakeError,
    frame::BinaryEncoding,
    query::HandshakeQuery,
    registry::{FoundSession, SessionRegistry},
    transport::websocket::upgrade_request::is_upgrade,
};

/// The operation that a request names.
pub(super) enum HandshakeRequest {
    /// Open a new session.
    Open(HandshakeParams),
    /// Return the frames that are queued for this session.
    Poll(SessionAddress),
    /// Deliver packets to this session.
    Post(SessionAddress, ProtocolVersion),
    /// Upgrade this session to a websocket.
    Upgrade(SessionAddress, BinaryEncoding),
}

/// The parameters that client and server agree on when a session opens.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandshakeParams {
    /// The protocol version of the client.
    pub(super) version: ProtocolVersion,
    /// The first transport of the session.
    pub(super) transport: TransportType,
    /// How the transport sends binary messages.
    pub(super) binary: BinaryEncoding,
}

/// Returns the operation that `request` names.
pub(super) fn parse(
    request: &HttpRequest,
    config: &EngineConfig,
    registry: &SessionRegistry,
) -> Result<HandshakeRequest, HandshakeError> {
    let query = HandshakeQuery::parse(request.query_string());
    let transport: TransportType = query
        .transport
        .parse()
        .map_err(|_| HandshakeError::TransportUnknown)?;
    if transport == TransportType::Polling && is_upgrade(request) {
        return Err(HandshakeError::BadRequest);
    }
    let requested = parse_version(&query.version, config);
    if !query.sid.is_empty() {
        let sid = query.sid.parse::<Sid>().ok();
        if let Some(sid) = sid {
            Span::current().record("session.sid", display(SessionAlias::from_sid(sid)));
        }
        let session = sid.and_then(|sid| registry.find(sid));
        let session = session.ok_or(HandshakeError::SessionUnknown)?;
        let FoundSession { address, version } = session;
        // A session keeps its version.
        if requested != Ok(version) {
            return Err(HandshakeError::BadRequest);
        }
        return match (transport, request.method()) {
            (TransportType::Websocket, _) => {
                let binary = query.binary.in_version(version);
                Ok(HandshakeRequest::Upgrade(address, binary))
            }
            (TransportType::Polling, &Method::GET) => Ok(HandshakeRequest::Poll(address)),
            (TransportType::Polling, &Method::POST) => Ok(HandshakeRequest::Post(address, version)),
            (TransportType::Polling, _) => Err(HandshakeError::BadRequest),
        };
    }
    if request.method() != Method::GET {
        return Err(HandshakeError::BadMethod);
    }
    let version = requested?;
    Ok(HandshakeRequest::Open(HandshakeParams {
        version,
        transport,
        binary: query.binary.in_version(version),
    }))
}

/// Returns the requested protocol version if it is supported.
fn parse_version(
    requested: &str,
    config: &EngineConfig,
) -> Result<ProtocolVersion, HandshakeError> {
    match requested {
        "4" => Ok(ProtocolVersion::V4),
        "3" if config.allow_eio3 => Ok(ProtocolVersion::V3),
        "3" => Err(HandshakeError::Version3NotAllowed),
        _ => Err(HandshakeError::UnsupportedVersion),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn error_of(request: TestRequest) -> Option<HandshakeError> {
        error_with(&EngineConfig::default(), request)
    }

    fn error_with(config: &EngineConfig, request: TestRequest) -> Option<HandshakeError> {
        let registry = SessionRegistry::default();
        parse(&request.to_http_request(), config, &registry).err()
    }

    fn get(query: &str) -> TestRequest {
        TestRequest::with_uri(&format!("/?{query}"))
    }

    #[test]
    fn both_transports_of_version_four_open_a_session() {
        assert_eq!(error_of(get("EIO=4&transport=websocket")), None);
        assert_eq!(error_of(get("EIO=4&transport=polling&t=abc&sid=")), None);
    }

    #[test]
    fn version_three_opens_a_session_only_if_it_is_allowed() {
        let config = EngineConfig {
            allow_eio3: true,
            ..EngineConfig::default()
        };
        let unsupported = Some(HandshakeError::UnsupportedVersion);
        for (version, error) in [
            ("EIO=3", None),
            ("EIO=4", None),
            ("EIO=2", unsupported),
            ("EIO=5", unsupported),
            ("EIO=", unsupported),
            ("b64=1", unsupported),
        ] {
            let request = || get(&format!("{version}&transport=polling"));
            assert_eq!(error_with(&config, request()), error, "{version}");
        }
        let refused = error_of(get("EIO=3&transport=websocket"));
        assert_eq!(refused, Some(HandshakeError::Version3NotAllowed));
    }

    #[test]
    fn each_fault_has_its_error_code() {
        use HandshakeError::*;
        for (query, error) in [
            ("EIO=4", TransportUnknown),
            ("EIO=4&transport=__proto__", TransportUnknown),
            ("EIO=4&transport=websocket&sid=abc", SessionUnknown),
            ("EIO=4&transport=polling&sid=abc", SessionUnknown),
            ("transport=websocket", UnsupportedVersion),
            ("EIO=5&transport=polling", UnsupportedVersion),
            ("EIO=03&transport=polling", UnsupportedVersion),
            ("EIO=3&transport=polling", Version3NotAllowed),
            ("EIO=4&EIO=3&transport=websocket", Version3NotAllowed),
            ("EIO=4&transport=polling&sid=&sid=b", SessionUnknown),
        ] {
            assert_eq!(error_of(get(query)), Some(error), "{query}");
        }
        let post = TestRequest::post().uri("/?EIO=4&transport=polling");
        assert_eq!(error_of(post), Some(BadMethod));
    }
}
