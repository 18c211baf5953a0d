//! Checks the header of each websocket frame before its payload is buffered.
//!
//! The websocket codec compares a frame's length with the limit only after the whole frame has arrived, so a peer could
//! make it buffer a frame of any declared length. This stream passes bytes on unchanged and ends with
//! [`PayloadError::Overflow`] at the header of a frame that declares more than the limit. A control frame that is too long
//! or fragmented ends the stream with an I/O error of the kind `InvalidData`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::{dev, error::PayloadError};
use bytes::Bytes;
use futures_util::Stream;

/// A stream of websocket bytes that ends at a frame over the limit.
pub(super) struct FrameSizeGuard {
    inner: dev::Payload,
    headers: FrameHeaderChecker,
}

impl FrameSizeGuard {
    pub(super) fn new(inner: dev::Payload, max_frame: usize) -> Self {
        Self {
            inner,
            headers: FrameHeaderChecker::new(max_frame),
        }
    }
}

impl Stream for FrameSizeGuard {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let chunk = match ready!(Pin::new(&mut this.inner).poll_next(cx)) {
            Some(Ok(chunk)) => chunk,
            end @ (Some(Err(_)) | None) => return Poll::Ready(end),
        };
        let checked = this.headers.check(&chunk).map(|()| chunk);
        Poll::Ready(Some(checked.map_err(PayloadError::from)))
    }
}

/// Why a frame is refused at its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameHeaderError {
    /// The frame declares more bytes than the limit.
    TooLarge,
    /// The frame is a control frame that is fragmented or too long.
    InvalidControl,
}

impl From<FrameHeaderError> for PayloadError {
    fn from(error: FrameHeaderError) -> Self {
        match error {
            FrameHeaderError::TooLarge => Self::Overflow,
            FrameHeaderError::InvalidControl => Self::Io(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Finds and checks the frame headers in a stream of bytes.
pub(super) struct FrameHeaderChecker {
    max_frame: u64,
    position: FramePosition,
}

/// The current position in a frame.
enum FramePosition {
    /// In the header, of which `received` bytes have arrived.
    Header { bytes: [u8; 10], received: usize },
    /// Behind the header; `remaining` bytes of mask and payload have not arrived yet.
    Body { remaining: u64 },
}

const FRAME_START: FramePosition = FramePosition::Header {
    bytes: [0; 10],
    received: 0,
};
/// Bytes of the mask.
const MASK: u64 = 4;
/// The header bit of the last frame of a message.
const FINAL: u8 = 0x80;
/// The header bit of control frames: close, ping and pong.
const CONTROL: u8 = 0x08;
/// The longest payload of a control frame.
const MAX_CONTROL: u64 = 125;

impl FrameHeaderChecker {
    pub(super) fn new(max_frame: usize) -> Self {
        Self {
            max_frame: max_frame as u64,
            position: FRAME_START,
        }
    }

    /// Checks the headers in `chunk`, up to the first one that is refused.
    pub(super) fn check(&mut self, mut chunk: &[u8]) -> Result<(), FrameHeaderError> {
        while let Some((&byte, rest)) = chunk.split_first() {
            match &mut self.position {
                FramePosition::Body { remaining } => {
                    let skipped = (chunk.len() as u64).min(*remaining);
                    *remaining -= skipped;
                    if *remaining == 0 {
                        self.position = FRAME_START;
                    }
                    chunk = &chunk[skipped as usize..];
                }
                FramePosition::Header { bytes, received } => {
                    bytes[*received] = byte;
                    *received += 1;
                    chunk = rest;
                    if let Some(declared) = payload_length(&bytes[..*received]) {
                        if bytes[0] & CONTROL != 0 {
                            if bytes[0] & FINAL == 0 || declared > MAX_CONTROL {
                                return Err(FrameHeaderError::InvalidControl);
                            }
                        } else if declared > self.max_frame {
                            return Err(FrameHeaderError::TooLarge);
                        }
                        // A client's frame is masked; the codec refuses an unmasked one.
                        self.position = FramePosition::Body {
                            remaining: declared + MASK,
                        };
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the declared payload length, or `None` if more of the header is needed.
fn payload_length(header: &[u8]) -> Option<u64> {
    match (header.get(1)? & 0x7f, header) {
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

    fn check(max_frame: usize, bytes: &[u8]) -> Result<(), FrameHeaderError> {
        FrameHeaderChecker::new(max_frame).check(bytes)
    }

    #[test]
    fn frame_at_the_limit_passes() {
        assert_eq!(check(70_000, &frame(70_000)), Ok(()));
    }

    #[test]
    fn header_over_the_limit_is_refused_before_the_payload() {
        let mut headers = FrameHeaderChecker::new(1000);
        assert_eq!(headers.check(&[0x82, 0x80 | 127]), Ok(()));
        assert_eq!(headers.check(&[0, 0, 0, 0, 12, 0, 0]), Ok(()));
        assert_eq!(headers.check(&[0]), Err(FrameHeaderError::TooLarge));
    }

    #[test]
    fn control_frame_must_be_short_and_unfragmented_whatever_the_limit() {
        let (ping, close) = (0x89, 0x88);
        assert_eq!(check(10, &[ping, 0x80 | 125]), Ok(()));
        let too_long = check(1000, &[close, 0x80 | 126, 0, 126]);
        assert_eq!(too_long, Err(FrameHeaderError::InvalidControl));
        let fragmented = check(1000, &[ping & !FINAL, 0x80]);
        assert_eq!(fragmented, Err(FrameHeaderError::InvalidControl));
    }

    #[test]
    fn largest_declarable_length_does_not_overflow() {
        let largest = [0x82, 0xff, 255, 255, 255, 255, 255, 255, 255, 255];
        let refused = check(usize::MAX / 2, &largest);
        assert_eq!(refused, Err(FrameHeaderError::TooLarge));
    }

    proptest! {
        #[test]
        fn headers_are_found_for_any_chunk_size(
            lengths in prop::collection::vec(prop_oneof![0usize..300, 65_530usize..65_540], 1..6),
            chunk_size in 1usize..5000,
            too_long in any::<bool>(),
        ) {
            let mut bytes: Vec<u8> = lengths.iter().flat_map(|length| frame(*length)).collect();
            if too_long {
                bytes.extend(frame(65_541));
            }
            let mut headers = FrameHeaderChecker::new(65_540);
            let admitted = bytes.chunks(chunk_size).all(|chunk| headers.check(chunk).is_ok());
            prop_assert_eq!(admitted, !too_long);
        }
    }
}
