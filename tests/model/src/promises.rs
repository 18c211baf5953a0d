//! The promises, as properties: what holds in every world that can come about, and what does come about in some.
//!
//! The numbers are those of the promises that the service makes to its clients. An ear notes the first promise that is
//! broken to it, so that a property asks for no more than that note. What is owed at last is owed when the world is quiet:
//! when nothing is going on any more, and only what somebody may want, or fate, is left.

use stateright::Property;

use crate::{
    bounds::Bounds,
    client::{Client, Wrong},
    journal::{Answer, Seq, Written},
    relay::{Attached, Mail, Then},
    session::{Carrier, Frame, Session},
    vault::{Look, Message, VaultActor},
    world::{Process, World},
};

pub const ON_DISK: &str = "1: an event is never sent before it is on disk";
pub const NO_GAPS: &str = "1, 2: events come in order and without gaps";
pub const ONCE: &str = "2: each event comes once";
pub const EVERYTHING: &str = "3: who joined at S hears everything after S";
pub const SINCE: &str = "4: what follows a join with since is what follows that event";
pub const ANSWER: &str = "5: an answer tells the place of its event, which is on disk";
pub const REFUSAL: &str = "5: what was answered with an error was not written";
pub const DONE_ONCE: &str = "5: nothing is done twice";
pub const ANSWERED: &str = "5: every author is answered";
pub const REMOVED: &str = "6: who was removed, or is not in, hears nothing";
pub const SENT_ORDER: &str = "7: what is sent one after the other takes effect so";
pub const JOIN_ORDER: &str = "7: a join takes its place before what was sent after it";
pub const LEFT: &str = "7: nothing comes behind the acknowledgement of a leave";
pub const WHOLE: &str = "recovery is whole or not at all";
pub const IN_STEP: &str = "a relay never sees a gap";
pub const NO_STRAY: &str = "every join is answered, and every session has its client";

pub fn of(bounds: &Bounds) -> Vec<Property<Bounds>> {
    let mut all = vec![
        Property::always(ON_DISK, |_, world: &World| {
            let head = world.shared.journal.head();
            told(world).all(|seq| seq <= head)
        }),
        Property::always(NO_GAPS, |_, world: &World| nobody(world, Wrong::Gap)),
        Property::always(ONCE, |_, world: &World| nobody(world, Wrong::Again)),
        Property::always(EVERYTHING, |bounds, world: &World| {
            !is_quiet(bounds, world)
                || (0..)
                    .zip(&world.clients)
                    .all(|one| has_heard_all(one, world, bounds))
        }),
        Property::always(SINCE, |_, world: &World| {
            nobody(world, Wrong::OtherPlace) && nobody(world, Wrong::ResyncForNothing)
        }),
        Property::always(ANSWER, |_, world: &World| {
            answers(world).all(|(mutation, answer)| match answer {
                Answer::Done(seq) => {
                    world.shared.journal.events.get(usize::from(seq) - 1) == Some(&mutation)
                }
                Answer::Awaited(_) | Answer::Failed | Answer::Unknown | Answer::Lost => true,
            })
        }),
        Property::always(REFUSAL, |_, world: &World| {
            answers(world)
                .all(|(mutation, answer)| answer != Answer::Failed || !is_written(world, mutation))
        }),
        Property::always(DONE_ONCE, |_, world: &World| {
            let events = &world.shared.journal.events;
            (1..events.len()).all(|n| !events[n..].contains(&events[n - 1]))
        }),
        Property::always(ANSWERED, |bounds, world: &World| {
            let waits = |(_, answer)| matches!(answer, Answer::Awaited(_));
            !answers(world).any(waits) || !is_quiet(bounds, world)
        }),
        Property::always(REMOVED, |_, world: &World| nobody(world, Wrong::Outside)),
        Property::always(SENT_ORDER, |bounds, world: &World| {
            bounds.processes > 1 || world.shared.journal.events.is_sorted()
        }),
        Property::always(JOIN_ORDER, |_, world: &World| {
            nobody(world, Wrong::JoinedLate)
        }),
        Property::always(LEFT, |_, world: &World| nobody(world, Wrong::AfterLeaving)),
        Property::always(WHOLE, |_, world: &World| {
            let harmed = |client: &Client| client.ear.recovered && client.ear.wrong.is_some();
            nobody(world, Wrong::Unasked) && !world.clients.iter().any(harmed)
        }),
        Property::always(IN_STEP, |_, world: &World| {
            !world.processes.iter().any(|one| one.out_of_step)
        }),
        Property::always(NO_STRAY, |bounds, world: &World| {
            // That a join was refused is not told again to who is recovered.
            let asks = |client: &Client| client.ear.asked.is_some() && !client.ear.recovered;
            let waits = |client: &Client| client.at.is_none() || asks(client);
            !world.clients.iter().any(waits) || !is_quiet(bounds, world)
        }),
    ];
    if bounds.mistake.is_none() {
        all.extend(sights(bounds));
    }
    all
}

/// What comes about in some world of these bounds: without that, a promise would be kept by doing nothing.
fn sights(bounds: &Bounds) -> Vec<Property<Bounds>> {
    let fates = &bounds.fates;
    let all = [
        (
            true,
            Property::sometimes(
                "everything is done, told and quiet",
                |bounds: &Bounds, world: &World| {
                    let done = |(_, answer)| matches!(answer, Answer::Done(_));
                    world.shared.answers.len() == bounds.mutations.len()
                        && answers(world).all(done)
                        && world
                            .clients
                            .iter()
                            .all(|client| client.ear.joined || bounds.has_removals())
                        && is_quiet(bounds, world)
                },
            ),
        ),
        (
            bounds.commit_batch > 1,
            Property::sometimes("a batch of two is one transaction", |_, world: &World| {
                tenures(world).any(|(mutations, _)| mutations > 1)
            }),
        ),
        (
            fates.kills > 0,
            Property::sometimes(
                "a crash comes between commit and publish",
                |_, world: &World| {
                    let lost =
                        |(mutation, answer)| answer == Answer::Lost && is_written(world, mutation);
                    answers(world).any(lost)
                },
            ),
        ),
        (
            fates.panics > 0,
            Property::sometimes(
                "an actor dies while its transaction is out",
                |_, world: &World| {
                    let orphan = |process: &Process| process.tenures.iter().any(|one| one.orphaned);
                    world.processes.iter().any(orphan)
                },
            ),
        ),
        (
            fates.unknowns > 0,
            Property::sometimes("what is unknown was written", |_, world: &World| {
                answers(world).any(|(mutation, answer)| {
                    answer == Answer::Unknown && is_written(world, mutation)
                })
            }),
        ),
        (
            fates.unknowns > 0,
            Property::sometimes(
                "what is unknown was not written",
                |bounds, world: &World| {
                    answers(world).any(|(mutation, answer)| {
                        answer == Answer::Unknown && !is_written(world, mutation)
                    }) && is_quiet(bounds, world)
                },
            ),
        ),
        (
            bounds.clients > 0,
            Property::sometimes(
                "a join waits for a transaction in flight",
                |_, world: &World| {
                    vaults(world).any(|vault| matches!(vault.joining.look, Look::Ahead(..)))
                },
            ),
        ),
        (
            bounds.falls_behind(),
            Property::sometimes("a relay falls behind", |_, world: &World| {
                vaults(world).any(|vault| vault.behind)
            }),
        ),
        (
            bounds.falls_behind(),
            Property::sometimes("a relay catches up", |_, world: &World| {
                vaults(world)
                    .any(|vault| vault.behind && vault.mailbox.contains(&Message::CaughtUp))
            }),
        ),
        (
            bounds.pages(),
            Property::sometimes("there is more than a page", |_, world: &World| {
                attached(world).any(|attached| attached.then == Then::More)
            }),
        ),
        (
            bounds.pages(),
            Property::sometimes("a page is read from the journal", |_, world: &World| {
                vaults(world).any(|vault| vault.pages.iter().any(|page| page.read.is_some()))
            }),
        ),
        (
            bounds.slow(),
            Property::sometimes(
                "a slow client is let go and hears everything in the end",
                |bounds, world: &World| {
                    world.shared.sockets > bounds.clients
                        && world
                            .clients
                            .iter()
                            .all(|client| client.ear.last == Some(bounds.mutations.len() as Seq))
                },
            ),
        ),
        (
            bounds.polling,
            Property::sometimes("an upgrade is done", |_, world: &World| {
                let upgraded =
                    |session: &Session| session.carrier == Carrier::WebSocket && session.reached;
                sessions(world).any(upgraded)
            }),
        ),
        (
            bounds.polling,
            Property::sometimes(
                "events wait for a websocket on trial",
                |_, world: &World| {
                    sessions(world).any(|session| {
                        let probed = matches!(
                            session.carrier,
                            Carrier::Polling {
                                probed: true,
                                parked: false,
                                ..
                            }
                        );
                        probed
                            && session
                                .outbox
                                .iter()
                                .any(|frame| matches!(frame, Frame::Event(_)))
                    })
                },
            ),
        ),
        (
            bounds.comes_back(),
            Property::sometimes("a client is recovered", |_, world: &World| {
                world
                    .clients
                    .iter()
                    .any(|client| client.ear.recovered && client.ear.joined)
            }),
        ),
        (
            bounds.comes_back(),
            Property::sometimes(
                "a client is recovered that saw neither join nor event",
                |_, world: &World| {
                    world
                        .clients
                        .iter()
                        .any(|client| client.ear.recovered && client.offset.is_none())
                },
            ),
        ),
        (
            bounds.since && fates.sweeps > 0,
            Property::sometimes("a client is told to list anew", |_, world: &World| {
                let resync =
                    |frame: &Frame| matches!(frame, Frame::Joined(_, joined) if joined.resync);
                sessions(world).any(|session| session.outbox.iter().any(resync))
            }),
        ),
        (
            bounds.since,
            Property::sometimes("a client is told what it missed", |_, world: &World| {
                let replayed = |frame: &Frame| matches!(frame, Frame::Joined(_, joined) if joined.replayed > Some(0));
                sessions(world).any(|session| session.outbox.iter().any(replayed))
            }),
        ),
        (
            bounds.has_removals(),
            Property::sometimes("a client is removed", |_, world: &World| {
                sessions(world).any(|session| session.outbox.contains(&Frame::Removed))
            }),
        ),
        (
            bounds.has_removals(),
            Property::sometimes("a join is refused", |_, world: &World| {
                sessions(world).any(|session| session.outbox.contains(&Frame::Refused))
            }),
        ),
        (
            fates.leaves > 0,
            Property::sometimes("a leave cancels a join under way", |_, world: &World| {
                vaults(world).any(|vault| {
                    let leaves = |message: &Message| matches!(message, Message::Leave(_));
                    !vault.reading.is_empty() && vault.mailbox.iter().any(leaves)
                })
            }),
        ),
        (
            bounds.processes > 1,
            Property::sometimes(
                "a transaction finds that another process wrote",
                |_, world: &World| {
                    let moved = |process: &Process| {
                        process.tenures.iter().any(|one| matches!(one.written, Some(Written::Committed(first)) if first > one.head + 1))
                    };
                    world.processes.iter().any(moved)
                },
            ),
        ),
    ];
    all.into_iter()
        .filter_map(|(expected, sight)| expected.then_some(sight))
        .collect()
}

/// Nothing is going on any more.
fn is_quiet(bounds: &Bounds, world: &World) -> bool {
    world.going_on(bounds).is_empty()
}

/// Nobody has noted that.
fn nobody(world: &World, wrong: Wrong) -> bool {
    !world
        .clients
        .iter()
        .any(|client| client.ear.wrong == Some(wrong))
}

/// Whether a client that is in knows all that it is to know.
fn has_heard_all((who, client): (u8, &Client), world: &World, bounds: &Bounds) -> bool {
    let (ear, journal) = (&client.ear, &world.shared.journal);
    let Some(at) = client.at.as_ref().filter(|_| ear.joined) else {
        return true;
    };
    let known = ear.last.unwrap_or(0);
    // What another process wrote is heard when this one is told of it.
    let head = match bounds.processes {
        1 => journal.head(),
        _ => world.processes[usize::from(at.process)].head(),
    };
    known >= head && journal.removal(bounds, who, known).is_none()
}

fn answers(world: &World) -> impl Iterator<Item = (u8, Answer)> {
    (0..).zip(world.shared.answers.iter().copied())
}

fn is_written(world: &World, mutation: u8) -> bool {
    world.shared.journal.events.contains(&mutation)
}

fn sessions(world: &World) -> impl Iterator<Item = &Session> {
    world.processes.iter().flat_map(|process| &process.sessions)
}

fn vaults(world: &World) -> impl Iterator<Item = &VaultActor> {
    world
        .processes
        .iter()
        .filter_map(|process| process.vault.as_ref())
}

/// How many mutations each transaction that is out has, and where it began.
fn tenures(world: &World) -> impl Iterator<Item = (usize, Seq)> {
    let all = world.processes.iter().flat_map(|process| &process.tenures);
    all.map(|one| (one.mutations.len(), one.head))
}

fn attached(world: &World) -> impl Iterator<Item = &Attached> {
    let mail = world.processes.iter().flat_map(|process| &process.mail);
    mail.filter_map(|mail| match mail {
        Mail::Attached(_, attached) => Some(attached),
        Mail::Event(_) | Mail::Removed(_) | Mail::FellBehind => None,
    })
}

/// Every event that has left a vault.
fn told(world: &World) -> impl Iterator<Item = Seq> {
    let mail = world.processes.iter().flat_map(|process| &process.mail);
    let mailed = mail.flat_map(|mail| match mail {
        Mail::Event(seq) => vec![*seq],
        Mail::Attached(_, attached) => attached.events.clone(),
        Mail::Removed(_) | Mail::FellBehind => Vec::new(),
    });
    let frames = sessions(world).flat_map(|session| {
        let answer = match &session.carrier {
            Carrier::Polling {
                answer: Some(frames),
                ..
            } => frames.as_slice(),
            Carrier::Polling { answer: None, .. } | Carrier::WebSocket => &[],
        };
        session.outbox.iter().chain(answer)
    });
    let sent = frames.filter_map(|frame| match frame {
        Frame::Event(seq) => Some(*seq),
        _ => None,
    });
    let heard = world.clients.iter().filter_map(|client| client.ear.last);
    mailed.chain(sent).chain(heard)
}

#[cfg(test)]
impl crate::bounds::Mistake {
    /// The promise that it breaks.
    pub fn breaks(self) -> &'static str {
        match self {
            Self::PublishBeforeCommit => ON_DISK,
            Self::AnswerBeforeCommit => ANSWER,
            Self::UnknownIsFailure => REFUSAL,
            Self::ReplyAndPushApart => EVERYTHING,
            Self::AttachAgainWithoutQ => NO_GAPS,
            Self::SecondActorWhileATransactionIsOut => EVERYTHING,
            Self::DiesInSilence => EVERYTHING,
            Self::TakesTheHeadUnseen => ANSWER,
            Self::TrimsWithoutTheJournal => EVERYTHING,
            Self::ForgetsTheRemoval | Self::JoinsThroughHisRemoval => REMOVED,
            Self::FeedsTheTrial => NO_GAPS,
            Self::TakesSentForSeen => NO_GAPS,
            Self::LeavesLate => LEFT,
        }
    }
}
