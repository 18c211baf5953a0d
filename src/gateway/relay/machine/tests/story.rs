//! Gives inputs to a relay machine and describes its effects. Events are their numbers.

use std::time::Duration;

use crate::{
    domain::{MonotonicTime, Role, Seq, SubscriberId, VaultId},
    gateway::{relay::machine::*, trace::ResumedSubscription},
    vault::{Attach, AttachOutcome, Joined},
};

/// The mailbox of the relay has room for two pages per vault.
pub(super) const BOUNDS: RelayBounds = RelayBounds {
    mailbox: 256,
    join_timeout: Duration::from_secs(5),
};

/// A machine, the time, and the vault that most stories are about.
pub(super) struct RelayStory {
    pub(super) machine: RelayMachine,
    pub(super) now: MonotonicTime,
    pub(super) vault: VaultId,
}

/// Describes effects. Bookkeeping of traces, wake-ups and outboxes is left out unless a story looks for it.
#[derive(Default)]
struct EffectDescriptions(Vec<String>);

impl RelayEffects for EffectDescriptions {
    type Event = Seq;

    fn perform(&mut self, effect: RelayEffect<'_, Seq>) {
        self.0.extend(describe(effect));
    }
}

fn describe(effect: RelayEffect<'_, Seq>) -> Option<String> {
    Some(match effect {
        RelayEffect::Subscribe {
            seat,
            ticket,
            attach,
            ..
        } => match attach {
            Attach::Join => format!("ask {ticket}: join {}", seat.subscriber.0),
            Attach::JoinSince { seq, .. } => {
                format!("ask {ticket}: join {} since {}", seat.subscriber.0, seq.0)
            }
            Attach::Resume { after, .. } => {
                format!(
                    "ask {ticket}: resume {} after {}",
                    seat.subscriber.0, after.0
                )
            }
        },
        RelayEffect::LeaveVault { subscriber, .. } => format!("leave {}", subscriber.0),
        RelayEffect::CaughtUp { .. } => "caught up".to_owned(),
        RelayEffect::ReleaseVault { .. } => "release the vault".to_owned(),
        RelayEffect::SendEvent { seat, event, .. } => {
            format!("send {} to {}", event.0, seat.socket.0)
        }
        RelayEffect::SendJoined { seat, join, .. } => {
            format!("joined at {} to {}", join.joined.seq.0, seat.socket.0)
        }
        RelayEffect::RefuseJoin { socket, error, .. } => {
            format!("refuse {}: {error}", socket.0)
        }
        RelayEffect::CancelJoin { ack } => format!("cancel ack {}", ack.0),
        RelayEffect::SendRemoved { socket, .. } => format!("removed to {}", socket.0),
        RelayEffect::CloseSocket { socket, .. } => format!("close {}", socket.0),
        RelayEffect::AwaitOutboxRoom { socket } => format!("room of {}?", socket.0),
        RelayEffect::AwaitMailboxDrained { .. } => "drain the mailbox".to_owned(),
        RelayEffect::WakeAt(_)
        | RelayEffect::RecordResume { .. }
        | RelayEffect::RecordEnd { .. }
        | RelayEffect::RecordLeave { .. } => return None,
    })
}

/// The seat of a socket. Socket and subscriber have the same number.
pub(super) fn seat(number: u64) -> SeatId {
    SeatId {
        socket: RelaySocketId(number),
        subscriber: SubscriberId(number),
    }
}

pub(super) fn joined(seq: u64, replayed: Option<u64>) -> Joined {
    Joined {
        role: Role::Viewer,
        seq: Seq(seq),
        epoch: "epoch".into(),
        replayed,
        resync: false,
    }
}

pub(super) fn since(seq: u64) -> Attach {
    Attach::JoinSince {
        seq: Seq(seq),
        epoch: None,
    }
}

impl RelayStory {
    pub(super) fn new() -> Self {
        Self {
            machine: RelayMachine::new(BOUNDS, 0),
            now: MonotonicTime::default(),
            vault: vault("a"),
        }
    }

    /// Returns a story in which these sockets have joined the vault at this head. The next ticket is their number.
    pub(super) fn with_live_seats(numbers: &[u64], head: u64) -> Self {
        let mut story = Self::new();
        for (ticket, number) in (0..).zip(numbers) {
            story.join(*number, Attach::Join);
            story.answer(
                *number,
                ticket,
                Some(joined(head, None)),
                &[],
                AttachOutcome::Live,
            );
        }
        story
    }

    /// Gives an input, checks the invariants, and returns the descriptions of the effects.
    pub(super) fn input(&mut self, input: RelayInput<'_, Seq>) -> Vec<String> {
        let mut effects = EffectDescriptions::default();
        self.machine.handle(input, self.now, &mut effects);
        self.machine.check_invariants().unwrap();
        effects.0
    }

    pub(super) fn join(&mut self, number: u64, attach: Attach) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::Join {
            vault: &vault,
            seat: seat(number),
            attach,
            ack: Some(JoinAckId(number)),
        })
    }

    pub(super) fn resume(&mut self, number: u64, resumed: ResumedSubscription) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::Resume {
            vault: &vault,
            seat: seat(number),
            resumed,
        })
    }

    pub(super) fn leave(&mut self, number: u64) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::Leave {
            vault: &vault,
            subscriber: SubscriberId(number),
        })
    }

    pub(super) fn event(&mut self, seq: u64) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::Event {
            vault: &vault,
            event: &Seq(seq),
        })
    }

    pub(super) fn answer(
        &mut self,
        number: u64,
        ticket: u64,
        joined: Option<Joined>,
        events: &[u64],
        outcome: AttachOutcome,
    ) -> Vec<String> {
        let vault = self.vault.clone();
        let events: Vec<_> = events.iter().copied().map(Seq).collect();
        self.input(RelayInput::Answer {
            vault: &vault,
            subscriber: SubscriberId(number),
            answer: VaultAnswer {
                ticket,
                joined: joined.as_ref(),
                events: &events,
                outcome: &outcome,
            },
        })
    }

    pub(super) fn positions_unknown(&mut self) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::PositionsUnknown { vault: &vault })
    }

    pub(super) fn fell_behind(&mut self) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::FellBehind { vault: &vault })
    }

    pub(super) fn mailbox_drained(&mut self) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::MailboxDrained { vault: &vault })
    }

    pub(super) fn room(&mut self, number: u64) -> Vec<String> {
        self.input(RelayInput::OutboxDrained {
            socket: RelaySocketId(number),
        })
    }

    pub(super) fn removed(&mut self, number: u64) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::Removed {
            vault: &vault,
            subscribers: &[SubscriberId(number)],
        })
    }

    pub(super) fn closed(&mut self) -> Vec<String> {
        let vault = self.vault.clone();
        self.input(RelayInput::Closed { vault: &vault })
    }

    /// Lets time pass and sends the tick.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<String> {
        self.now = self.now + time;
        self.input(RelayInput::Tick)
    }

    pub(super) fn state(&self, number: u64) -> SeatState {
        let seat = self.machine.seat(&self.vault, SubscriberId(number));
        seat.unwrap().state.clone()
    }
}

/// Returns a vault id that ends with a letter.
pub(super) fn vault(letter: &str) -> VaultId {
    VaultId::parse(&format!("c{}", letter.repeat(24))).unwrap()
}
