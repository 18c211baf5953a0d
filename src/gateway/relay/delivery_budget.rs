//! Limits how many frames the relay queues for one socket before it yields. Then the transports of this worker thread send
//! them. Without the limit, a burst would fill the outbox of a client that reads at full speed, and the client would be closed
//! as slow.

use crate::vault::{Delivery, NoticeBody};

/// How many frames one socket receives before the relay yields. A larger notice has a budget of its own.
const BUDGET_FRAMES: usize = 32;

/// A `vault:joined` and its acknowledgement.
const JOIN_FRAMES: usize = 2;

/// Counts the frames that one socket may have received since the relay yielded.
#[derive(Debug, Default)]
pub(super) struct DeliveryBudget {
    frames: usize,
}

/// When a notice is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryTime {
    /// Within the current budget.
    Now,
    /// After the relay has yielded to the transports.
    AfterYield,
}

impl DeliveryBudget {
    /// Decides when a notice with `frames` frames for one socket is delivered, and counts them.
    /// [`DeliveryTime::AfterYield`] starts a new budget.
    pub(super) fn schedule(&mut self, frames: usize) -> DeliveryTime {
        let is_first = self.frames == 0;
        if is_first || self.frames + frames <= BUDGET_FRAMES {
            self.frames += frames;
            return DeliveryTime::Now;
        }
        self.frames = frames;
        DeliveryTime::AfterYield
    }
}

/// Returns how many frames of a notice one socket receives at most.
pub(super) fn frames_per_socket(delivery: &Delivery) -> usize {
    match &delivery.notice.body {
        NoticeBody::Attached(attached) => JOIN_FRAMES + attached.events.len(),
        NoticeBody::Event(_) | NoticeBody::Removed | NoticeBody::Closed => 1,
    }
}

/// Yields until all ready tasks of this thread have run, and the tasks that they woke. The writers of the outboxes and their
/// connections are among them. A message to the relay does not shorten the wait.
pub(super) async fn yield_to_transports() {
    let after_ready_tasks = actix::spawn(tokio::task::yield_now());
    // The task does not panic. It is cancelled when the thread ends.
    let _cancelled = after_ready_tasks.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budget_ends_before_a_socket_receives_more_than_its_frames() {
        let mut budget = DeliveryBudget::default();
        for _ in 0..BUDGET_FRAMES {
            assert_eq!(budget.schedule(1), DeliveryTime::Now);
        }
        assert_eq!(budget.schedule(1), DeliveryTime::AfterYield);
        assert_eq!(budget.schedule(BUDGET_FRAMES - 1), DeliveryTime::Now);
        assert_eq!(budget.schedule(1), DeliveryTime::AfterYield);
    }

    #[test]
    fn notice_larger_than_a_budget_has_a_budget_of_its_own() {
        let mut budget = DeliveryBudget::default();
        assert_eq!(budget.schedule(BUDGET_FRAMES + 2), DeliveryTime::Now);
        assert_eq!(budget.schedule(1), DeliveryTime::AfterYield);
        assert_eq!(budget.schedule(BUDGET_FRAMES + 2), DeliveryTime::AfterYield);
        assert_eq!(budget.schedule(BUDGET_FRAMES + 2), DeliveryTime::AfterYield);
    }
}
