//! The payload of version 3: each packet behind its length.
//!
//! In a text payload, a length is decimal, counts UTF-16 code units, and ends with a colon: `6:4hello2:40`. Binary messages are
//! base64. In a binary payload, a packet begins with 0 (text) or 1 (binary), then has one byte for each decimal digit of its
//! length in bytes, and 255: `00 06 ff 4hello`. A binary packet begins with the packet's type.
//!
//! The codec crate decodes such payloads from a stream and stops at a malformed packet after it has returned others. Here a
//! payload is checked whole before the session receives the first of its packets.

use bytes::{BufMut, Bytes, BytesMut};
use engineioxide_core::Str;

use super::malformed::{MAX_PACKETS, MalformedPayload};
use crate::engineio::{
    encoded_packet::EncodedPacket,
    frame::{BinaryEncoding, Frame},
};

/// More digits than the length of any payload has.
const MAX_DIGITS: usize = 10;
/// The first byte of a text packet in a binary payload.
const TEXT: u8 = 0;
/// The first byte of a binary packet in a binary payload.
const BINARY: u8 = 1;
/// The end of a length in a binary payload.
const LENGTH_END: u8 = 0xff;

/// A packet of a binary payload.
enum PacketSlice<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

/// Joins frames into a text payload.
pub(super) fn join_text(frames: impl IntoIterator<Item = Frame>) -> Bytes {
    let mut payload = String::new();
    for frame in frames {
        // In this encoding, every frame is text.
        if let Frame::Text(packet) = frame.encode(BinaryEncoding::TypedBase64) {
            let length = packet.encode_utf16().count();
            payload.push_str(&length.to_string());
            payload.push(':');
            payload.push_str(&packet);
        }
    }
    payload.into()
}

/// Joins frames into a binary payload.
pub(super) fn join_binary(frames: impl IntoIterator<Item = Frame>) -> Bytes {
    let mut payload = BytesMut::new();
    for frame in frames {
        let (kind, packet) = match frame.encode(BinaryEncoding::TypedFrames) {
            Frame::Text(packet) => (TEXT, packet.into_bytes()),
            Frame::Binary(packet) => (BINARY, packet),
        };
        payload.put_u8(kind);
        let digits = packet.len().to_string();
        payload.extend(digits.bytes().map(|digit| digit - b'0'));
        payload.put_u8(LENGTH_END);
        payload.put_slice(&packet);
    }
    payload.freeze()
}

/// Splits a text payload into its packets.
pub(super) fn split_text(payload: &[u8]) -> Result<impl Iterator<Item = Str>, MalformedPayload> {
    let mut rest = std::str::from_utf8(payload).map_err(|_| MalformedPayload::NotUtf8)?;
    let mut packets = Vec::new();
    while !rest.is_empty() || packets.is_empty() {
        let (digits, behind) = rest
            .split_once(':')
            .ok_or(MalformedPayload::InvalidLength)?;
        let length = length_of(digits.bytes().map(|digit| digit.wrapping_sub(b'0')))?;
        let (packet, behind) = behind
            .split_at_checked(utf16_index(behind, length)?)
            .ok_or(MalformedPayload::InvalidLength)?;
        push(&mut packets, packet)?;
        rest = behind;
    }
    Ok(packets.into_iter().map(Str::copy_from_slice))
}

/// Splits a binary payload into its packets.
pub(super) fn split_binary(
    payload: &[u8],
) -> Result<impl Iterator<Item = EncodedPacket>, MalformedPayload> {
    let mut rest = payload;
    let mut packets = Vec::new();
    while !rest.is_empty() || packets.is_empty() {
        let (kind, behind) = rest.split_first().ok_or(MalformedPayload::InvalidLength)?;
        let end = behind.iter().take(MAX_DIGITS + 1);
        let end = end.clone().position(|byte| *byte == LENGTH_END);
        let (digits, behind) = behind.split_at(end.ok_or(MalformedPayload::InvalidLength)?);
        let length = length_of(digits.iter().copied())?;
        let (packet, behind) = behind[1..]
            .split_at_checked(length)
            .ok_or(MalformedPayload::InvalidLength)?;
        let packet = match *kind {
            TEXT => {
                let text = std::str::from_utf8(packet).map_err(|_| MalformedPayload::NotUtf8)?;
                PacketSlice::Text(text)
            }
            BINARY => PacketSlice::Binary(packet),
            _unknown => return Err(MalformedPayload::InvalidLength),
        };
        push(&mut packets, packet)?;
        rest = behind;
    }
    Ok(packets.into_iter().map(|packet| match packet {
        PacketSlice::Text(text) => EncodedPacket::Text(Str::copy_from_slice(text)),
        PacketSlice::Binary(bytes) => EncodedPacket::Binary(Bytes::copy_from_slice(bytes)),
    }))
}

fn push<T>(packets: &mut Vec<T>, packet: T) -> Result<(), MalformedPayload> {
    if packets.len() >= MAX_PACKETS {
        return Err(MalformedPayload::TooManyPackets);
    }
    packets.push(packet);
    Ok(())
}

/// Returns the number that decimal digits represent.
fn length_of(digits: impl Iterator<Item = u8>) -> Result<usize, MalformedPayload> {
    let mut length = None;
    for (index, digit) in digits.enumerate() {
        if digit > 9 || index >= MAX_DIGITS {
            return Err(MalformedPayload::InvalidLength);
        }
        length = Some(length.unwrap_or(0_usize) * 10 + usize::from(digit));
    }
    length.ok_or(MalformedPayload::InvalidLength)
}

/// Returns the index of the byte behind the first `units` UTF-16 code units of a text.
fn utf16_index(text: &str, units: usize) -> Result<usize, MalformedPayload> {
    let mut left = units;
    for (index, character) in text.char_indices() {
        if left == 0 {
            return Ok(index);
        }
        // A length that ends between two surrogates fails here.
        left = left
            .checked_sub(character.len_utf16())
            .ok_or(MalformedPayload::InvalidLength)?;
    }
    match left {
        0 => Ok(text.len()),
        _too_long => Err(MalformedPayload::InvalidLength),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(payload: &[u8]) -> Result<Vec<Str>, MalformedPayload> {
        split_text(payload).map(Iterator::collect)
    }

    fn binary_count(payload: &[u8]) -> Result<usize, MalformedPayload> {
        split_binary(payload).map(Iterator::count)
    }

    #[test]
    fn lengths_of_a_text_payload_are_utf16_code_units() {
        let frames = || {
            [
                Frame::message("hello"),
                Frame::message("€😀"),
                Frame::binary(vec![1, 2, 3, 4]),
            ]
        };
        let payload = join_text(frames());
        assert_eq!(payload, "6:4hello4:4€😀10:b4AQIDBA==");
        let packets = texts(&payload).unwrap();
        assert_eq!(packets, ["4hello", "4€😀", "b4AQIDBA=="].map(Str::from));
    }

    #[test]
    fn packets_of_a_binary_payload_have_a_kind_and_a_length_in_bytes() {
        let payload = join_binary([Frame::message("€"), Frame::binary(vec![1, 2])]);
        assert_eq!(
            &payload[..],
            b"\x00\x04\xff4\xe2\x82\xac\x01\x03\xff\x04\x01\x02"
        );
        let packets: Vec<_> = split_binary(&payload).unwrap().collect();
        let [EncodedPacket::Text(text), EncodedPacket::Binary(bytes)] = &packets[..] else {
            panic!("a text packet and a binary packet");
        };
        assert_eq!((text.as_str(), &bytes[..]), ("4€", &[4, 1, 2][..]));
    }

    #[test]
    fn lengths_that_lie_are_refused() {
        let refused = Err(MalformedPayload::InvalidLength);
        for payload in [
            "",
            "4",
            ":4a",
            "3:4a",
            "1:4a",
            "x:4a",
            "-1:4a",
            "+2:4a",
            "2 :4a",
            "1e0:4",
            "2:4a2:4",
            "2:4😀",
            "99999999999:4a",
            "18446744073709551617:4",
            "2:4a\u{1e}4b",
        ] {
            assert_eq!(texts(payload.as_bytes()), refused, "{payload}");
        }
        let refused = Err(MalformedPayload::InvalidLength);
        for payload in [
            &b""[..],
            b"\x00",
            b"\x00\xff",
            b"\x00\x02\xff4",
            b"\x00\x01\xff4a",
            b"\x00\x0a\xff4",
            b"\x02\x01\xff4",
            b"\x001\xff4",
            b"\x00\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\xff4",
        ] {
            assert_eq!(binary_count(payload), refused, "{payload:?}");
        }
    }

    #[test]
    fn invalid_utf8_and_too_many_packets_are_refused() {
        assert_eq!(texts(b"2:4\xff"), Err(MalformedPayload::NotUtf8));
        let text = binary_count(b"\x00\x02\xff4\xff");
        assert_eq!(text, Err(MalformedPayload::NotUtf8));
        assert_eq!(binary_count(b"\x01\x02\xff\x04\xff"), Ok(1));
        let fits = "1:2".repeat(MAX_PACKETS);
        assert_eq!(texts(fits.as_bytes()).unwrap().len(), MAX_PACKETS);
        let many = "1:2".repeat(MAX_PACKETS + 1);
        let refused = Err(MalformedPayload::TooManyPackets);
        assert_eq!(texts(many.as_bytes()), refused);
    }
}
