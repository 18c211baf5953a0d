//! The unit of an outbox: an encoded Engine.IO packet, whose bytes any number of sockets share.

use bytes::Bytes;
use bytestring::ByteString;
use engineioxide_core::Packet;

/// One encoded Engine.IO packet. A clone shares the bytes, so a broadcast is encoded once.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A text packet: its type, which is one digit, and its data.
    Text(ByteString),
    /// A binary message. It has no type, because no other packet is binary.
    Binary(Bytes),
}

/// How a websocket sends binary messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BinaryEncoding {
    /// In binary frames.
    #[default]
    Frames,
    /// As text in base64, as long polling does. The client requests it with `b64`.
    Base64,
}

impl Frame {
    /// Encodes a text message.
    pub fn message(text: &str) -> Self {
        Self::Text(ByteString::from(format!("4{text}")))
    }

    /// Encodes a binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Returns the size in bytes, which counts against the bounds of an outbox.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Returns whether the frame has no bytes. Only an empty binary message has none.
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
