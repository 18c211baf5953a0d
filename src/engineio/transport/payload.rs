//! The payload of a poll or a post: packets side by side, with the separator 0x1e between them. Binary packets are
//! base64 in it, as the codec writes and reads them.

use bytes::Bytes;
use engineioxide_core::{Packet, Str};

use crate::engineio::frame::Frame;

const SEPARATOR: char = '\x1e';
/// More packets than a client gathers in one payload; each is a message to its session.
const MOST_PACKETS: usize = 16_384;

/// Why a payload is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    NotText,
    TooManyPackets,
}

/// Joins frames into one payload.
pub(in crate::engineio) fn join(frames: impl IntoIterator<Item = Frame>) -> Bytes {
    let mut payload = String::new();
    for (at, frame) in frames.into_iter().enumerate() {
        if at > 0 {
            payload.push(SEPARATOR);
        }
        match frame {
            Frame::Text(text) => payload.push_str(&text),
            Frame::Binary(bytes) => payload.push_str(&String::from(Packet::Binary(bytes))),
        }
    }
    payload.into()
}

/// The packets of a payload, still encoded. Each is a copy, so that what is kept of one does not keep them all.
pub(super) fn split(payload: &[u8]) -> Result<impl Iterator<Item = Str>, Malformed> {
    let text = std::str::from_utf8(payload).map_err(|_| Malformed::NotText)?;
    if text.matches(SEPARATOR).count() >= MOST_PACKETS {
        return Err(Malformed::TooManyPackets);
    }
    Ok(text.split(SEPARATOR).map(Str::copy_from_slice))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_stand_side_by_side_and_binary_ones_in_base64() {
        let frames = [Frame::message("hello"), Frame::binary(vec![1, 2, 3, 4])];
        assert_eq!(join(frames), "4hello\x1ebAQIDBA==");
        let packets: Vec<_> = split(b"4hello\x1ebAQIDBA==").unwrap().collect();
        assert_eq!(packets, [Str::from("4hello"), Str::from("bAQIDBA==")]);
    }

    #[test]
    fn a_payload_of_nothing_is_one_empty_packet() {
        assert_eq!(split(b"").unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_text_or_has_no_end_is_no_payload() {
        assert_eq!(split(&[b'4', 0xff]).err(), Some(Malformed::NotText));
        let fits = "4\x1e".repeat(MOST_PACKETS - 1);
        assert_eq!(split(fits.as_bytes()).unwrap().count(), MOST_PACKETS);
        let many = "4\x1e".repeat(MOST_PACKETS);
        let refused = split(many.as_bytes()).err();
        assert_eq!(refused, Some(Malformed::TooManyPackets));
    }
}
