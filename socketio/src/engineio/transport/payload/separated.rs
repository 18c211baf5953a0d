//! The payload of version 4: packets separated by 0x1e. Binary packets are encoded in base64.

use bytes::Bytes;
use engineioxide_core::Str;

use super::malformed::{MAX_PACKETS, MalformedPayload};
use crate::engineio::frame::{Frame, encode_base64};

const SEPARATOR: char = '\x1e';

/// Joins frames into one payload.
pub(super) fn join(frames: impl IntoIterator<Item = Frame>) -> Bytes {
    let mut payload = String::new();
    for (index, frame) in frames.into_iter().enumerate() {
        if index > 0 {
            payload.push(SEPARATOR);
        }
        match frame {
            Frame::Text(text) => payload.push_str(&text),
            Frame::Binary(bytes) => payload.push_str(&encode_base64(bytes)),
        }
    }
    payload.into()
}

/// Splits a payload into its encoded packets. Each packet is a copy, so that keeping one does not keep the payload.
pub(super) fn split(payload: &[u8]) -> Result<impl Iterator<Item = Str>, MalformedPayload> {
    let text = std::str::from_utf8(payload).map_err(|_| MalformedPayload::NotUtf8)?;
    if text.matches(SEPARATOR).count() >= MAX_PACKETS {
        return Err(MalformedPayload::TooManyPackets);
    }
    Ok(text.split(SEPARATOR).map(Str::copy_from_slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_separated_and_binary_packets_are_base64() {
        let frames = [Frame::message("hello"), Frame::binary(vec![1, 2, 3, 4])];
        assert_eq!(join(frames), "4hello\x1ebAQIDBA==");
        let packets: Vec<_> = split(b"4hello\x1ebAQIDBA==").unwrap().collect();
        assert_eq!(packets, [Str::from("4hello"), Str::from("bAQIDBA==")]);
    }

    #[test]
    fn empty_payload_is_one_empty_packet() {
        assert_eq!(split(b"").unwrap().count(), 1);
    }

    #[test]
    fn invalid_utf8_and_too_many_packets_are_refused() {
        assert_eq!(split(&[b'4', 0xff]).err(), Some(MalformedPayload::NotUtf8));
        let fits = "4\x1e".repeat(MAX_PACKETS - 1);
        assert_eq!(split(fits.as_bytes()).unwrap().count(), MAX_PACKETS);
        let many = "4\x1e".repeat(MAX_PACKETS);
        let refused = split(many.as_bytes()).err();
        assert_eq!(refused, Some(MalformedPayload::TooManyPackets));
    }
}
