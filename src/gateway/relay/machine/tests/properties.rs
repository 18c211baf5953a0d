//! Random steps of sockets, of a vault whose actor is started again, and of a relay that falls behind. No socket is closed, and
//! each receives every event once and in order.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::story::{BOUNDS, joined, seat, since, vault};
use crate::{
    domain::{MonotonicTime, Seq, SubscriberId, VaultId},
    gateway::relay::machine::*,
    vault::{Attach, AttachOutcome},
};

const CLIENTS: u64 = 3;
/// How many events one answer of the modelled vault has.
const PAGE: u64 = 2;

#[derive(Clone, Debug)]
enum WorldStep {
    Commit,
    /// The vault actor panics after a commit that it has not published.
    CommitAndPanic,
    /// The mailbox of the relay is full.
    Fill,
    HandleRequest,
    HandleNotice,
    DrainMailbox,
    Room(u64),
    Join(u64),
    JoinSince(u64, u64),
    Leave(u64),
}

/// What the relay has requested of the vault.
enum VaultRequest {
    Subscribe(SubscriberId, u64, Attach),
    Leave(SubscriberId),
    CaughtUp,
}

/// What waits in the mailbox of the relay.
enum MailboxNotice {
    Event(u64),
    Answer(
        SubscriberId,
        u64,
        Option<(u64, Option<u64>)>,
        Vec<Seq>,
        AttachOutcome,
    ),
    FellBehind,
}

#[derive(Default)]
struct World {
    /// The head of the journal. The actor has published everything up to it.
    head: u64,
    live: BTreeSet<SubscriberId>,
    is_behind: bool,
    requests: VecDeque<VaultRequest>,
    mailbox: VecDeque<MailboxNotice>,
    is_drain_requested: bool,
    /// The last event of each client that has joined.
    known: [Option<u64>; CLIENTS as usize],
}

impl RelayEffects for World {
    type Event = Seq;

    fn perform(&mut self, effect: RelayEffect<'_, Seq>) {
        match effect {
            RelayEffect::Subscribe {
                seat,
                ticket,
                attach,
                ..
            } => {
                let request = VaultRequest::Subscribe(seat.subscriber, ticket, attach);
                self.requests.push_back(request);
            }
            RelayEffect::LeaveVault { subscriber, .. } => {
                self.requests.push_back(VaultRequest::Leave(subscriber));
            }
            RelayEffect::CaughtUp { .. } => self.requests.push_back(VaultRequest::CaughtUp),
            RelayEffect::SendEvent { seat, event, .. } => {
                let known = &mut self.known[seat.socket.0 as usize];
                assert_eq!(known.map(|known| known + 1), Some(event.0));
                *known = Some(event.0);
            }
            RelayEffect::SendJoined { seat, join, .. } => {
                let known = &mut self.known[seat.socket.0 as usize];
                let (after, head) = (join.joined.last_known_seq().0, join.joined.seq.0);
                assert!(
                    known.is_none_or(|known| known >= after),
                    "events are skipped"
                );
                assert!(join.attach != Attach::Join || known.is_none_or(|known| known == head));
                *known = Some(after);
            }
            RelayEffect::AwaitMailboxDrained { .. } => self.is_drain_requested = true,
            RelayEffect::CloseSocket { reason, .. } => panic!("socket closed: {reason:?}"),
            RelayEffect::RefuseJoin { .. } | RelayEffect::SendRemoved { .. } => {
                panic!("the modelled vault refuses nothing")
            }
            RelayEffect::ReleaseVault { .. }
            | RelayEffect::CancelJoin { .. }
            | RelayEffect::RecordResume { .. }
            | RelayEffect::RecordEnd { .. }
            | RelayEffect::RecordLeave { .. }
            | RelayEffect::AwaitOutboxRoom { .. }
            | RelayEffect::WakeAt(_) => {}
        }
    }
}

impl World {
    fn commit(&mut self) {
        self.head += 1;
        if !self.live.is_empty() && !self.is_behind {
            self.mailbox.push_back(MailboxNotice::Event(self.head));
        }
    }

    /// The relay receives nothing more until it has caught up. A new actor knows nothing of that.
    fn fall_behind(&mut self, is_behind: bool) {
        self.live.clear();
        if !self.is_behind {
            self.mailbox.push_back(MailboxNotice::FellBehind);
        }
        self.is_behind = is_behind;
    }

    fn handle_request(&mut self) {
        match self.requests.pop_front() {
            Some(VaultRequest::Subscribe(id, ticket, attach)) if !self.is_behind => {
                let head = self.head;
                let (answer, after) = match attach {
                    Attach::Join => (Some((head, None)), head),
                    Attach::JoinSince { seq, .. } => (Some((head, Some(head - seq.0))), seq.0),
                    Attach::Resume { after, .. } => (None, after.0.saturating_sub(1)),
                };
                let last = head.min(after + PAGE);
                let events = (after + 1..=last).map(Seq).collect();
                let outcome = if last == head {
                    self.live.insert(id);
                    AttachOutcome::Live
                } else {
                    self.live.remove(&id);
                    AttachOutcome::More
                };
                let notice = MailboxNotice::Answer(id, ticket, answer, events, outcome);
                self.mailbox.push_back(notice);
            }
            Some(VaultRequest::Leave(id)) => drop(self.live.remove(&id)),
            Some(VaultRequest::CaughtUp) => {
                self.is_behind = false;
                self.live.clear();
            }
            Some(VaultRequest::Subscribe(..)) | None => {}
        }
    }
}

/// A machine in its world.
struct RelayRun {
    machine: RelayMachine,
    world: World,
    vault: VaultId,
}

impl RelayRun {
    fn input(&mut self, input: RelayInput<'_, Seq>) {
        let now = MonotonicTime::default();
        self.machine.handle(input, now, &mut self.world);
        self.machine.check_invariants().unwrap();
    }

    fn join(&mut self, client: u64, attach: Attach) {
        let vault = self.vault.clone();
        self.input(RelayInput::Join {
            vault: &vault,
            seat: seat(client),
            attach,
            ack: None,
        });
    }

    fn handle_notice(&mut self) {
        let vault = self.vault.clone();
        match self.world.mailbox.pop_front() {
            Some(MailboxNotice::Event(seq)) => self.input(RelayInput::Event {
                vault: &vault,
                event: &Seq(seq),
            }),
            Some(MailboxNotice::Answer(subscriber, ticket, answer, events, outcome)) => {
                let joined = answer.map(|(seq, replayed)| joined(seq, replayed));
                let answer = VaultAnswer {
                    ticket,
                    joined: joined.as_ref(),
                    events: &events,
                    outcome: &outcome,
                };
                self.input(RelayInput::Answer {
                    vault: &vault,
                    subscriber,
                    answer,
                });
            }
            Some(MailboxNotice::FellBehind) => {
                self.input(RelayInput::FellBehind { vault: &vault });
            }
            None => {}
        }
    }

    fn step(&mut self, step: WorldStep) {
        let vault = self.vault.clone();
        match step {
            WorldStep::Commit => self.world.commit(),
            WorldStep::CommitAndPanic => {
                self.world.head += 1;
                self.world.fall_behind(false);
            }
            WorldStep::Fill => self.world.fall_behind(true),
            WorldStep::HandleRequest => self.world.handle_request(),
            WorldStep::HandleNotice => self.handle_notice(),
            WorldStep::DrainMailbox if self.world.is_drain_requested => {
                self.world.is_drain_requested = false;
                self.input(RelayInput::MailboxDrained { vault: &vault });
            }
            WorldStep::DrainMailbox => {}
            WorldStep::Room(client) => self.input(RelayInput::OutboxDrained {
                socket: RelaySocketId(client),
            }),
            WorldStep::Join(client) => self.join(client, Attach::Join),
            WorldStep::JoinSince(client, back) => {
                let known = self.world.known[client as usize].unwrap_or(0);
                self.join(client, since(known.saturating_sub(back)));
            }
            WorldStep::Leave(client) => {
                self.input(RelayInput::Leave {
                    vault: &vault,
                    subscriber: SubscriberId(client),
                });
                self.world.known[client as usize] = None;
            }
        }
    }

    /// Handles everything that waits.
    fn settle(&mut self) {
        for _ in 0..300 {
            self.step(WorldStep::HandleRequest);
            self.step(WorldStep::HandleNotice);
            if self.world.mailbox.is_empty() {
                self.step(WorldStep::DrainMailbox);
            }
            (0..CLIENTS).for_each(|client| self.step(WorldStep::Room(client)));
        }
    }
}

fn steps() -> impl Strategy<Value = Vec<WorldStep>> {
    let step = prop_oneof![
        6 => Just(WorldStep::Commit),
        1 => Just(WorldStep::CommitAndPanic),
        1 => Just(WorldStep::Fill),
        8 => Just(WorldStep::HandleRequest),
        10 => Just(WorldStep::HandleNotice),
        3 => Just(WorldStep::DrainMailbox),
        6 => (0..CLIENTS).prop_map(WorldStep::Room),
        3 => (0..CLIENTS).prop_map(WorldStep::Join),
        2 => (0..CLIENTS, 0..4_u64).prop_map(|(client, back)| WorldStep::JoinSince(client, back)),
        1 => (0..CLIENTS).prop_map(WorldStep::Leave),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_socket_receives_each_event_once_and_in_order(steps in steps()) {
        let mut run = RelayRun {
            machine: RelayMachine::new(BOUNDS, 0),
            world: World::default(),
            vault: vault("a"),
        };
        steps.into_iter().for_each(|step| run.step(step));
        run.settle();
        run.step(WorldStep::Commit);
        run.settle();
        for client in 0..CLIENTS {
            let id = SubscriberId(client);
            if run.machine.is_subscribed(&run.vault, id) {
                prop_assert_eq!(run.world.known[client as usize], Some(run.world.head));
                prop_assert_eq!(run.machine.pending_joins(&run.vault, id).count(), 0);
            }
        }
    }
}
