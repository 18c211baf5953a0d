//! The packed log of a trace: to which subscription each packet belongs, in the order sent.
//!
//! An event needs no seq here, because the events of a subscription follow each other without gaps. So an event takes at
//! most four bytes, and a run of up to 255 consecutive events takes four bytes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::traced_join::{TracedJoin, attach_bytes};

/// The unused capacity that a log with few runs keeps.
const RETAINED_RUNS: usize = 64;

/// The index of a subscription in its trace. A trace has far fewer than 2^24 subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct TraceSlot(u32);

impl TraceSlot {
    const BITS: u32 = 24;

    pub(super) fn new(index: usize) -> Self {
        debug_assert!(index < 1 << Self::BITS);
        Self(index as u32)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The slot in the upper 24 bits, the number of its events in the lower 8. No event means a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct PackedRun(u32);

impl PackedRun {
    const MAX_EVENTS: u32 = 255;

    fn new(slot: TraceSlot, events: u32) -> Self {
        Self(slot.0 << 8 | events)
    }

    fn slot(self) -> TraceSlot {
        TraceSlot(self.0 >> 8)
    }

    fn events(self) -> u32 {
        self.0 & Self::MAX_EVENTS
    }
}

/// The packets that were sent and not confirmed, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct PacketLog {
    runs: VecDeque<PackedRun>,
    /// The joins among the runs.
    joins: VecDeque<TracedJoin>,
}

/// One or more packets of one subscription.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SentPackets<Join> {
    /// So many events, each after the one before.
    Events(u64),
    /// One `vault:joined`.
    Joined(Join),
}

impl PacketLog {
    pub(super) fn push_event(&mut self, slot: TraceSlot) {
        match self.runs.back_mut() {
            Some(run)
                if run.slot() == slot && (1..PackedRun::MAX_EVENTS).contains(&run.events()) =>
            {
                *run = PackedRun::new(slot, run.events() + 1);
            }
            Some(_) | None => self.runs.push_back(PackedRun::new(slot, 1)),
        }
    }

    pub(super) fn push_join(&mut self, slot: TraceSlot, join: TracedJoin) {
        self.runs.push_back(PackedRun::new(slot, 0));
        self.joins.push_back(join);
    }

    /// Removes the oldest packet.
    pub(super) fn pop(&mut self) -> Option<(TraceSlot, SentPackets<TracedJoin>)> {
        let run = self.runs.front_mut()?;
        let slot = run.slot();
        match run.events() {
            0 => {
                self.runs.pop_front();
                let join = self.joins.pop_front()?;
                return Some((slot, SentPackets::Joined(join)));
            }
            1 => drop(self.runs.pop_front()),
            events => *run = PackedRun::new(slot, events - 1),
        }
        Some((slot, SentPackets::Events(1)))
    }

    /// Returns all packets, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TraceSlot, SentPackets<&TracedJoin>)> {
        let mut joins = self.joins.iter();
        self.runs.iter().filter_map(move |run| {
            let sent = match run.events() {
                0 => SentPackets::Joined(joins.next()?),
                events => SentPackets::Events(events.into()),
            };
            Some((run.slot(), sent))
        })
    }

    /// Frees the memory of packets that were removed.
    pub(super) fn shrink(&mut self) {
        if self.runs.is_empty() {
            self.runs = VecDeque::new();
        } else if self.runs.len() <= RETAINED_RUNS && self.runs.capacity() > RETAINED_RUNS {
            self.runs.shrink_to(RETAINED_RUNS);
        }
        self.joins.shrink_to(self.joins.len());
    }

    /// Returns about how many bytes the log takes on the heap.
    pub(super) fn size_bytes(&self) -> usize {
        self.runs.capacity() * size_of::<PackedRun>()
            + self.joins.capacity() * size_of::<TracedJoin>()
            + self
                .joins
                .iter()
                .map(|join| attach_bytes(&join.attach))
                .sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Role, Seq},
        vault::{Attach, Joined},
    };

    const A: TraceSlot = TraceSlot(0);
    const B: TraceSlot = TraceSlot((1 << TraceSlot::BITS) - 1);

    fn join(ticket: u64) -> TracedJoin {
        let joined = Joined {
            role: Role::Viewer,
            seq: Seq(0),
            epoch: "epoch".into(),
            replayed: None,
            resync: false,
        };
        TracedJoin {
            ticket,
            attach: Attach::Join,
            joined,
        }
    }

    #[test]
    fn packets_leave_the_log_in_the_order_sent() {
        let mut log = PacketLog::default();
        let mut expected = Vec::new();
        for (slot, events) in [(A, 600), (B, 1), (A, 2), (B, 255)] {
            log.push_join(slot, join(events));
            expected.push((slot, SentPackets::Joined(join(events))));
            for _ in 0..events {
                log.push_event(slot);
                expected.push((slot, SentPackets::Events(1)));
            }
        }
        let count = |(_, sent)| match sent {
            SentPackets::Events(events) => events as usize,
            SentPackets::Joined(_) => 1,
        };
        assert_eq!(log.iter().map(count).sum::<usize>(), expected.len());
        let popped: Vec<_> = std::iter::from_fn(|| log.pop()).collect();
        assert_eq!(popped, expected);
    }

    #[test]
    fn an_event_takes_four_bytes_at_most_and_a_confirmed_one_none() {
        const EVENTS: usize = 32_768;
        let mut log = PacketLog::default();
        for _ in 0..EVENTS / 2 {
            log.push_event(A);
            log.push_event(B);
        }
        assert!(log.size_bytes() <= 4 * EVENTS, "{}", log.size_bytes());
        while log.pop().is_some() {}
        log.shrink();
        assert_eq!(log.size_bytes(), 0);
        for _ in 0..EVENTS {
            log.push_event(A);
        }
        assert!(log.size_bytes() <= EVENTS / 32, "{}", log.size_bytes());
    }
}
