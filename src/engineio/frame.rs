//! What leaves through an outbox: an encoded Engine.IO packet, whose bytes any number of sockets share.

use bytes::Bytes;
use bytestring::ByteString;
use engineioxide_core::Packet;

/// One encoded Engine.IO packet. A clone shares the bytes, so a broadcast is encoded once.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A packet as text: its type, a digit, and what follows.
    Text(ByteString),
    /// A binary message; it has no type, for nothing else is binary.
    Binary(Bytes),
}

impl Frame {
    /// A text message.
    pub fn message(text: &str) -> Self {
        Self::Text(ByteString::from(format!("4{text}")))
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Its size in bytes, which is what an outbox counts.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes at all, as only an empty binary message has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Packet> for Frame {
    fn from(packet: Packet) -> Self {
        match packet {
            Packet::Binary(bytes) | Packet::BinaryV3(bytes) => Self::Binary(bytes),
            text @ (Packet::Open(_)
            | Packet::Close
            | Packet::Ping
            | Packet::Pong
            | Packet::PingUpgrade
            | Packet::PongUpgrade
            | Packet::Message(_)
            | Packet::Upgrade
            | Packet::Noop) => Self::Text(ByteString::from(String::from(text))),
        }
    }
}
