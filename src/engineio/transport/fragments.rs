//! A message that comes in fragments: put together within a limit of bytes and of pieces, so that neither a long
//! one nor one of endless empty pieces grows without bound.

use actix_ws::Item;
use bytes::{Bytes, BytesMut};

/// More pieces than any client makes of a message.
const MOST_FRAGMENTS: usize = 1024;

pub(super) struct Fragments {
    limit: usize,
    text: bool,
    count: usize,
    data: BytesMut,
}

/// A message that is whole.
pub(super) enum Whole {
    Text(Bytes),
    Binary(Bytes),
}

/// The message is larger than the limit, or in too many pieces.
pub(super) struct TooLarge;

impl Fragments {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            text: false,
            count: 0,
            data: BytesMut::new(),
        }
    }

    /// Adds a fragment; the last one makes the message whole. That they come in order is the codec's concern.
    pub(super) fn add(&mut self, item: Item) -> Result<Option<Whole>, TooLarge> {
        let (piece, last) = match item {
            Item::FirstText(piece) => {
                self.text = true;
                (piece, false)
            }
            Item::FirstBinary(piece) => {
                self.text = false;
                (piece, false)
            }
            Item::Continue(piece) => (piece, false),
            Item::Last(piece) => (piece, true),
        };
        self.count += 1;
        if self.count > MOST_FRAGMENTS || self.data.len() + piece.len() > self.limit {
            return Err(TooLarge);
        }
        self.data.extend_from_slice(&piece);
        if !last {
            return Ok(None);
        }
        self.count = 0;
        let whole = std::mem::take(&mut self.data).freeze();
        Ok(Some(if self.text {
            Whole::Text(whole)
        } else {
            Whole::Binary(whole)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_make_a_message() {
        let mut fragments = Fragments::new(10);
        assert!(matches!(
            fragments.add(Item::FirstText("4he".into())),
            Ok(None)
        ));
        assert!(matches!(
            fragments.add(Item::Continue("l".into())),
            Ok(None)
        ));
        let whole = fragments.add(Item::Last("lo".into()));
        assert!(matches!(whole, Ok(Some(Whole::Text(text))) if text == "4hello"));
    }

    #[test]
    fn a_message_is_limited_as_a_whole() {
        let mut fragments = Fragments::new(5);
        assert!(fragments.add(Item::FirstBinary("123".into())).is_ok());
        assert!(fragments.add(Item::Last("456".into())).is_err());
    }

    #[test]
    fn endless_empty_pieces_come_to_an_end() {
        let mut fragments = Fragments::new(5);
        assert!(fragments.add(Item::FirstBinary(Bytes::new())).is_ok());
        let refused =
            (0..MOST_FRAGMENTS).find(|_| fragments.add(Item::Continue(Bytes::new())).is_err());
        assert_eq!(refused, Some(MOST_FRAGMENTS - 1));
    }
}
