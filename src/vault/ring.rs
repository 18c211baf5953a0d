//! The last events of a vault, ready to be sent again.

use std::{collections::VecDeque, sync::Arc};

use crate::domain::Seq;

use super::notice::Notice;

/// How many events a vault keeps in memory.
const KEPT: usize = 1024;

/// The last events of a vault, oldest first, without gaps.
#[derive(Debug)]
pub(super) struct Ring {
    /// The place of the newest.
    head: Seq,
    notices: VecDeque<Arc<Notice>>,
}

impl Ring {
    /// An empty ring of a vault that stands here.
    pub(super) fn at(head: Seq) -> Self {
        Self {
            head,
            notices: VecDeque::new(),
        }
    }

    /// Takes in the next event; the oldest makes room for it.
    pub(super) fn push(&mut self, notice: Arc<Notice>) {
        self.head = self.head.next();
        if self.notices.len() == KEPT {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    /// The events after a place; `None` when some of them are not here, or the place is not reached yet.
    pub(super) fn after(&self, place: Seq) -> Option<impl Iterator<Item = &Arc<Notice>>> {
        let missing = usize::try_from(self.head.0.checked_sub(place.0)?).ok()?;
        let skipped = self.notices.len().checked_sub(missing)?;
        Some(self.notices.iter().skip(skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::notice::Body;

    #[test]
    fn a_ring_tells_what_follows_a_place_or_that_it_cannot() {
        let mut ring = Ring::at(Seq(10));
        assert_eq!(ring.after(Seq(10)).unwrap().count(), 0);
        assert!(ring.after(Seq(9)).is_none());
        for _ in 0..KEPT + 1 {
            ring.push(Notice::new(Body::Closed));
        }
        let head = 10 + KEPT as u64 + 1;
        assert_eq!(ring.after(Seq(head - 3)).unwrap().count(), 3);
        assert_eq!(ring.after(Seq(11)).unwrap().count(), KEPT);
        assert!(ring.after(Seq(10)).is_none());
        assert!(ring.after(Seq(head + 1)).is_none());
    }
}
