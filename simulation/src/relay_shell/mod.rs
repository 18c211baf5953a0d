//! The shell of the relay machine in the simulation. It does what `src/gateway/relay/effects.rs` and `state.rs` do, and what
//! a connection does with its trace.

mod effects;
mod performing;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use vaultcast::{
    domain::{Seq, SubscriberId},
    gateway::relay::machine::{
        RelayBounds, RelayInput, RelayMachine, SeatQuery, SequencedEvent, VaultAnswer,
    },
    journal::JournalRecord,
    vault::{Attached, Notice, NoticeBody, NoticeReceivers, SinkId},
};

use crate::{
    log::Log,
    mistakes::Mistake,
    names::vault_id,
    node::{Relay, RelayMessage},
    promises::Promise,
    vault_shell::describe_notice,
    world::World,
};

use effects::Collector;

/// An event as the relay machine sees it.
pub struct RelayedEvent<'a>(&'a JournalRecord);

impl SequencedEvent for RelayedEvent<'_> {
    fn seq(&self) -> Seq {
        self.0.seq
    }
}

impl World {
    /// Returns a relay without connections.
    pub fn new_relay(&mut self) -> Relay {
        let bounds = RelayBounds {
            mailbox: self.config.relay_mailbox,
            join_timeout: Duration::from_secs(10),
        };
        let id = self.take_id();
        Relay {
            sink: SinkId(id),
            machine: RelayMachine::new(bounds, id << 32),
            mailbox: VecDeque::new(),
            connections: BTreeMap::new(),
            awaiting_room: BTreeSet::new(),
            wake_at: None,
        }
    }

    /// Gives an input to a relay and performs the effects in order.
    pub fn relay_input<'e>(
        &mut self,
        node: usize,
        relay: usize,
        input: RelayInput<'_, RelayedEvent<'e>>,
        log: &mut Log,
    ) {
        let now = self.now;
        let mut collector = Collector::<'e>::default();
        let machine = &mut self.nodes[node].relays[relay].machine;
        machine.handle(input, now, &mut collector);
        if let Err(invariant) = machine.check_invariants() {
            self.fail(Promise::Invariants, invariant);
        }
        for effect in collector.effects {
            self.perform_relay(node, relay, effect, log);
        }
    }

    /// Handles the next message of a relay.
    pub fn handle_relay_message(&mut self, node: usize, relay: usize, log: &mut Log) {
        let Some(message) = self.nodes[node].relays[relay].mailbox.pop_front() else {
            return;
        };
        match message {
            RelayMessage::Notice { vault, to, notice } => {
                log.line(|| format!("    vault {vault}: {}", describe_notice(&notice)));
                self.handle_notice(node, relay, vault, &to, &notice, log);
            }
            RelayMessage::FellBehind(vault) => {
                let vault = &vault_id(vault);
                self.relay_input(node, relay, RelayInput::FellBehind { vault }, log);
            }
            RelayMessage::PositionsUnknown(vault) => {
                let vault = &vault_id(vault);
                self.relay_input(node, relay, RelayInput::PositionsUnknown { vault }, log);
            }
            RelayMessage::Drained(vault) => {
                let vault = &vault_id(vault);
                self.relay_input(node, relay, RelayInput::MailboxDrained { vault }, log);
            }
        }
    }

    fn handle_notice(
        &mut self,
        node: usize,
        relay: usize,
        index: usize,
        to: &NoticeReceivers,
        notice: &Notice,
        log: &mut Log,
    ) {
        let vault = &vault_id(index);
        let ids = match to {
            NoticeReceivers::All => &[][..],
            NoticeReceivers::Only(ids) => ids,
        };
        match &notice.body {
            NoticeBody::Event(record) => {
                let event = &RelayedEvent(record);
                self.relay_input(node, relay, RelayInput::Event { vault, event }, log);
            }
            NoticeBody::Attached(attached) => {
                for subscriber in ids {
                    self.handle_answer(node, relay, index, *subscriber, attached, log);
                }
            }
            NoticeBody::Removed => {
                let removed = RelayInput::Removed {
                    vault,
                    subscribers: ids,
                };
                self.relay_input(node, relay, removed, log);
            }
            NoticeBody::Closed => {
                self.relay_input(node, relay, RelayInput::Closed { vault }, log);
            }
        }
    }

    fn handle_answer(
        &mut self,
        node: usize,
        relay: usize,
        vault: usize,
        subscriber: SubscriberId,
        attached: &Attached,
        log: &mut Log,
    ) {
        let vault = &vault_id(vault);
        let events = attached
            .events
            .iter()
            .filter_map(|event| match &event.body {
                NoticeBody::Event(record) => Some(RelayedEvent(record)),
                NoticeBody::Attached(_) | NoticeBody::Removed | NoticeBody::Closed => None,
            });
        let events: Vec<_> = events.collect();
        let mut ticket = attached.ticket;
        if self.config.mistake == Some(Mistake::IgnoreTickets) {
            let seat = self.nodes[node].relays[relay]
                .machine
                .seat(vault, subscriber);
            if let Some(SeatQuery::Sent(sent)) = seat.map(|seat| seat.query) {
                ticket = sent.ticket;
            }
        }
        let answer = VaultAnswer {
            ticket,
            joined: attached.joined.as_ref(),
            events: &events,
            outcome: &attached.outcome,
        };
        let input = RelayInput::Answer {
            vault,
            subscriber,
            answer,
        };
        self.relay_input(node, relay, input, log);
    }
}
