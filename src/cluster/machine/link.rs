//! The bus: when it is connected, and what is sent next. One transmission is under way at a time, so hints coalesce as long as
//! a slow bus needs.

use std::collections::VecDeque;

use crate::{
    cluster::message::{BusMessage, BusMessageBody, ClaimSupport, NodeId},
    domain::MonotonicTime,
};

use super::{
    claim_exchange::{Peer, PeerPresence},
    effect::ClusterEffect,
    state::{
        ClusterMachine, HEARTBEAT_INTERVAL, HINT_INTERVAL, LinkState, LiveLink, MAX_PEERS,
        MIN_HEARTBEAT_INTERVAL, PEER_LIFETIME, RETRY_INTERVAL, SILENCE_LIMIT, SKIP_INTERVAL,
        SendTurn, SentHeartbeat, Transmission,
    },
};

/// The largest number of heartbeats that have not come back: those of the time after which the bus is connected again.
const MAX_HEARTBEATS: usize =
    (SILENCE_LIMIT.as_millis() / MIN_HEARTBEAT_INTERVAL.as_millis()) as usize;

impl ClusterMachine {
    pub(super) fn connected(&mut self, now: MonotonicTime, effects: &mut VecDeque<ClusterEffect>) {
        self.heartbeats.clear();
        self.link = LinkState::Up(LiveLink {
            connected_at: now,
            heard_at: now,
            next_heartbeat: now,
            earliest_heartbeat: now,
            transmission: Transmission::Idle,
            hints_due: None,
            next_hints: now,
            turn: SendTurn::Claims,
        });
        effects.push_back(ClusterEffect::ReportUp);
        self.sweep_after_connect(now);
    }

    pub(super) fn disconnected(
        &mut self,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        match self.link {
            LinkState::Off | LinkState::Disconnected { .. } => return,
            LinkState::Connecting => {}
            LinkState::Up(_) => self.report_down(effects),
        }
        let retry_at = now + RETRY_INTERVAL;
        self.link = LinkState::Disconnected { retry_at };
    }

    /// The peers stay: those that run are soon received again, and the others are forgotten after a while.
    fn report_down(&mut self, effects: &mut VecDeque<ClusterEffect>) {
        self.end_all_claims(effects);
        effects.push_back(ClusterEffect::DropHints);
        effects.push_back(ClusterEffect::ReportDown);
    }

    pub(super) fn received(
        &mut self,
        message: BusMessage,
        follow_at: MonotonicTime,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        let BusMessage {
            sender,
            epoch,
            body,
        } = message;
        if epoch != self.epoch {
            return; // of another database on the same bus
        }
        if sender == self.node {
            return self.own_message_returned(&body, now, effects);
        }
        if self.peers.is_empty()
            && let LinkState::Up(link) = &mut self.link
        {
            // Not alone any more: what waits is sent soon.
            let soon = now + HINT_INTERVAL;
            link.next_hints = link.next_hints.min(soon);
            link.hints_due = link.hints_due.map(|due| due.min(soon));
        }
        self.peer_heard(sender, &body, now);
        match body {
            BusMessageBody::Heartbeat { .. } => {}
            BusMessageBody::Heads(hints) => self.hints_received(hints, follow_at, effects),
            BusMessageBody::Claims(claims) => self.claims_received(sender, claims, now, effects),
            BusMessageBody::Answers(answers) => self.answers_received(sender, answers, effects),
        }
    }

    fn peer_heard(&mut self, sender: NodeId, body: &BusMessageBody, now: MonotonicTime) {
        let known = self.peers.get(&sender).map(|peer| peer.claims);
        if known.is_none() && self.peers.len() >= MAX_PEERS {
            return;
        }
        let claims = match body {
            BusMessageBody::Heartbeat { claims, .. } => *claims,
            BusMessageBody::Heads(_) | BusMessageBody::Claims(_) | BusMessageBody::Answers(_) => {
                known.unwrap_or(ClaimSupport::Unknown)
            }
        };
        let peer = Peer {
            heard_at: now,
            claims,
            presence: PeerPresence::Present,
        };
        if self.peers.insert(sender, peer).is_none() {
            self.introduce(now);
        }
    }

    /// Sends a heartbeat soon, because another node has just appeared: it does not know this one yet, and asks only nodes that it
    /// knows for the connections of its clients.
    fn introduce(&mut self, now: MonotonicTime) {
        if let LinkState::Up(link) = &mut self.link {
            link.next_heartbeat = link.next_heartbeat.min(now.max(link.earliest_heartbeat));
        }
    }

    fn own_message_returned(
        &mut self,
        body: &BusMessageBody,
        now: MonotonicTime,
        effects: &mut VecDeque<ClusterEffect>,
    ) {
        let BusMessageBody::Heartbeat { number, .. } = body else {
            return;
        };
        if let LinkState::Up(link) = &mut self.link
            && let Some(position) = self
                .heartbeats
                .iter()
                .position(|sent| sent.number == *number)
        {
            link.heard_at = now;
            let lag = now.since(self.heartbeats[position].sent_at);
            self.heartbeats.drain(..=position);
            effects.push_back(ClusterEffect::RecordLag(lag));
        }
    }

    pub(super) fn sent(&mut self) {
        if let LinkState::Up(link) = &mut self.link {
            link.transmission = Transmission::Idle;
        }
    }

    /// Does what is due on the bus.
    pub(super) fn drive_link(&mut self, now: MonotonicTime, effects: &mut VecDeque<ClusterEffect>) {
        match &mut self.link {
            LinkState::Off | LinkState::Connecting => {}
            LinkState::Disconnected { retry_at } => {
                if *retry_at <= now {
                    self.link = LinkState::Connecting;
                    effects.push_back(ClusterEffect::Connect);
                }
            }
            LinkState::Up(link) if now.since(link.heard_at) >= SILENCE_LIMIT => {
                self.report_down(effects);
                self.link = LinkState::Connecting;
                effects.push_back(ClusterEffect::Connect);
            }
            LinkState::Up(link) => match link.transmission {
                Transmission::Sending => {}
                Transmission::Idle if link.next_heartbeat <= now => {
                    link.next_heartbeat = now + HEARTBEAT_INTERVAL;
                    link.earliest_heartbeat = now + MIN_HEARTBEAT_INTERVAL;
                    link.transmission = Transmission::Sending;
                    let number = self.heartbeat;
                    self.heartbeat += 1;
                    if self.heartbeats.len() == MAX_HEARTBEATS {
                        self.heartbeats.pop_front();
                    }
                    let sent_at = now;
                    self.heartbeats.push_back(SentHeartbeat { number, sent_at });
                    effects.push_back(ClusterEffect::SendHeartbeat(number));
                }
                Transmission::Idle if self.claims.has_unsent() && link.claims_precede(now) => {
                    link.turn = SendTurn::Hints;
                    link.transmission = Transmission::Sending;
                    effects.push_back(self.claims.take_unsent());
                }
                Transmission::Idle if link.hints_due.is_none_or(|due| due > now) => {}
                // A node announces itself when it connects, and each second.
                Transmission::Idle
                    if self.peers.is_empty() && now.since(link.connected_at) >= PEER_LIFETIME =>
                {
                    link.hints_due = None;
                    link.next_hints = now + SKIP_INTERVAL;
                    effects.push_back(ClusterEffect::SkipHints);
                }
                Transmission::Idle => {
                    link.hints_due = None;
                    link.next_hints = now + HINT_INTERVAL;
                    link.turn = SendTurn::Claims;
                    link.transmission = Transmission::Sending;
                    effects.push_back(ClusterEffect::SendHints);
                }
            },
        }
    }
}
