//! What must be true in every state. The numbers are those of the promises in docs/ordering.md.

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Violation {
    pub promise: Promise,
    /// What happened.
    pub detail: String,
}

/// The promises that a simulation checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Promise {
    /// 1: the numbers of a vault's events have no gaps, and no event is delivered before it is on disk.
    OnDiskFirst,
    /// 2: a subscriber receives the events in the order of `seq`, each once.
    InOrderOnce,
    /// 3: after `vault:joined` with `seq: S` come the events after S; no join returns an older head than its client knows.
    EveryEventAfterJoin,
    /// 4: a join with `since` is followed by the events after it, or by `resync` if they are not kept.
    Since,
    /// 5: an answer has the `seq` of its event, and comes after the event was handed to the relays.
    AnswerHasSeq,
    /// 6: a removed member receives nothing after the removal.
    NothingAfterRemoval,
    /// 7: what one socket sends takes effect in the order sent, and nothing follows the acknowledgement of a leave.
    InOrderSent,
    /// An acknowledged mutation is on disk, a refused one is not, and none is written twice.
    Durability,
    /// A recovery is whole or not at all.
    WholeRecovery,
    /// No queue exceeds its bound.
    Bounds,
    /// Every client receives everything, and every request is answered, once the faults have stopped.
    Progress,
    /// A machine's own invariants.
    Invariants,
}

impl Violation {
    pub fn new(promise: Promise, detail: impl Into<String>) -> Self {
        Self {
            promise,
            detail: detail.into(),
        }
    }
}
