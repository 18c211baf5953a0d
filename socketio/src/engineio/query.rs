//! The query of an Engine.IO request. It is read as the reference implementation reads it: by the URL standard's
//! `URLSearchParams`. Of a repeated parameter the last value counts, unknown parameters are ignored, and invalid escapes are
//! text.

use super::frame::BinaryEncoding;

/// The parameters of a request that the protocol knows. An absent parameter is empty.
///
/// The parameter `j` of the reference implementation (JSONP) is ignored: pages of any origin can read such an answer.
#[derive(Debug, Default)]
pub(super) struct HandshakeQuery {
    /// `EIO`: the protocol version of the client.
    pub(super) version: String,
    pub(super) transport: String,
    /// The id of an existing session.
    pub(super) sid: String,
    /// `b64`, which any value sets.
    pub(super) binary: BinaryEncoding,
}

impl HandshakeQuery {
    /// Reads a query, without the question mark.
    pub(super) fn parse(query: &str) -> Self {
        let mut parsed = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match name.as_ref() {
                "EIO" => parsed.version = value.into_owned(),
                "transport" => parsed.transport = value.into_owned(),
                "sid" => parsed.sid = value.into_owned(),
                "b64" if value.is_empty() => parsed.binary = BinaryEncoding::Frames,
                "b64" => parsed.binary = BinaryEncoding::Base64,
                _unknown => {}
            }
        }
        parsed
    }
}
