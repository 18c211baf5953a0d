//! The unit of an outbox: an encoded Engine.IO packet, whose bytes any number of sockets share.

use bytes::Bytes;
use bytestring::ByteString;
use engineioxide_core::{Packet, ProtocolVersion};

/// One encoded Engine.IO packet. A clone shares the bytes, so a broadcast is encoded once.
#[derive(Clone, Debug)]
pub enum Frame {
    /// A text packet: its type, which is one digit, and its data.
    Text(ByteString),
    /// A binary message. It has no type, because no other packet is binary.
    Binary(Bytes),
}

/// How a transport sends binary messages. It depends on the protocol version and on what the client requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BinaryEncoding {
    /// In binary frames. Long polling sends them as text in base64.
    #[default]
    Frames,
    /// As text in base64, also over a websocket. The client requests it with `b64`.
    Base64,
    /// In binary frames or binary payloads, behind the packet's type. Clients of version 3 read them so.
    TypedFrames,
    /// As text in base64, behind the packet's type. A client of version 3 requests it with `b64`.
    TypedBase64,
}

/// The type of a binary message of version 3, the number of the text packet's type `4`.
const MESSAGE_TYPE: u8 = 4;

impl BinaryEncoding {
    /// Returns the encoding of a version for a client that requests base64 or not.
    pub(super) fn in_version(self, version: ProtocolVersion) -> Self {
        match (version, self) {
            (ProtocolVersion::V3, Self::Frames | Self::TypedFrames) => Self::TypedFrames,
            (ProtocolVersion::V3, Self::Base64 | Self::TypedBase64) => Self::TypedBase64,
            (ProtocolVersion::V4, Self::Frames | Self::TypedFrames) => Self::Frames,
            (ProtocolVersion::V4, Self::Base64 | Self::TypedBase64) => Self::Base64,
        }
    }
}

/// Encodes a binary message of version 4 as text.
pub(super) fn encode_base64(message: Bytes) -> String {
    String::from(Packet::Binary(message))
}

/// Returns the content of a binary message of version 3, or `None` if it is no message.
pub(super) fn untyped(message: &Bytes) -> Option<Bytes> {
    let is_message = message.first() == Some(&MESSAGE_TYPE);
    is_message.then(|| message.slice(1..))
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

    /// Returns the frame as a transport sends it: a binary message as text, or behind its type.
    pub(super) fn encode(self, binary: BinaryEncoding) -> Self {
        match (self, binary) {
            (text @ Self::Text(_), _) => text,
            (binary @ Self::Binary(_), BinaryEncoding::Frames) => binary,
            (Self::Binary(bytes), BinaryEncoding::Base64) => {
                Self::Text(encode_base64(bytes).into())
            }
            (Self::Binary(bytes), BinaryEncoding::TypedFrames) => {
                let typed = [&[MESSAGE_TYPE], &bytes[..]].concat();
                Self::Binary(typed.into())
            }
            (Self::Binary(bytes), BinaryEncoding::TypedBase64) => {
                Self::Text(String::from(Packet::BinaryV3(bytes)).into())
            }
        }
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
