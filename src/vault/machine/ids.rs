//! What connects the results of effects with what waits for them.

/// Identifies a mutation that is not answered yet. The shell chooses it, and does not use it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerId(pub u64);

/// Identifies a request to subscribe that is not finished yet. The shell chooses it, and does not use it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscribeId(pub u64);

/// Why events are read from the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MissedPurpose {
    /// The outcome of a commit is unknown. The read must fail while a transaction holds the head's lock.
    UnknownCommit,
    /// A join waits for the events of another node.
    Join,
    /// Another node has moved the head.
    Hint,
}
