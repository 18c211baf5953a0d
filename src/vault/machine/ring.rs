//! A ring buffer of the last events of a vault, for replays.

use std::{collections::VecDeque, sync::Arc};

use crate::{domain::Seq, vault::notice::Notice};

/// The number of events that a vault keeps in memory.
const CAPACITY: usize = 1024;

/// The last events of a vault, oldest first, without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventRing {
    /// The seq of the newest event.
    head: Seq,
    notices: VecDeque<Arc<Notice>>,
}

impl EventRing {
    /// Returns an empty ring for a vault with this head.
    pub(super) fn new(head: Seq) -> Self {
        Self {
            head,
            notices: VecDeque::new(),
        }
    }

    /// Appends the next event and drops the oldest one if the ring is full.
    pub(super) fn push(&mut self, notice: Arc<Notice>) {
        self.head = self.head.next();
        if self.notices.len() == CAPACITY {
            self.notices.pop_front();
        }
        self.notices.push_back(notice);
    }

    /// Returns the events after `seq`. `None` if the ring does not have all of them or `seq` is beyond the head.
    pub(super) fn after(&self, seq: Seq) -> Option<impl Iterator<Item = &Arc<Notice>>> {
        let missing = usize::try_from(self.head.0.checked_sub(seq.0)?).ok()?;
        let skipped = self.notices.len().checked_sub(missing)?;
        Some(self.notices.iter().skip(skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{domain::MonotonicTime, vault::notice::NoticeBody};

    #[test]
    fn ring_returns_all_events_after_a_seq_or_none() {
        let mut ring = EventRing::new(Seq(10));
        assert_eq!(ring.after(Seq(10)).unwrap().count(), 0);
        assert!(ring.after(Seq(9)).is_none());
        for _ in 0..CAPACITY + 1 {
            ring.push(Notice::new(NoticeBody::Closed, MonotonicTime::default()));
        }
        let head = 10 + CAPACITY as u64 + 1;
        assert_eq!(ring.after(Seq(head - 3)).unwrap().count(), 3);
        assert_eq!(ring.after(Seq(11)).unwrap().count(), CAPACITY);
        assert!(ring.after(Seq(10)).is_none());
        assert!(ring.after(Seq(head + 1)).is_none());
    }
}
