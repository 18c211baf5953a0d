//! Looks at the head of each websocket frame before anything of it is kept.
//!
//! The codec behind it compares a frame's length with the limit only once the whole frame has arrived, so a peer that
//! declares a huge one would have it collected in memory first. This stream passes bytes on unchanged and ends with
//! [`PayloadError::Overflow`] at the head of a frame that declares more than the limit. Control frames have a limit of
//! their own, and come whole: one that does not ends it as an error of the connection's bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{dev, error::PayloadError};
use bytes::Bytes;
use futures_util::Stream;

pub(super) struct Guard {
    inner: dev::Payload,
    heads: Heads,
}

impl Guard {
    pub(super) fn new(inner: dev::Payload, limit: usize) -> Self {
        Self {
            inner,
            heads: Heads::new(limit),
        }
    }
}

impl Stream for Guard {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let chunk = match ready!(Pin::new(&mut this.inner).poll_next(cx)) {
            Some(Ok(chunk)) => chunk,
            end @ (Some(Err(_)) | None) => return Poll::Ready(end),
        };
        let admitted = this.heads.admit(&chunk).map(|()| chunk);
        Poll::Ready(Some(admitted.map_err(PayloadError::from)))
    }
}

/// Why a frame is refused at its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// It declares more than the limit.
    TooLarge,
    /// It is a control frame in fragments, or too long for one.
    Control,
}

impl From<Refused> for PayloadError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::TooLarge => Self::Overflow,
            Refused::Control => Self::Io(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Where in the byte stream a peer's frames begin.
struct Heads {
    limit: u64,
    place: Place,
}

enum Place {
    /// In a frame's head, of which these bytes have come.
    Head { bytes: [u8; 10], come: usize },
    /// Behind a head; so many bytes of mask and payload are still to come.
    Body { left: u64 },
}

const NEW_HEAD: Place = Place::Head {
    bytes: [0; 10],
    come: 0,
};
const MASK: u64 = 4;
/// The first bit of a frame: it is the last of its message.
const FINAL: u8 = 0x80;
/// The bit by which a close, a ping or a pong differs from what carries data.
const CONTROL: u8 = 0x08;
/// The longest payload of a control frame.
const CONTROL_LIMIT: u64 = 125;

impl Heads {
    fn new(limit: usize) -> Self {
        Self {
            limit: limit as u64,
            place: NEW_HEAD,
        }
    }

    /// Follows the frames through `chunk`, up to one that is refused.
    fn admit(&mut self, mut chunk: &[u8]) -> Result<(), Refused> {
        while let Some((&byte, rest)) = chunk.split_first() {
            match &mut self.place {
                Place::Body { left } => {
                    let skipped = (chunk.len() as u64).min(*left);
                    *left -= skipped;
                    if *left == 0 {
                        self.place = NEW_HEAD;
                    }
                    chunk = &chunk[skipped as usize..];
                }
                Place::Head { bytes, come } => {
                    bytes[*come] = byte;
                    *come += 1;
                    chunk = rest;
                    if let Some(declared) = declared(&bytes[..*come]) {
                        if bytes[0] & CONTROL != 0 {
                            if bytes[0] & FINAL == 0 || declared > CONTROL_LIMIT {
                                return Err(Refused::Control);
                            }
                        } else if declared > self.limit {
                            return Err(Refused::TooLarge);
                        }
                        // A client's frame is masked; one that is not is refused by the codec as soon as it sees it.
                        self.place = Place::Body {
                            left: declared + MASK,
                        };
                    }
                }
            }
        }
        Ok(())
    }
}

/// The payload's length, once enough of the head has come to know.
fn declared(head: &[u8]) -> Option<u64> {
    match (head.get(1)? & 0x7f, head) {
        (126, [_, _, a, b]) => Some(u64::from(u16::from_be_bytes([*a, *b]))),
        (127, [_, _, a, b, c, d, e, f, g, h]) => {
            Some(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))
        }
        (126 | 127, _) => None,
        (short, _) => Some(u64::from(short)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(length: usize) -> Vec<u8> {
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.resize(frame.len() + length, 0xff);
        frame
    }

    #[test]
    fn a_frame_at_the_limit_passes() {
        assert_eq!(Heads::new(70_000).admit(&frame(70_000)), Ok(()));
    }

    #[test]
    fn a_head_that_declares_too_much_is_refused_before_its_body() {
        let mut heads = Heads::new(1000);
        assert_eq!(heads.admit(&[0x82, 0x80 | 127]), Ok(()));
        assert_eq!(heads.admit(&[0, 0, 0, 0, 12, 0, 0]), Ok(()));
        assert_eq!(heads.admit(&[0]), Err(Refused::TooLarge));
    }

    #[test]
    fn a_control_frame_is_short_and_whole_whatever_the_limit() {
        let (ping, close) = (0x89, 0x88);
        assert_eq!(Heads::new(10).admit(&[ping, 0x80 | 125]), Ok(()));
        let too_long = Heads::new(1000).admit(&[close, 0x80 | 126, 0, 126]);
        assert_eq!(too_long, Err(Refused::Control));
        let in_fragments = Heads::new(1000).admit(&[ping & !FINAL, 0x80]);
        assert_eq!(in_fragments, Err(Refused::Control));
    }

    #[test]
    fn a_length_beyond_all_reason_does_not_overflow() {
        let endless = [0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255];
        let refused = Heads::new(usize::MAX / 2).admit(&endless);
        assert_eq!(refused, Err(Refused::TooLarge));
    }

    proptest! {
        #[test]
        fn heads_are_found_however_the_bytes_are_cut(
            lengths in prop::collection::vec(prop_oneof![0usize..300, 65_530usize..65_540], 1..6),
            cut in 1usize..5000,
            too_long in any::<bool>(),
        ) {
            let mut bytes: Vec<u8> = lengths.iter().flat_map(|length| frame(*length)).collect();
            if too_long {
                bytes.extend(frame(65_541));
            }
            let mut heads = Heads::new(65_540);
            let admitted = bytes.chunks(cut).all(|chunk| heads.admit(chunk).is_ok());
            prop_assert_eq!(admitted, !too_long);
        }
    }
}
