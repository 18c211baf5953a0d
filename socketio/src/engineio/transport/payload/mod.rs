//! The payloads of polling requests: several packets in one body. Each protocol version has a format of its own.

mod length_prefixed;
mod malformed;
mod separated;

pub(super) use malformed::MalformedPayload;

use std::collections::VecDeque;

use bytes::Bytes;
use engineioxide_core::ProtocolVersion;

use crate::engineio::{
    encoded_packet::EncodedPacket,
    frame::{BinaryEncoding, Frame},
};

/// The body of the response to a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engineio) enum PollPayload {
    Text(Bytes),
    /// Only clients of version 3 receive it.
    Binary(Bytes),
}

/// The format of a payload that a client posts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostedFormat {
    /// Packets between separators.
    Separated,
    /// Text packets behind their lengths.
    LengthPrefixed,
    /// Text and binary packets behind their lengths.
    BinaryLengthPrefixed,
}

impl PostedFormat {
    /// Returns the format of a body with this content type; `None` if the protocol version has none.
    pub(super) fn of(version: ProtocolVersion, content_type: Option<&str>) -> Option<Self> {
        let is_binary = content_type == Some("application/octet-stream");
        match (version, is_binary) {
            (ProtocolVersion::V4, false) => Some(Self::Separated),
            (ProtocolVersion::V4, true) => None,
            (ProtocolVersion::V3, false) => Some(Self::LengthPrefixed),
            (ProtocolVersion::V3, true) => Some(Self::BinaryLengthPrefixed),
        }
    }
}

/// Joins frames into one payload.
pub(in crate::engineio) fn join(frames: VecDeque<Frame>, binary: BinaryEncoding) -> PollPayload {
    let is_binary = |frame: &Frame| matches!(frame, Frame::Binary(_));
    match binary {
        BinaryEncoding::Frames | BinaryEncoding::Base64 => {
            PollPayload::Text(separated::join(frames))
        }
        BinaryEncoding::TypedFrames if frames.iter().any(is_binary) => {
            PollPayload::Binary(length_prefixed::join_binary(frames))
        }
        BinaryEncoding::TypedFrames | BinaryEncoding::TypedBase64 => {
            PollPayload::Text(length_prefixed::join_text(frames))
        }
    }
}

/// Splits a payload into its encoded packets. Each packet is a copy, so that keeping one does not keep the payload.
///
/// # Errors
/// If any part of the payload is malformed.
pub(super) fn split(
    payload: &[u8],
    format: PostedFormat,
) -> Result<Box<dyn Iterator<Item = EncodedPacket> + '_>, MalformedPayload> {
    Ok(match format {
        PostedFormat::Separated => Box::new(separated::split(payload)?.map(EncodedPacket::Text)),
        PostedFormat::LengthPrefixed => {
            Box::new(length_prefixed::split_text(payload)?.map(EncodedPacket::Text))
        }
        PostedFormat::BinaryLengthPrefixed => Box::new(length_prefixed::split_binary(payload)?),
    })
}
