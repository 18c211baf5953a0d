//! A packet as a transport has received it.

use bytes::Bytes;
use engineioxide_core::{Packet, ProtocolVersion, Str};

use super::frame::untyped;

/// A packet of the client that is not decoded yet.
pub(super) enum EncodedPacket {
    /// A text packet with its type.
    Text(Str),
    /// A binary message, which begins with its type in version 3.
    Binary(Bytes),
    /// The size of a frame without a packet, such as a websocket ping. It is only counted.
    Counted(usize),
}

impl EncodedPacket {
    /// Returns the packet, or `None` if it is malformed in this protocol version.
    pub(super) fn decode(self, version: ProtocolVersion) -> Option<Packet> {
        match self {
            Self::Text(text) => Packet::parse(version, text).ok(),
            Self::Binary(bytes) => match version {
                ProtocolVersion::V4 => Some(Packet::Binary(bytes)),
                ProtocolVersion::V3 => untyped(&bytes).map(Packet::BinaryV3),
            },
            Self::Counted(_) => Some(Packet::Noop),
        }
    }

    /// Returns the size in bytes.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
            Self::Counted(bytes) => *bytes,
        }
    }
}
