//! Notices: what a vault delivers to its subscribers.

use std::{
    any::Any,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, OnceLock},
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Epoch, MonotonicTime, Role, Seq, SubscriberId, VaultId},
    journal::JournalRecord,
};

use super::error::VaultError;

/// The maximum number of replayed events in one [`Attached`]. A subscriber requests the next page when it has room,
/// so that a page fits into a small outbox.
pub const REPLAY_PAGE: usize = 32;

/// A notice to subscribers. All of them share it, and it can keep its encoded form, which the vault does not know.
///
/// Notices with the same body are equal: the other fields serve measurement and speed.
pub struct Notice {
    pub body: NoticeBody,
    /// When it was created: for an event, when the vault was notified of the commit.
    pub created: MonotonicTime,
    encoded: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// The content of a notice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NoticeBody {
    /// An event of the vault.
    Event(JournalRecord),
    /// The complete answer to one [`Subscription`](super::Subscription).
    Attached(Attached),
    /// The subscriber's user is no longer a member. The subscription has ended.
    Removed,
    /// The vault was deleted. Every subscription has ended.
    Closed,
}

/// The answer to a subscription. It is one notice, so that it is delivered as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attached {
    /// The ticket of the subscription.
    pub ticket: u64,
    /// Confirms a join. It precedes the events.
    pub joined: Option<Joined>,
    /// The missed events, oldest first, at most [`REPLAY_PAGE`].
    pub events: Vec<Arc<Notice>>,
    pub outcome: AttachOutcome,
}

/// The state of a subscription after its answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum AttachOutcome {
    /// No event is missing. The subscriber receives every further event.
    Live,
    /// More events were missed. The subscriber must resume after the last one that it received.
    More,
    /// The user is no longer a member. The subscription has ended.
    Removed,
    /// The vault was deleted. The subscription has ended.
    Closed,
    /// The missed events are no longer available.
    Lost,
    /// The subscription was refused. An earlier subscription of the same subscriber remains.
    Refused(VaultError),
}

/// The confirmation of a join.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Joined {
    pub role: Role,
    /// The vault's head.
    pub seq: Seq,
    /// The epoch that `seq` belongs to. The vault that answers gives it, because the epoch of the journal may have changed since.
    pub epoch: Epoch,
    /// The number of events up to `seq` that follow. `None` if none were requested or they are not available.
    pub replayed: Option<u64>,
    /// Events were requested that are not available. The client must list the sources again.
    pub resync: bool,
}

impl Joined {
    /// Returns the seq after which the subscriber receives events.
    pub fn last_known_seq(&self) -> Seq {
        Seq(self.seq.0 - self.replayed.unwrap_or(0))
    }
}

impl Notice {
    /// Returns a notice that subscribers can share.
    pub fn new(body: NoticeBody, created: MonotonicTime) -> Arc<Self> {
        Arc::new(Self {
            body,
            created,
            encoded: OnceLock::new(),
        })
    }

    /// Returns the encoded notice. The first call stores the result of `encode` and later calls return a clone of it.
    /// A later call for another type `W` encodes again.
    pub fn encoded<W: Any + Clone + Send + Sync>(&self, encode: impl Fn(&NoticeBody) -> W) -> W {
        let stored = self.encoded.get_or_init(|| Box::new(encode(&self.body)));
        stored
            .downcast_ref::<W>()
            .cloned()
            .unwrap_or_else(|| encode(&self.body))
    }
}

impl PartialEq for Notice {
    fn eq(&self, other: &Self) -> bool {
        self.body == other.body
    }
}

impl Eq for Notice {}

impl Hash for Notice {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.body.hash(state);
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notice").field(&self.body).finish()
    }
}

/// The receivers of a notice among the subscribers of one sink.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NoticeReceivers {
    /// All live subscribers of the vault.
    All,
    /// Only these subscribers.
    Only(Vec<SubscriberId>),
}

/// A notice for one sink.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    pub vault: VaultId,
    pub to: NoticeReceivers,
    pub notice: Arc<Notice>,
}

impl Delivery {
    /// Returns the space that the delivery needs in a sink: 1, plus 1 for each replayed event.
    pub fn weight(&self) -> usize {
        match &self.notice.body {
            NoticeBody::Attached(attached) => 1 + attached.events.len(),
            NoticeBody::Event(_) | NoticeBody::Removed | NoticeBody::Closed => 1,
        }
    }
}
