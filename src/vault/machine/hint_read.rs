//! The state of the read that a hint of another node has started.

use crate::domain::Seq;

/// The latest hint, and the read that it has started.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum HintRead {
    Idle,
    /// A hint came without a live subscriber, while some are about to be attached, perhaps at an older head.
    Noted {
        latest: Seq,
    },
    Reading {
        /// The hint that started the read.
        started_for: Seq,
        /// The latest hint since.
        latest: Seq,
    },
}
