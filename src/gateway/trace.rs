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

/// How many entries are kept; older ones are dropped, and recovery from before them is refused.
const KEPT: usize = 1024;

/// What one socket was sent of its vaults since its last answered heartbeat.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trace {
    subscriptions: BTreeMap<u64, Subscription>,
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    /// Entries before this one have arrived.
    confirmed: u64,
    /// Entries before this one have arrived when the ping that is out is answered.
    #[serde(skip)]
    pinged: Option<u64>,
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
    Event(Seq),
    /// `vault:joined`, under its ticket, as the answer to what was asked for.
    Joined(u64, Attach, Joined),
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
        self.note(id, Sent::Event(seq))
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
        self.note(id, Sent::Joined(ticket, attach.clone(), joined.clone()))
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
        self.pinged = Some(self.first + self.entries.len() as u64);
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

    /// What is to be taken up again for a client that names its last offset; `None` where it cannot be told what it saw.
    pub(super) fn recover(&self, offset: Option<&Offset>) -> Option<Vec<Resumed>> {
        let mut left = self.clone();
        let seen = match offset {
            Some(offset) => self.place_of(offset)?,
            None => None,
        };
        match seen {
            Some(place) => {
                for _ in 0..=place {
                    left.drop_first();
                }
            }
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
        Some(resumed)
    }

    /// The one place among the entries that an offset names, if there is one; `None` when nobody can say.
    fn place_of(&self, offset: &Offset) -> Option<Option<usize>> {
        let mut places = (self.entries.iter().enumerate())
            .filter(|(_, entry)| self.offset_of(entry).as_ref() == Some(offset))
            .map(|(place, _)| place);
        let place = places.next();
        let is_one =
            places.next().is_none() && (place.is_none() || self.brought.as_ref() != Some(offset));
        is_one.then_some(place)
    }

    fn offset_of(&self, entry: &Entry) -> Option<Offset> {
        let vault = &self.subscriptions.get(&entry.subscription)?.vault;
        Some(match &entry.sent {
            Sent::Event(seq) => Offset::of_event(vault, *seq),
            Sent::Joined(ticket, ..) => Offset::of_join(vault, *ticket),
        })
    }

    fn note(&mut self, id: SubscriberId, sent: Sent) -> bool {
        if self.entries.len() == KEPT {
            self.drop_first();
        }
        self.entries.push_back(Entry {
            subscription: id.0,
            sent,
        });
        self.entries.len() >= KEPT / 2 && self.pinged.is_none()
    }

    /// Takes the oldest entry for seen; whether there was one.
    fn drop_first(&mut self) -> bool {
        let Some(Entry { subscription, sent }) = self.entries.pop_front() else {
            return false;
        };
        self.first += 1;
        if let Some(subscription) = self.subscriptions.get_mut(&subscription) {
            match sent {
                Sent::Event(seq) => subscription.q = Some(seq),
                Sent::Joined(_, _, joined) => {
                    subscription.q = Some(joined.after());
                    subscription.joined_at = joined.seq;
                }
            }
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
            Self::Event(_) => None,
            Self::Joined(_, attach, joined) => Some((attach, joined)),
        }
    }
}

#[cfg(test)]
mod tests;
