//! The state of the read that a hint of another node has started.

use crate::domain::Seq;

/// The read that a hint has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum HintRead {
    Idle,
    Reading {
        /// The hint that started the read.
        started_for: Seq,
        /// The latest hint since.
        latest: Seq,
    },
}
