//! The first request of a session. Its query says what the client asks for: `EIO`, the version of the protocol,
//! `transport`, and `sid` where it means a session that exists. The checks stand in the order of the protocol's
//! reference implementation, so that a request with several faults is told of the same one.

use actix_web::{HttpRequest, http::Method, web};
use engineioxide_core::Sid;
use serde::Deserialize;

use super::{error::HandshakeError, sessions::Sessions};

#[derive(Deserialize)]
struct Query {
    #[serde(rename = "EIO")]
    version: Option<String>,
    transport: Option<String>,
    sid: Option<String>,
}

/// Whether `request` asks for a new session over a websocket, or what is wrong with it.
pub(super) fn check(request: &HttpRequest, sessions: &Sessions) -> Result<(), HandshakeError> {
    let web::Query(query) = web::Query::<Query>::from_query(request.query_string())
        .map_err(|_| HandshakeError::BadRequest)?;
    if query.transport.as_deref() != Some("websocket") {
        return Err(HandshakeError::TransportUnknown);
    }
    if let Some(sid) = query.sid {
        // A session that began as a websocket has nothing to upgrade to: even a known one is a bad request.
        let known = sid.parse::<Sid>().is_ok_and(|sid| sessions.contains(sid));
        return Err(match known {
            true => HandshakeError::BadRequest,
            false => HandshakeError::SessionUnknown,
        });
    }
    if request.method() != Method::GET {
        return Err(HandshakeError::BadMethod);
    }
    if query.version.as_deref() != Some("4") {
        return Err(HandshakeError::UnsupportedVersion);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn checked(uri: &str) -> Result<(), HandshakeError> {
        check(
            &TestRequest::with_uri(uri).to_http_request(),
            &Sessions::default(),
        )
    }

    #[test]
    fn a_websocket_of_version_four_may_open() {
        assert_eq!(checked("/?EIO=4&transport=websocket"), Ok(()));
    }

    #[test]
    fn each_fault_has_its_entry_in_the_error_table() {
        use HandshakeError::*;
        assert_eq!(checked("/?EIO=4&transport=polling"), Err(TransportUnknown));
        assert_eq!(checked("/?EIO=4"), Err(TransportUnknown));
        assert_eq!(
            checked("/?EIO=4&transport=websocket&sid=abc"),
            Err(SessionUnknown)
        );
        assert_eq!(checked("/?transport=websocket"), Err(UnsupportedVersion));
        assert_eq!(
            checked("/?EIO=3&transport=websocket"),
            Err(UnsupportedVersion)
        );
        assert_eq!(
            checked("/?EIO=4&EIO=4&transport=websocket"),
            Err(BadRequest)
        );
        let posted = TestRequest::post()
            .uri("/?EIO=4&transport=websocket")
            .to_http_request();
        assert_eq!(check(&posted, &Sessions::default()), Err(BadMethod));
    }
}
