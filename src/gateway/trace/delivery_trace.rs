//! The trace itself: records packets, drops confirmed ones, and determines what a reconnecting client has received.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Epoch, Seq, SubscriberId, VaultId},
    gateway::offset::Offset,
};

use super::{
    packet_log::{PacketLog, SentPackets, TraceSlot},
    resumed::{ResumePosition, ResumedSubscription},
    subscriptions::{TracedSubscription, TracedSubscriptions},
    traced_join::TracedJoin,
};

/// The number of unconfirmed packets at which the trace requests a heartbeat.
const HEARTBEAT_AFTER: u64 = 512;

/// The packets that a socket was sent of its vaults since its last answered heartbeat.
///
/// Packets are numbered in the order sent, over all vaults of the socket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeliveryTrace {
    subscriptions: TracedSubscriptions,
    log: PacketLog,
    /// The number of the first packet in the log.
    first: u64,
    /// The number of the next packet to be sent.
    next: u64,
    /// Packets with smaller numbers have arrived.
    confirmed: u64,
    /// Packets with smaller numbers have arrived when the outstanding ping is answered.
    #[serde(skip)]
    pinged: Option<u64>,
    /// How many packets were dropped unconfirmed since the last [`take_dropped`](Self::take_dropped).
    #[serde(skip)]
    dropped: u64,
    /// The offset of the client's CONNECT. The client may send it again although this connection did not deliver it.
    initial_offset: Option<Offset>,
    /// The offset of the last confirmed packet. A client that has received nothing since sends it, also if the same event
    /// was sent once more because of another join.
    #[serde(default)]
    confirmed_offset: Option<Offset>,
    /// The last event of each vault among the packets that were dropped unconfirmed. The client may send the offset of one of
    /// them, although the same event was sent once more because of another join.
    #[serde(default)]
    dropped_events: BTreeMap<VaultId, Seq>,
    /// How many packets are recorded (`socketio.recovery_events`). Older ones are dropped, and a client that needs them is
    /// not recovered.
    #[serde(skip)]
    capacity: u64,
}

/// Where an offset lies in the trace.
enum OffsetPosition {
    /// It identifies the packet of this number, and no other.
    Packet(u64),
    /// It identifies none of the recorded packets.
    NotRecorded,
    /// It identifies several packets, or may come from an earlier connection.
    Ambiguous,
}

impl DeliveryTrace {
    /// Returns an empty trace that records `capacity` packets, for a client that sent this offset with its CONNECT.
    pub fn new(capacity: u64, initial_offset: Option<Offset>) -> Self {
        Self {
            initial_offset,
            capacity,
            ..Self::default()
        }
    }

    /// Records that a subscription is resumed at this position.
    pub fn record_resume(&mut self, id: SubscriberId, vault: &VaultId, position: ResumePosition) {
        let subscription = TracedSubscription {
            last_seen: Some(position.last_seen),
            joined_at: position.joined_at,
            epoch: position.epoch,
            ..TracedSubscription::new(vault)
        };
        self.subscriptions.insert(id, subscription);
    }

    /// Records a sent event, the one after the last event of its subscription. Returns whether a heartbeat should confirm
    /// the trace now.
    pub fn record_event(&mut self, id: SubscriberId) -> bool {
        let Some(slot) = self.subscriptions.slot(id) else {
            return false; // each subscription begins with a join or a resume
        };
        self.make_room();
        self.log.push_event(slot);
        self.count_recorded()
    }

    /// Records a sent `vault:joined`. Returns whether a heartbeat should confirm the trace now.
    pub fn record_join(&mut self, id: SubscriberId, vault: &VaultId, join: TracedJoin) -> bool {
        let slot = match self.subscriptions.slot(id) {
            Some(slot) => slot,
            None => self
                .subscriptions
                .insert(id, TracedSubscription::new(vault)),
        };
        if let Some(subscription) = self.subscriptions.at_mut(slot) {
            subscription.ended = false;
        }
        self.make_room();
        self.log.push_join(slot, join);
        self.count_recorded()
    }

    /// Records that the vault ended a subscription after the packets sent so far.
    pub fn record_end(&mut self, id: SubscriberId) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.ended = true;
        }
    }

    /// Records that the client left a vault. Recovery does not resume the subscription.
    pub fn record_leave(&mut self, id: SubscriberId) {
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            subscription.left = true;
        }
    }

    /// Records that a ping was queued after the packets sent so far.
    pub fn record_ping(&mut self) {
        self.pinged = Some(self.next);
    }

    /// Records that the ping was answered: drops the confirmed packets.
    pub fn record_pong(&mut self) {
        let Some(confirmed) = self.pinged.take() else {
            return;
        };
        self.confirmed = self.confirmed.max(confirmed);
        let mut last = None;
        while self.first < confirmed {
            let Some(packet) = self.drop_first() else {
                break;
            };
            last = Some(packet);
        }
        if let Some(packet) = last {
            self.confirmed_offset = self.offset_of(packet);
        }
        if self.first <= self.confirmed {
            self.dropped_events.clear();
        }
        self.log.shrink();
        let mut recorded = vec![false; self.subscriptions.slots().len()];
        for (slot, _) in self.log.iter() {
            recorded[slot.index()] = true;
        }
        self.subscriptions
            .retain(|slot, subscription| !subscription.is_over() || recorded[slot.index()]);
    }

    /// Returns how many packets were dropped unconfirmed since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Sets the epoch of the positions of a stored trace, which an earlier version wrote without one.
    pub fn complete_epochs(&mut self, epoch: &Epoch) {
        self.subscriptions.complete_epochs(epoch);
    }

    /// Returns the subscriptions to resume for a client that reconnects with this offset, or `None` if the trace does
    /// not show what the client has received.
    pub fn recover(&self, offset: Option<&Offset>) -> Option<Vec<ResumedSubscription>> {
        let mut unseen = self.clone();
        let position = match offset {
            Some(offset) => self.position_of(offset),
            None => OffsetPosition::NotRecorded,
        };
        match position {
            OffsetPosition::Packet(number) => {
                while unseen.first <= number && unseen.drop_first().is_some() {}
            }
            // The client has received the confirmed packets, and unconfirmed ones were dropped after them.
            OffsetPosition::NotRecorded if self.first > self.confirmed => return None,
            OffsetPosition::NotRecorded => {}
            OffsetPosition::Ambiguous => return None,
        }
        let resumed = unseen.resumed_subscriptions();
        // A user can be removed, added again and join again while packets are lost. Then one vault has two subscriptions,
        // whose events would be sent side by side.
        let is_first = |(index, subscription): (usize, &ResumedSubscription)| {
            resumed[..index]
                .iter()
                .all(|other| other.vault != subscription.vault)
        };
        let has_no_duplicates = resumed.iter().enumerate().all(is_first);
        has_no_duplicates.then_some(resumed)
    }

    /// Returns the subscriptions to resume for a client that has received none of the recorded packets.
    fn resumed_subscriptions(self) -> Vec<ResumedSubscription> {
        let mut unseen: Vec<UnseenPackets> = Vec::new();
        unseen.resize_with(self.subscriptions.slots().len(), UnseenPackets::default);
        for (slot, sent) in self.log.iter() {
            let unseen = &mut unseen[slot.index()];
            unseen.any = true;
            if let SentPackets::Joined(join) = sent {
                unseen.joins.push(join);
            }
        }
        let mut resumed = Vec::new();
        for (slot, subscription) in self.subscriptions.into_iter() {
            let unseen = &unseen[slot.index()];
            if subscription.left || (subscription.ended && !unseen.any) {
                continue;
            }
            let mut joins = unseen.joins.iter();
            let position = subscription.position();
            let joined = match position {
                Some(_) => None,
                None => joins.next().map(|join| join.joined.clone()),
            };
            let position_after_join = joined.as_ref().map(|joined| ResumePosition {
                last_seen: joined.last_known_seq(),
                joined_at: joined.seq,
                epoch: joined.epoch.clone(),
            });
            resumed.push(ResumedSubscription {
                vault: subscription.vault,
                position: position.or(position_after_join),
                joined,
                joins: joins.map(|join| join.attach.clone()).collect(),
            });
        }
        resumed
    }

    fn position_of(&self, offset: &Offset) -> OffsetPosition {
        let slots = self.subscriptions.slots().iter();
        let mut cursors: Vec<_> = slots
            .map(|subscription| Some(OffsetCursor::new(subscription.as_ref()?, offset)))
            .collect();
        let mut number = self.first;
        let mut numbers = self.log.iter().filter_map(|(slot, sent)| {
            let start = number;
            let cursor = cursors.get_mut(slot.index())?.as_mut();
            let index = match sent {
                SentPackets::Events(count) => {
                    number += count;
                    cursor?.pass_events(count)
                }
                SentPackets::Joined(join) => {
                    number += 1;
                    cursor?.pass_join(join, offset)
                }
            };
            Some(start + index?)
        });
        match (numbers.next(), numbers.next()) {
            (None, _) => OffsetPosition::NotRecorded,
            (Some(number), None) if !self.is_known(offset) => OffsetPosition::Packet(number),
            (Some(_), _) => OffsetPosition::Ambiguous,
        }
    }

    /// Returns whether the client may send this offset although it has received none of the recorded packets.
    fn is_known(&self, offset: &Offset) -> bool {
        let known = [&self.initial_offset, &self.confirmed_offset];
        known.into_iter().flatten().any(|known| known == offset) || self.is_of_dropped(offset)
    }

    /// Returns whether a packet that was dropped unconfirmed may have had this offset.
    fn is_of_dropped(&self, offset: &Offset) -> bool {
        let mut dropped = self.dropped_events.iter();
        dropped.any(|(vault, last)| offset.event_seq(vault).is_some_and(|seq| seq <= *last))
    }

    /// Returns the offset of the packet that was dropped last.
    fn offset_of(&self, DroppedPacket { slot, ticket }: DroppedPacket) -> Option<Offset> {
        let subscription = self.subscriptions.slots().get(slot.index())?.as_ref()?;
        let vault = &subscription.vault;
        match ticket {
            Some(ticket) => Some(Offset::for_join(vault, ticket)),
            None => Some(Offset::for_event(vault, subscription.last_seen?)),
        }
    }

    /// Drops the oldest packet of a full trace, before the next one is recorded: the log must not grow past its capacity.
    fn make_room(&mut self) {
        if self.next - self.first < self.capacity {
            return;
        }
        let Some(DroppedPacket { slot, ticket }) = self.drop_first() else {
            return;
        };
        self.dropped += 1;
        let subscription = self.subscriptions.slots().get(slot.index());
        if let Some(Some(subscription)) = subscription
            && ticket.is_none()
            && let Some(seq) = subscription.last_seen
        {
            let last = self.dropped_events.entry(subscription.vault.clone());
            let last = last.or_insert(seq);
            *last = seq.max(*last);
        }
    }

    /// Counts the packet that was just recorded. Returns whether a heartbeat should confirm the trace now.
    fn count_recorded(&mut self) -> bool {
        self.next += 1;
        let heartbeat_after = HEARTBEAT_AFTER.min(self.capacity / 2);
        self.next - self.first >= heartbeat_after && self.pinged.is_none()
    }

    /// Drops the oldest packet and moves its subscription past it. Returns `None` if there was none.
    fn drop_first(&mut self) -> Option<DroppedPacket> {
        let (slot, sent) = self.log.pop()?;
        self.first += 1;
        if let Some(subscription) = self.subscriptions.at_mut(slot) {
            match &sent {
                SentPackets::Events(_) => subscription.pass_event(),
                SentPackets::Joined(join) => subscription.pass_join(&join.joined),
            }
        }
        let ticket = match sent {
            SentPackets::Events(_) => None,
            SentPackets::Joined(join) => Some(join.ticket),
        };
        Some(DroppedPacket { slot, ticket })
    }

    /// Returns about how many bytes the trace takes.
    pub fn size_bytes(&self) -> usize {
        /// The text of a vault id, and the entry of the map.
        const PER_DROPPED_VAULT: usize = 80;
        let offsets = [&self.initial_offset, &self.confirmed_offset];
        let offset_bytes = |offset: &Offset| offset.as_str().len();
        let offsets: usize = offsets.into_iter().flatten().map(offset_bytes).sum();
        let dropped_events = self.dropped_events.len() * PER_DROPPED_VAULT;
        size_of::<Self>()
            + self.subscriptions.size_bytes()
            + self.log.size_bytes()
            + offsets
            + dropped_events
    }
}

/// A packet that was dropped from the log.
struct DroppedPacket {
    slot: TraceSlot,
    /// The ticket of the join. `None` for an event.
    ticket: Option<u64>,
}

/// The recorded packets of one subscription that a client has not received.
#[derive(Default)]
struct UnseenPackets<'a> {
    any: bool,
    joins: Vec<&'a TracedJoin>,
}

/// Searches an offset among the packets of one subscription.
struct OffsetCursor<'a> {
    vault: &'a VaultId,
    /// The event that the offset identifies, if it is an event of this vault.
    event: Option<Seq>,
    /// The last event before the packets that follow.
    last: Option<Seq>,
}

impl<'a> OffsetCursor<'a> {
    fn new(subscription: &'a TracedSubscription, offset: &Offset) -> Self {
        Self {
            vault: &subscription.vault,
            event: offset.event_seq(&subscription.vault),
            last: subscription.last_seen,
        }
    }

    /// Passes so many events. Returns the index of the one that the offset identifies.
    fn pass_events(&mut self, count: u64) -> Option<u64> {
        let before = self.last?;
        let last = Seq(before.0 + count);
        self.last = Some(last);
        let event = self
            .event
            .filter(|event| before < *event && *event <= last)?;
        Some(event.0 - before.0 - 1)
    }

    /// Passes a join. Returns zero if the offset identifies it.
    fn pass_join(&mut self, join: &TracedJoin, offset: &Offset) -> Option<u64> {
        self.last = Some(join.joined.last_known_seq());
        (*offset == Offset::for_join(self.vault, join.ticket)).then_some(0)
    }
}
