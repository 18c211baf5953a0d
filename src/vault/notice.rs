//! What a subscriber hears, and the way it leaves the vault.

use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Role, Seq, SubscriberId, VaultId},
    journal::Record,
};

use super::{VaultError, VaultHandle};

/// How many events a subscriber is told of what he missed before he asks for more: no more than a small outbox holds.
pub const PAGE: usize = 32;

/// Something that subscribers hear. Shared by all of them, and put into its wire form at most once, by
/// whoever needs it first: the vault never learns what the wire looks like.
pub struct Notice {
    /// What it says.
    pub body: Body,
    /// When it was made: of an event, when its vault heard that it is on disk.
    pub since: Instant,
    wire: OnceLock<Box<dyn Any + Send + Sync>>,
}

/// What a notice says.
#[derive(Clone, Debug)]
pub enum Body {
    /// Something happened.
    Event(Record),
    /// The whole answer to one [`Subscription`](super::Subscription).
    Attached(Attached),
    /// The subscriber's user is no longer a member; this subscription has ended.
    Removed,
    /// The vault is no more; every subscription has ended.
    Closed,
}

/// What came of a subscription: whether he is in, what he missed, and how it goes on. It is one notice, so that it
/// arrives whole or not at all.
#[derive(Clone, Debug)]
pub struct Attached {
    /// That of the subscription.
    pub ticket: u64,
    /// He is in: comes first, where he joins.
    pub joined: Option<Joined>,
    /// What he missed, oldest first: never more than a [`PAGE`].
    pub events: Vec<Arc<Notice>>,
    pub then: Then,
}

/// How it goes on with somebody who was attached.
#[derive(Clone, Debug)]
pub enum Then {
    /// He has heard what he missed and is counted in: from here on he hears what everybody hears.
    Live,
    /// He missed more than this: he is attached again, after the last event that he got, when he asks for it.
    More,
    /// He is no longer a member; his subscription has ended.
    Removed,
    /// The vault is no more; his subscription has ended.
    Closed,
    /// What he missed cannot be told any longer.
    Lost,
    /// He is not let in, and a subscription that he has stays as it is.
    Refused(VaultError),
}

/// That somebody joined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub role: Role,
    /// Where the vault stands.
    pub seq: Seq,
    /// How many events up to `seq` follow, where some were asked for and are known.
    pub replayed: Option<u64>,
    /// Some were asked for that cannot be told: whoever asked lists the sources anew.
    pub resync: bool,
}

impl Joined {
    /// The last event that whoever joined is taken to know: what follows it is told.
    pub fn after(&self) -> Seq {
        Seq(self.seq.0 - self.replayed.unwrap_or(0))
    }
}

impl Notice {
    /// A notice to be shared.
    pub fn new(body: Body) -> Arc<Self> {
        Arc::new(Self {
            body,
            since: Instant::now(),
            wire: OnceLock::new(),
        })
    }

    /// The notice as it is sent. Whoever asks second gets what the first one made; should he want another form
    /// of it, he makes that himself.
    pub fn wire<W: Any + Clone + Send + Sync>(&self, encode: impl Fn(&Body) -> W) -> W {
        let made = self.wire.get_or_init(|| Box::new(encode(&self.body)));
        made.downcast_ref::<W>()
            .cloned()
            .unwrap_or_else(|| encode(&self.body))
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Notice").field(&self.body).finish()
    }
}

/// Whom a notice is for, among the subscribers that one sink serves.
#[derive(Clone, Debug)]
pub enum Audience {
    /// Everybody who has joined.
    Everyone,
    /// These alone.
    Only(Vec<SubscriberId>),
}

/// A notice on its way to one sink.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub vault: VaultId,
    pub to: Audience,
    pub notice: Arc<Notice>,
}

impl Delivery {
    /// How much room it takes: that of the events in it, and of what is said beside them.
    pub fn weight(&self) -> usize {
        match &self.notice.body {
            Body::Attached(attached) => 1 + attached.events.len(),
            Body::Event(_) | Body::Removed | Body::Closed => 1,
        }
    }
}

/// A sink has no room for another notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Where a vault's notices leave: one for each worker thread, for the subscribers that it serves. Whatever a
/// subscriber hears of a vault comes through one sink, in one order.
pub trait Sink: Send + Sync {
    /// Names the sink among all.
    fn id(&self) -> SinkId;

    /// Takes a notice, behind all it has taken before. One that holds nothing takes any, whatever its
    /// [weight](Delivery::weight).
    ///
    /// # Errors
    /// `Full` when it has no room; the vault then calls [`fell_behind`](Self::fell_behind) and sends no more.
    fn deliver(&self, delivery: Delivery) -> Result<(), Full>;

    /// Says that the sink's subscribers of this vault were left out from here on, or that this vault's actor has died.
    /// Always taken, behind all that was taken before. The sink then calls
    /// [`caught_up`](VaultHandle::caught_up), which makes every subscription that was not answered void, and attaches its
    /// subscribers again: each after the last event that he got, and those whose joins were not answered yet with
    /// their joins.
    fn fell_behind(&self, vault: VaultHandle);
}

/// Names a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SinkId(pub u64);
