//! What a client has of one vault: the position for `since`, and what it waits for.

use std::collections::{BTreeSet, VecDeque};

/// What a client has of one vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct VaultCopy {
    pub interest: Interest,
    /// The last event that the client knows of: received, or answered.
    pub known: u64,
    /// The position for `since`.
    pub seq: u64,
    pub position: Position,
    /// The joins of the current connection without an answer, in the order sent.
    pub joins: VecDeque<SentJoin>,
    pub join_answers: JoinAnswers,
    /// The `seq` of the last `vault:joined`. A removal before it has not ended the subscription.
    pub joined_at: u64,
}

/// What the user of a client wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Interest {
    #[default]
    None,
    Subscribed,
    /// To leave. The acknowledgement is missing.
    Leaving,
}

/// What a client receives next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Position {
    #[default]
    Unsubscribed,
    Subscribed {
        /// The number of the next event.
        next: u64,
    },
    /// The last event removed the user of the client.
    Removed,
}

/// Whether the joins of the current connection are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum JoinAnswers {
    #[default]
    Expected,
    /// A join was sent on a former connection and may not have arrived, or one was refused. The client sends it again.
    Missing,
}

impl Position {
    /// Returns the number of the next event, while the client is subscribed.
    pub fn next(self) -> Option<u64> {
        match self {
            Self::Subscribed { next } => Some(next),
            Self::Unsubscribed | Self::Removed => None,
        }
    }
}

impl VaultCopy {
    /// Returns whether the client must send a join to be subscribed.
    pub fn needs_join(&self) -> bool {
        let awaits_answer = !self.joins.is_empty() && self.join_answers == JoinAnswers::Expected;
        self.interest == Interest::Subscribed && self.position.next().is_none() && !awaits_answer
    }

    /// Ends the subscription. It is not wanted again.
    pub fn end_unwanted(&mut self) {
        self.end();
        self.lose_interest();
    }

    /// The user does not want to be subscribed any more.
    pub fn lose_interest(&mut self) {
        match self.interest {
            Interest::Subscribed => self.interest = Interest::None,
            Interest::None | Interest::Leaving => {}
        }
    }

    /// Ends the subscription.
    pub fn end(&mut self) {
        match self.position {
            Position::Subscribed { .. } => self.position = Position::Unsubscribed,
            Position::Unsubscribed | Position::Removed => {}
        }
    }

    /// The leave is acknowledged, or ended with the connection.
    pub fn finish_leave(&mut self) {
        match self.interest {
            Interest::Leaving => self.interest = Interest::None,
            Interest::None | Interest::Subscribed => {}
        }
    }
}

/// A join that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SentJoin {
    pub since: Option<u64>,
    /// What the client knew when it sent the join.
    pub known: u64,
    /// The disturbances of the vault at that time. While there are no new ones, the join keeps its place.
    pub disturbances: u64,
    /// The mutations that were sent before it on the same connection.
    pub after: BTreeSet<u64>,
}
