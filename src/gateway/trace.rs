//! What a socket was sent of its vaults and may not have received: enough to send it again to a client that comes back.
//!
//! Everything that a socket is sent of its vaults is noted here in its order, under the offset that the client tells
//! when it comes back. An answered heartbeat shows that what left before it has arrived; it is forgotten then, and
//! only the place where each vault stood is kept. A client that names an offset saw everything up to its place here; one
//! that names another saw what heartbeats confirmed, for it keeps the last offset of an earlier connection.
//!
//! These are plain data and rules: nothing here knows sockets.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Seq, SubscriberId, VaultId},
    vault::{Attach, Joined},
};

use super::offset::Offset;

/// How many things that were sent are kept; older ones are dropped, and recovery from before them is refused.
const KEPT: u64 = 1024;

/// What one socket was sent of its vaults since its last answered heartbeat.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trace {
    subscriptions: BTreeMap<u64, Subscription>,
    /// What was sent, oldest first: events that follow each other are one entry.
    entries: VecDeque<Entry>,
    /// The number of the first thing in the entries, and of the next one to be sent.
    first: u64,
    next: u64,
    /// Things before this one have arrived.
    confirmed: u64,
    /// Things before this one have arrived when the ping that is out is answered.
    #[serde(skip)]
    pinged: Option<u64>,
    /// Things that were dropped before it was known that they have arrived, and not yet told of.
    #[serde(skip)]
    dropped: u64,
    /// The offset that the client came with, which it may tell again without having seen it here.
    brought: Option<Offset>,
}

/// A vault that the socket is or was in.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Subscription {
    vault: VaultId,
    /// What the client has seen if it saw nothing of the entries; none before it has joined.
    q: Option<Seq>,
    /// Where the vault stood when it joined.
    joined_at: Seq,
    /// It has ended, so that there is nothing to hear beyond the last entry.
    ended: bool,
    /// The client asked to leave.
    left: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    subscription: u64,
    sent: Sent,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Sent {
    /// Events, from the first to the last.
    Events(Seq, Seq),
    /// `vault:joined`, under its ticket, as the answer to what was asked for. Boxed, for it is rare.
    Joined(Box<(u64, Attach, Joined)>),
}

/// A subscription as it is to be taken up again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resumed {
    pub vault: VaultId,
    /// What the client has seen, and where the vault stood when it joined; none where it has not joined yet.
    pub seen: Option<(Seq, Seq)>,
    /// That it joined, where it does not know that yet.
    pub joined: Option<Joined>,
    /// Joins that are still to be answered, or whose answer it did not see.
    pub joins: Vec<Attach>,
}

impl Trace {
    /// Nothing was sent yet, to a client that came with this offset.
    pub(super) fn begin(brought: Option<Offset>) -> Self {
        Self {
            brought,
            ..Self::default()
        }
    }

    /// A subscription is taken up again after what the client has seen.
    pub(super) fn resume(&mut self, id: SubscriberId, vault: &VaultId, (q, joined_at): (Seq, Seq)) {
        let subscription = Subscription {
            q: Some(q),
            joined_at,
            ..Subscription::of(vault)
        };
        self.subscriptions.insert(id.0, subscription);
    }

    /// An event was sent. Whether it is time to learn what has arrived.
    pub(super) fn event(&mut self, id: SubscriberId, seq: Seq) -> bool {
        match self.entries.back_mut() {
            Some(Entry {
                subscription,
                sent: Sent::Events(_, last),
            }) if *subscription == id.0 && last.next() == seq => *last = seq,
            Some(_) | None => self.entries.push_back(Entry {
                subscription: id.0,
                sent: Sent::Events(seq, seq),
            }),
        }
        self.noted()
    }

    /// `vault:joined` was sent as the answer to a join.
    pub(super) fn joined(
        &mut self,
        id: SubscriberId,
        vault: &VaultId,
        (ticket, attach, joined): (u64, &Attach, &Joined),
    ) -> bool {
        let new = || Subscription::of(vault);
        let subscription = self.subscriptions.entry(id.0).or_insert_with(new);
        subscription.ended = false;
        self.entries.push_back(Entry {
            subscription: id.0,
            sent: Sent::Joined(Box::new((ticket, attach.clone(), joined.clone()))),
        });
        self.noted()
    }

    /// The subscription has ended behind what was sent of it.
    pub(super) fn ended(&mut self, id: SubscriberId) {
        if let Some(subscription) = self.subscriptions.get_mut(&id.0) {
            subscription.ended = true;
        }
    }

    /// The client asked to leave: nothing of it is sent again.
    pub(super) fn left(&mut self, id: SubscriberId) {
        if let Some(subscription) = self.subscriptions.get_mut(&id.0) {
            subscription.left = true;
        }
    }

    /// A ping was queued behind everything that was sent.
    pub(super) fn pinged(&mut self) {
        self.pinged = Some(self.next);
    }

    /// The ping was answered.
    pub(super) fn answered(&mut self) {
        let Some(confirmed) = self.pinged.take() else {
            return;
        };
        self.confirmed = self.confirmed.max(confirmed);
        while self.first < confirmed && self.drop_first() {}
        let named: Vec<_> = self
            .entries
            .iter()
            .map(|entry| entry.subscription)
            .collect();
        self.subscriptions
            .retain(|id, subscription| !subscription.is_over() || named.contains(id));
    }

    /// How much was dropped, since this was last asked, before it was known that it has arrived.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// What is to be taken up again for a client that names its last offset; `None` where it cannot be told what it saw.
    pub(super) fn recover(&self, offset: Option<&Offset>) -> Option<Vec<Resumed>> {
        let mut left = self.clone();
        let seen = match offset {
            Some(offset) => self.place_of(offset)?,
            None => None,
        };
        match seen {
            Some(place) => while left.first <= place && left.drop_first() {},
            // It saw what was confirmed, of which some is not known any longer.
            None if self.first > self.confirmed => return None,
            None => {}
        }
        let mut resumed = Vec::new();
        for (id, subscription) in left.subscriptions {
            let unseen = || {
                let of_it = move |entry: &&Entry| entry.subscription == id;
                left.entries.iter().filter(of_it).map(|entry| &entry.sent)
            };
            if subscription.left || (subscription.ended && unseen().next().is_none()) {
                continue;
            }
            let mut joins = unseen().filter_map(Sent::joined);
            let seen = subscription.q.map(|q| (q, subscription.joined_at));
            let joined = match seen {
                Some(_) => None,
                None => joins.next().map(|(_, joined)| joined.clone()),
            };
            resumed.push(Resumed {
                vault: subscription.vault,
                seen: seen.or(joined.as_ref().map(|joined| (joined.after(), joined.seq))),
                joined,
                joins: joins.map(|(attach, _)| attach.clone()).collect(),
            });
        }
        // Who was removed, let in again and joined anew, and saw neither: two subscriptions of one vault would be told side
        // by side, and the newer one's join before the older one's events.
        let once =
            |(n, one): (usize, &Resumed)| resumed[..n].iter().all(|other| other.vault != one.vault);
        if !resumed.iter().enumerate().all(once) {
            return None;
        }
        Some(resumed)
    }

    /// The number of the one thing that an offset names, if there is one; `None` when nobody can say.
    fn place_of(&self, offset: &Offset) -> Option<Option<u64>> {
        let mut number = self.first;
        let mut places = self
            .entries
            .iter()
            .filter_map(|Entry { subscription, sent }| {
                let start = number;
                number += sent.count();
                let vault = &self.subscriptions.get(subscription)?.vault;
                Some(start + sent.place_of(offset, vault)?)
            });
        let place = places.next();
        let is_one =
            places.next().is_none() && (place.is_none() || self.brought.as_ref() != Some(offset));
        is_one.then_some(place)
    }

    /// Numbers what was just added to the entries. Whether it is time to learn what has arrived.
    fn noted(&mut self) -> bool {
        self.next += 1;
        if self.next - self.first > KEPT {
            self.drop_first();
            self.dropped += 1;
        }
        self.next - self.first >= KEPT / 2 && self.pinged.is_none()
    }

    /// Takes the oldest thing for seen; whether there was one.
    fn drop_first(&mut self) -> bool {
        let Some(Entry { subscription, sent }) = self.entries.front_mut() else {
            return false;
        };
        self.first += 1;
        let is_last = sent.count() == 1;
        if let Some(subscription) = self.subscriptions.get_mut(subscription) {
            match sent {
                Sent::Events(first, _) => subscription.q = Some(*first),
                Sent::Joined(joined) => {
                    subscription.q = Some(joined.2.after());
                    subscription.joined_at = joined.2.seq;
                }
            }
        }
        match sent {
            Sent::Events(first, _) if !is_last => *first = first.next(),
            Sent::Events(..) | Sent::Joined(_) => drop(self.entries.pop_front()),
        }
        true
    }
}

impl Subscription {
    fn of(vault: &VaultId) -> Self {
        Self {
            vault: vault.clone(),
            q: None,
            joined_at: Seq::ZERO,
            ended: false,
            left: false,
        }
    }

    fn is_over(&self) -> bool {
        self.ended || self.left
    }
}

impl Sent {
    fn joined(&self) -> Option<(&Attach, &Joined)> {
        match self {
            Self::Events(..) => None,
            Self::Joined(joined) => Some((&joined.1, &joined.2)),
        }
    }

    /// How many things it is.
    fn count(&self) -> u64 {
        match self {
            Self::Events(first, last) => last.0 - first.0 + 1,
            Self::Joined(_) => 1,
        }
    }

    /// Which of them an offset names, if it does.
    fn place_of(&self, offset: &Offset, vault: &VaultId) -> Option<u64> {
        match self {
            Self::Events(first, last) => {
                let seq = offset.event(vault)?;
                (*first..=*last).contains(&seq).then(|| seq.0 - first.0)
            }
            Self::Joined(joined) => (*offset == Offset::of_join(vault, joined.0)).then_some(0),
        }
    }
}

#[cfg(test)]
mod tests;
