//! The request to subscribe to a vault.

use serde::{Deserialize, Serialize};

use crate::domain::{Epoch, Seq, SubscriberId, UserId};

/// A request to receive the events of a vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    pub subscriber: SubscriberId,
    pub user: UserId,
    /// Chosen by the sink and repeated in the [answer](super::Attached), which it identifies.
    pub ticket: u64,
    pub attach: Attach,
}

/// The event after which a subscriber is attached, and whether the answer confirms a join.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Attach {
    /// Join, and receive events from now on.
    Join,
    /// Join, and receive the events after `seq`. They exist only in the history with the id `epoch`, if it is given.
    JoinSince { seq: Seq, epoch: Option<String> },
    /// Continue a subscription that received the events up to `after` of the history with the id `epoch`. It began at the
    /// seq `joined_at`: a removal of the member at or before that seq did not end it.
    Resume {
        after: Seq,
        joined_at: Seq,
        epoch: Epoch,
    },
}
