//! The seats of one vault.

use std::collections::{BTreeMap, VecDeque};

use crate::domain::SubscriberId;

use super::seat::Seat;

/// The seats that the sockets of one worker thread have of one vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VaultSeats {
    pub seats: BTreeMap<SubscriberId, Seat>,
    pub fanout: FanoutState,
    pub pages: VaultPages,
}

/// Whether a vault sends notices to the relay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FanoutState {
    /// It sends each event.
    #[default]
    Current,
    /// It sends nothing until the relay reports that it has caught up. No query is sent meanwhile.
    FellBehind,
}

/// The pages of missed events that one vault may send to the relay at a time. Their number is bounded, so that most of the
/// mailbox stays free for live events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VaultPages {
    /// How many queries have a turn and no answer.
    pub in_use: usize,
    /// The seats that wait for a turn, in order.
    pub waiting: VecDeque<SubscriberId>,
}

impl VaultSeats {
    /// Returns whether there is nothing to keep of this vault.
    pub(super) fn is_unused(&self) -> bool {
        self.seats.is_empty() && self.fanout == FanoutState::Current
    }
}
