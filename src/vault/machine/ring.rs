//! A ring buffer of the last events of a vault, for replays. It is bounded in events and in bytes: events with long titles and
//! URLs would take several megabytes. Older events are read from the journal.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    domain::Seq,
    vault::notice::{Notice, NoticeBody},
};

/// The most events that a vault keeps in memory.
const MAX_EVENTS: usize = 1024;

/// The memory of these events, in bytes. Events of the usual size reach it at about 700.
const MAX_BYTES: usize = 768 * 1024;

/// What an event takes besides its JSON: the notice, and the headers of its frame.
const EVENT_OVERHEAD: usize = 256;

/// The last events of a vault, oldest first, without gaps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct EventRing {
    /// The seq of the newest event.
    head: Seq,
    notices: VecDeque<Arc<Notice>>,
    /// The size of all notices.
    bytes: usize,
}

impl EventRing {
    /// Returns an empty ring for a vault with this head.
    pub(super) fn new(head: Seq) -> Self {
        Self {
            head,
            notices: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Appends the next event and drops the oldest ones beyond the bounds.
    pub(super) fn push(&mut self, notice: Arc<Notice>) {
        self.head = self.head.next();
        self.bytes += size(&notice);
        self.notices.push_back(notice);
        while (self.notices.len() > MAX_EVENTS || self.bytes > MAX_BYTES)
            && let Some(oldest) = self.notices.pop_front()
        {
            self.bytes -= size(&oldest);
        }
    }

    /// Returns the memory of the events.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the events after `seq`. `None` if the ring does not have all of them or `seq` is beyond the head.
    pub(super) fn after(&self, seq: Seq) -> Option<impl Iterator<Item = &Arc<Notice>>> {
        let missing = usize::try_from(self.head.0.checked_sub(seq.0)?).ok()?;
        let skipped = self.notices.len().checked_sub(missing)?;
        Some(self.notices.iter().skip(skipped))
    }
}

/// Returns the memory of an event: its JSON, and once it is delivered its frame, which repeats the JSON.
fn size(notice: &Notice) -> usize {
    let json = match &notice.body {
        NoticeBody::Event(record) => record.payload.len(),
        NoticeBody::Attached(_) | NoticeBody::Removed | NoticeBody::Closed => 0,
    };
    EVENT_OVERHEAD + 2 * json
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{EventKind, MonotonicTime},
        journal::JournalRecord,
    };

    #[test]
    fn ring_returns_all_events_after_a_seq_or_none() {
        let mut ring = EventRing::new(Seq(10));
        assert_eq!(ring.after(Seq(10)).unwrap().count(), 0);
        assert!(ring.after(Seq(9)).is_none());
        for _ in 0..MAX_EVENTS + 1 {
            ring.push(Notice::new(NoticeBody::Closed, MonotonicTime::default()));
        }
        let head = 10 + MAX_EVENTS as u64 + 1;
        assert_eq!(ring.after(Seq(head - 3)).unwrap().count(), 3);
        assert_eq!(ring.after(Seq(11)).unwrap().count(), MAX_EVENTS);
        assert!(ring.after(Seq(10)).is_none());
        assert!(ring.after(Seq(head + 1)).is_none());
    }

    #[test]
    fn ring_of_large_events_is_bounded_in_bytes() {
        let event = |seq| {
            let record = JournalRecord {
                seq: Seq(seq),
                kind: EventKind::SourceCreated,
                payload: "x".repeat(4096).into(),
            };
            Notice::new(NoticeBody::Event(record), MonotonicTime::default())
        };
        let mut ring = EventRing::new(Seq(0));
        for seq in 1..=200 {
            ring.push(event(seq));
        }
        let kept = MAX_BYTES / size(&event(0));
        assert_eq!(ring.notices.len(), kept);
        assert_eq!(ring.bytes, kept * size(&event(0)));
        assert!(ring.after(Seq(200 - kept as u64)).is_some());
        assert!(ring.after(Seq(200 - kept as u64 - 1)).is_none());
    }
}
