//! Assembles messages that arrive in fragments, within limits of bytes and of fragments. Without the second limit a
//! message of empty fragments would never end.

use actix_ws::Item;
use bytes::{Bytes, BytesMut};

/// The most fragments of one message. The official clients send far fewer.
const MAX_FRAGMENTS: usize = 1024;

/// How many fragments of a message count as a packet. Some clients and proxies fragment every 4 KiB.
const FRAGMENTS_PER_PACKET: usize = 16;

/// Assembles the fragments of one message at a time.
pub(super) struct FragmentAssembler {
    max_bytes: usize,
    kind: MessageKind,
    fragments: usize,
    data: BytesMut,
}

#[derive(Clone, Copy)]
enum MessageKind {
    Text,
    Binary,
}

/// A message whose last fragment has arrived.
pub(super) enum CompleteMessage {
    Text(Bytes),
    Binary(Bytes),
}

/// The message is larger than the limit, or has too many fragments.
pub(super) struct MessageTooLarge;

impl FragmentAssembler {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            kind: MessageKind::Binary,
            fragments: 0,
            data: BytesMut::new(),
        }
    }

    /// Returns whether the fragments of the current message must be counted as another packet.
    pub(super) fn completes_a_packet(&self) -> bool {
        self.fragments > 0 && self.fragments.is_multiple_of(FRAGMENTS_PER_PACKET)
    }

    /// Adds a fragment, and returns the message after its last fragment. The websocket codec ensures their order.
    pub(super) fn add(&mut self, item: Item) -> Result<Option<CompleteMessage>, MessageTooLarge> {
        let (fragment, is_last) = match item {
            Item::FirstText(fragment) => {
                self.kind = MessageKind::Text;
                (fragment, false)
            }
            Item::FirstBinary(fragment) => {
                self.kind = MessageKind::Binary;
                (fragment, false)
            }
            Item::Continue(fragment) => (fragment, false),
            Item::Last(fragment) => (fragment, true),
        };
        self.fragments += 1;
        if self.fragments > MAX_FRAGMENTS || self.data.len() + fragment.len() > self.max_bytes {
            return Err(MessageTooLarge);
        }
        self.data.extend_from_slice(&fragment);
        if !is_last {
            return Ok(None);
        }
        self.fragments = 0;
        let data = std::mem::take(&mut self.data).freeze();
        Ok(Some(match self.kind {
            MessageKind::Text => CompleteMessage::Text(data),
            MessageKind::Binary => CompleteMessage::Binary(data),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_assembled_into_one_message() {
        let mut fragments = FragmentAssembler::new(10);
        assert!(matches!(
            fragments.add(Item::FirstText("4he".into())),
            Ok(None)
        ));
        assert!(matches!(
            fragments.add(Item::Continue("l".into())),
            Ok(None)
        ));
        let message = fragments.add(Item::Last("lo".into()));
        assert!(matches!(message, Ok(Some(CompleteMessage::Text(text))) if text == "4hello"));
    }

    #[test]
    fn size_limit_applies_to_the_whole_message() {
        let mut fragments = FragmentAssembler::new(5);
        assert!(fragments.add(Item::FirstBinary("123".into())).is_ok());
        assert!(fragments.add(Item::Last("456".into())).is_err());
    }

    #[test]
    fn message_of_endless_empty_fragments_is_refused() {
        let mut fragments = FragmentAssembler::new(5);
        assert!(fragments.add(Item::FirstBinary(Bytes::new())).is_ok());
        let refused =
            (0..MAX_FRAGMENTS).find(|_| fragments.add(Item::Continue(Bytes::new())).is_err());
        assert_eq!(refused, Some(MAX_FRAGMENTS - 1));
    }
}
