//! The properties of the model: the promises, which hold in every reachable state, and the states that must be
//! reachable.
//!
//! The numbers are those of the promises in docs/ordering.md. Each client records the first broken promise, and most
//! properties only check this record. A property of the final result (for example, that every event is received)
//! is checked in quiescent states: only optional actions are possible there.

use stateright::Property;

use crate::{
    bounds::ModelBounds,
    client::{ModelClient, Violation},
    journal::{ModelAnswer, ModelSeq, WriteResult},
    relay::{ModelAttachOutcome, ModelAttached, ModelRelayMessage},
    session::{ModelFrame, ModelSession, ModelTransport},
    state::{ModelState, Process},
    vault::{ModelHeadCheck, ModelVault, ModelVaultMessage},
};

pub const ON_DISK: &str = "1: no event is sent before it is on disk";
pub const NO_GAPS: &str = "1, 2: events arrive in order and without gaps";
pub const ONCE: &str = "2: each event arrives once";
pub const ALL_RECEIVED: &str = "3: a client that joined at S receives every event after S";
pub const REPLAY: &str = "4: a join with since is followed by the events after since";
pub const ANSWER_SEQ: &str = "5: an answer has the seq of its event, which is on disk";
pub const NOT_WRITTEN: &str = "5: a mutation that was answered with an error was not written";
pub const WRITTEN_ONCE: &str = "5: no mutation is written twice";
pub const ALL_ANSWERED: &str = "5: every mutation is answered";
pub const REMOVED: &str = "6: a client that has not joined or was removed receives no event";
pub const SENT_ORDER: &str = "7: mutations take effect in the order sent";
pub const JOIN_ORDER: &str = "7: a join takes effect before the mutations sent after it";
pub const AFTER_LEAVE: &str = "7: nothing follows the acknowledgement of a leave";
pub const RECOVERY: &str = "a connection is recovered completely or not at all";
pub const NO_RELAY_GAP: &str = "no relay detects a gap";
pub const ALL_JOINED: &str = "every client is connected and every join is answered";

/// Returns the properties to check with these bounds.
pub fn properties(bounds: &ModelBounds) -> Vec<Property<ModelBounds>> {
    let mut all = vec![
        Property::always(ON_DISK, |_, state: &ModelState| {
            let head = state.shared.journal.head();
            sent_events(state).all(|seq| seq <= head)
        }),
        Property::always(NO_GAPS, |_, state: &ModelState| {
            has_no(state, Violation::Gap)
        }),
        Property::always(ONCE, |_, state: &ModelState| {
            has_no(state, Violation::Duplicate)
        }),
        Property::always(ALL_RECEIVED, |bounds, state: &ModelState| {
            !is_quiescent(bounds, state)
                || (0..)
                    .zip(&state.clients)
                    .all(|client| has_received_all(client, state, bounds))
        }),
        Property::always(REPLAY, |_, state: &ModelState| {
            has_no(state, Violation::WrongReplay) && has_no(state, Violation::NeedlessResync)
        }),
        Property::always(ANSWER_SEQ, |_, state: &ModelState| {
            answers(state).all(|(mutation, answer)| match answer {
                ModelAnswer::Succeeded(seq) => {
                    state.shared.journal.events.get(usize::from(seq) - 1) == Some(&mutation)
                }
                ModelAnswer::Pending(_)
                | ModelAnswer::Failed
                | ModelAnswer::Unknown
                | ModelAnswer::ConnectionLost => true,
            })
        }),
        Property::always(NOT_WRITTEN, |_, state: &ModelState| {
            answers(state).all(|(mutation, answer)| {
                answer != ModelAnswer::Failed || !is_written(state, mutation)
            })
        }),
        Property::always(WRITTEN_ONCE, |_, state: &ModelState| {
            let events = &state.shared.journal.events;
            (1..events.len()).all(|n| !events[n..].contains(&events[n - 1]))
        }),
        Property::always(ALL_ANSWERED, |bounds, state: &ModelState| {
            let is_pending = |(_, answer)| matches!(answer, ModelAnswer::Pending(_));
            !answers(state).any(is_pending) || !is_quiescent(bounds, state)
        }),
        Property::always(REMOVED, |_, state: &ModelState| {
            has_no(state, Violation::NotJoined)
        }),
        Property::always(SENT_ORDER, |bounds, state: &ModelState| {
            bounds.processes > 1 || state.shared.journal.events.is_sorted()
        }),
        Property::always(JOIN_ORDER, |_, state: &ModelState| {
            has_no(state, Violation::LateJoin)
        }),
        Property::always(AFTER_LEAVE, |_, state: &ModelState| {
            has_no(state, Violation::AfterLeave)
        }),
        Property::always(RECOVERY, |_, state: &ModelState| {
            let has_violation =
                |client: &ModelClient| client.view.recovered && client.view.violation.is_some();
            has_no(state, Violation::UnexpectedJoin) && !state.clients.iter().any(has_violation)
        }),
        Property::always(NO_RELAY_GAP, |_, state: &ModelState| {
            !state.processes.iter().any(|process| process.gap_detected)
        }),
        Property::always(ALL_JOINED, |bounds, state: &ModelState| {
            // Recovery does not repeat the refusal of a join that the client has not received.
            let awaits_answer =
                |client: &ModelClient| client.view.pending_join.is_some() && !client.view.recovered;
            let is_incomplete =
                |client: &ModelClient| client.connection.is_none() || awaits_answer(client);
            !state.clients.iter().any(is_incomplete) || !is_quiescent(bounds, state)
        }),
    ];
    if bounds.mistake.is_none() {
        all.extend(reachability_properties(bounds));
    }
    all
}

/// Returns the states that must be reachable with these bounds. Without them, a model that does nothing would keep
/// every promise.
fn reachability_properties(bounds: &ModelBounds) -> Vec<Property<ModelBounds>> {
    let budget = &bounds.budget;
    let all = [
        (
            true,
            Property::sometimes(
                "every mutation is written and answered, and the state is quiescent",
                |bounds: &ModelBounds, state: &ModelState| {
                    let has_succeeded = |(_, answer)| matches!(answer, ModelAnswer::Succeeded(_));
                    state.shared.answers.len() == bounds.mutations.len()
                        && answers(state).all(has_succeeded)
                        && state
                            .clients
                            .iter()
                            .all(|client| client.view.joined || bounds.has_removals())
                        && is_quiescent(bounds, state)
                },
            ),
        ),
        (
            bounds.commit_batch > 1,
            Property::sometimes(
                "a transaction writes a batch of two mutations",
                |_, state: &ModelState| transactions(state).any(|(mutations, _)| mutations > 1),
            ),
        ),
        (
            budget.kills > 0,
            Property::sometimes(
                "a process is killed between a commit and its answer",
                |_, state: &ModelState| {
                    let lost = |(mutation, answer)| {
                        answer == ModelAnswer::ConnectionLost && is_written(state, mutation)
                    };
                    answers(state).any(lost)
                },
            ),
        ),
        (
            budget.panics > 0,
            Property::sometimes(
                "a vault actor panics while its transaction is in flight",
                |_, state: &ModelState| {
                    let has_orphan = |process: &Process| {
                        process
                            .transactions
                            .iter()
                            .any(|transaction| transaction.orphaned)
                    };
                    state.processes.iter().any(has_orphan)
                },
            ),
        ),
        (
            budget.unknown_commits > 0,
            Property::sometimes("an unknown commit was written", |_, state: &ModelState| {
                answers(state).any(|(mutation, answer)| {
                    answer == ModelAnswer::Unknown && is_written(state, mutation)
                })
            }),
        ),
        (
            budget.unknown_commits > 0,
            Property::sometimes(
                "an unknown commit was not written",
                |bounds, state: &ModelState| {
                    answers(state).any(|(mutation, answer)| {
                        answer == ModelAnswer::Unknown && !is_written(state, mutation)
                    }) && is_quiescent(bounds, state)
                },
            ),
        ),
        (
            bounds.clients > 0,
            Property::sometimes(
                "a join waits for a transaction in flight",
                |_, state: &ModelState| {
                    vaults(state)
                        .any(|vault| matches!(vault.joins.check, ModelHeadCheck::Ahead(..)))
                },
            ),
        ),
        (
            bounds.relay_may_fall_behind(),
            Property::sometimes("a relay falls behind", |_, state: &ModelState| {
                vaults(state).any(|vault| vault.relay_is_behind)
            }),
        ),
        (
            bounds.relay_may_fall_behind(),
            Property::sometimes("a relay catches up", |_, state: &ModelState| {
                vaults(state).any(|vault| {
                    vault.relay_is_behind && vault.mailbox.contains(&ModelVaultMessage::CaughtUp)
                })
            }),
        ),
        (
            bounds.has_replay_pages(),
            Property::sometimes(
                "a replay needs more than one page",
                |_, state: &ModelState| {
                    attached(state).any(|attached| attached.outcome == ModelAttachOutcome::More)
                },
            ),
        ),
        (
            bounds.has_replay_pages(),
            Property::sometimes(
                "a page is read from the journal",
                |_, state: &ModelState| {
                    vaults(state)
                        .any(|vault| vault.page_reads.iter().any(|page| page.read.is_some()))
                },
            ),
        ),
        (
            bounds.has_slow_sockets(),
            Property::sometimes(
                "a slow client is disconnected, reconnects and receives every event",
                |bounds, state: &ModelState| {
                    state.shared.sockets > bounds.clients
                        && state.clients.iter().all(|client| {
                            client.view.last_seq == Some(bounds.mutations.len() as ModelSeq)
                        })
                },
            ),
        ),
        (
            bounds.polling,
            Property::sometimes("an upgrade is complete", |_, state: &ModelState| {
                let is_upgraded = |session: &ModelSession| {
                    session.transport == ModelTransport::WebSocket && session.has_client
                };
                sessions(state).any(is_upgraded)
            }),
        ),
        (
            bounds.polling,
            Property::sometimes(
                "events wait until an upgrade is complete",
                |_, state: &ModelState| {
                    sessions(state).any(|session| {
                        let is_upgrading = matches!(
                            session.transport,
                            ModelTransport::Polling {
                                probed: true,
                                parked: false,
                                ..
                            }
                        );
                        is_upgrading
                            && session
                                .outbox
                                .iter()
                                .any(|frame| matches!(frame, ModelFrame::Event(_)))
                    })
                },
            ),
        ),
        (
            bounds.may_recover(),
            Property::sometimes("a connection is recovered", |_, state: &ModelState| {
                state
                    .clients
                    .iter()
                    .any(|client| client.view.recovered && client.view.joined)
            }),
        ),
        (
            bounds.may_recover(),
            Property::sometimes(
                "a connection is recovered whose client received neither a join nor an event",
                |_, state: &ModelState| {
                    state
                        .clients
                        .iter()
                        .any(|client| client.view.recovered && client.offset.is_none())
                },
            ),
        ),
        (
            bounds.uses_since && budget.trims > 0,
            Property::sometimes("a join is answered with resync", |_, state: &ModelState| {
                let resync = |frame: &ModelFrame| matches!(frame, ModelFrame::Joined(_, joined) if joined.resync);
                sessions(state).any(|session| session.outbox.iter().any(resync))
            }),
        ),
        (
            bounds.uses_since,
            Property::sometimes("a join replays missed events", |_, state: &ModelState| {
                let replayed = |frame: &ModelFrame| matches!(frame, ModelFrame::Joined(_, joined) if joined.replayed > Some(0));
                sessions(state).any(|session| session.outbox.iter().any(replayed))
            }),
        ),
        (
            bounds.has_removals(),
            Property::sometimes(
                "a removed client receives an error",
                |_, state: &ModelState| {
                    sessions(state).any(|session| session.outbox.contains(&ModelFrame::Removed))
                },
            ),
        ),
        (
            bounds.has_removals(),
            Property::sometimes("a join is refused", |_, state: &ModelState| {
                sessions(state).any(|session| session.outbox.contains(&ModelFrame::Refused))
            }),
        ),
        (
            budget.leaves > 0,
            Property::sometimes("a leave cancels a pending read", |_, state: &ModelState| {
                vaults(state).any(|vault| {
                    let is_leave = |message: &ModelVaultMessage| {
                        matches!(message, ModelVaultMessage::Leave(_))
                    };
                    !vault.pending_reads.is_empty() && vault.mailbox.iter().any(is_leave)
                })
            }),
        ),
        (
            bounds.processes > 1,
            Property::sometimes(
                "a transaction detects that another process wrote",
                |_, state: &ModelState| {
                    let head_was_moved = |process: &Process| {
                        process.transactions.iter().any(|transaction| matches!(transaction.result, Some(WriteResult::Committed(first)) if first > transaction.head + 1))
                    };
                    state.processes.iter().any(head_was_moved)
                },
            ),
        ),
    ];
    all.into_iter()
        .filter_map(|(expected, property)| expected.then_some(property))
        .collect()
}

/// Returns whether no progress action is possible.
fn is_quiescent(bounds: &ModelBounds, state: &ModelState) -> bool {
    state.progress_actions(bounds).is_empty()
}

/// Returns whether no client has recorded this violation.
fn has_no(state: &ModelState, violation: Violation) -> bool {
    !state
        .clients
        .iter()
        .any(|client| client.view.violation == Some(violation))
}

/// Returns whether a client has received every event of its subscription, if it has joined.
fn has_received_all(
    (id, client): (u8, &ModelClient),
    state: &ModelState,
    bounds: &ModelBounds,
) -> bool {
    let (view, journal) = (&client.view, &state.shared.journal);
    let Some(connection) = client.connection.as_ref().filter(|_| view.joined) else {
        return true;
    };
    let known = view.last_seq.unwrap_or(0);
    // Events of another process are delivered when this process reads them from the journal.
    let head = match bounds.processes {
        1 => journal.head(),
        _ => state.processes[usize::from(connection.process)].head(),
    };
    known >= head && journal.first_removal_after(bounds, id, known).is_none()
}

fn answers(state: &ModelState) -> impl Iterator<Item = (u8, ModelAnswer)> {
    (0..).zip(state.shared.answers.iter().copied())
}

fn is_written(state: &ModelState, mutation: u8) -> bool {
    state.shared.journal.events.contains(&mutation)
}

fn sessions(state: &ModelState) -> impl Iterator<Item = &ModelSession> {
    state.processes.iter().flat_map(|process| &process.sessions)
}

fn vaults(state: &ModelState) -> impl Iterator<Item = &ModelVault> {
    state
        .processes
        .iter()
        .filter_map(|process| process.vault.as_ref())
}

/// Returns the number of mutations of each transaction, and the head when it started.
fn transactions(state: &ModelState) -> impl Iterator<Item = (usize, ModelSeq)> {
    let all = state
        .processes
        .iter()
        .flat_map(|process| &process.transactions);
    all.map(|transaction| (transaction.mutations.len(), transaction.head))
}

fn attached(state: &ModelState) -> impl Iterator<Item = &ModelAttached> {
    let messages = state
        .processes
        .iter()
        .flat_map(|process| &process.relay_messages);
    messages.filter_map(|message| match message {
        ModelRelayMessage::Attached(_, attached) => Some(attached),
        ModelRelayMessage::Event(_)
        | ModelRelayMessage::Removed(_)
        | ModelRelayMessage::FellBehind => None,
    })
}

/// Returns every event that the vault has sent and that is in a mailbox, in an outbox or known to a client.
fn sent_events(state: &ModelState) -> impl Iterator<Item = ModelSeq> {
    let messages = state
        .processes
        .iter()
        .flat_map(|process| &process.relay_messages);
    let in_mailbox = messages.flat_map(|message| match message {
        ModelRelayMessage::Event(seq) => vec![*seq],
        ModelRelayMessage::Attached(_, attached) => attached.events.clone(),
        ModelRelayMessage::Removed(_) | ModelRelayMessage::FellBehind => Vec::new(),
    });
    let frames = sessions(state).flat_map(|session| {
        let answer = match &session.transport {
            ModelTransport::Polling {
                answer: Some(frames),
                ..
            } => frames.as_slice(),
            ModelTransport::Polling { answer: None, .. } | ModelTransport::WebSocket => &[],
        };
        session.outbox.iter().chain(answer)
    });
    let in_outbox = frames.filter_map(|frame| match frame {
        ModelFrame::Event(seq) => Some(*seq),
        _ => None,
    });
    let received = state
        .clients
        .iter()
        .filter_map(|client| client.view.last_seq);
    in_mailbox.chain(in_outbox).chain(received)
}

#[cfg(test)]
impl crate::bounds::InjectedMistake {
    /// Returns the name of the property that the mistake violates.
    pub fn violated_property(self) -> &'static str {
        match self {
            Self::PublishBeforeCommit => ON_DISK,
            Self::AnswerBeforeCommit => ANSWER_SEQ,
            Self::TreatUnknownAsFailure => NOT_WRITTEN,
            Self::AnswerOutsideMailbox => ALL_RECEIVED,
            Self::AttachWithoutLastSent => NO_GAPS,
            Self::LoadDuringTransaction => ALL_RECEIVED,
            Self::PanicWithoutNotice => ALL_RECEIVED,
            Self::MoveHeadWithoutComparison => ANSWER_SEQ,
            Self::SkipEventsOutsideRing => ALL_RECEIVED,
            Self::ResumePastRemoval | Self::JoinPastRemoval => REMOVED,
            Self::SendBeforeUpgrade => NO_GAPS,
            Self::TreatSentAsReceived => NO_GAPS,
            Self::LeaveKeepsSubscription => AFTER_LEAVE,
        }
    }
}
