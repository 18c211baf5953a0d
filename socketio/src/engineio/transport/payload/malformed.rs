//! What makes a payload malformed, in every version.

/// The most packets in one payload; each is a message to the session. The official clients send far fewer.
pub(super) const MAX_PACKETS: usize = 16_384;

/// Why a payload is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engineio) enum MalformedPayload {
    NotUtf8,
    TooManyPackets,
    /// A length is not a number, or is not the length of its packet. Only version 3 has lengths.
    InvalidLength,
}
