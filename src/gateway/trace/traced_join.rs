//! The joins among the packets of a trace.

use serde::{Deserialize, Serialize};

use crate::vault::{Attach, Joined};

/// A `vault:joined` that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TracedJoin {
    /// The ticket of the offset.
    pub ticket: u64,
    /// What the client requested.
    pub attach: Attach,
    pub joined: Joined,
}

/// Returns how many bytes the request of a join takes on the heap.
pub(in crate::gateway) fn attach_bytes(attach: &Attach) -> usize {
    match attach {
        Attach::JoinSince { epoch, .. } => epoch.as_ref().map_or(0, String::capacity),
        Attach::Join | Attach::Resume { .. } => 0,
    }
}
