//! Gives inputs to a machine and describes its effects.
//!
//! The effects of bookkeeping (wake-ups, statistics, published members, finished requests, reports) are left out of the
//! descriptions; the tests that need them look at [`Story::all_effects`].

use std::{sync::Arc, time::Duration};

use crate::{
    domain::{
        Command, EventKind, Members, Membership, MonotonicTime, Mutation, MutationAnswer,
        Principal, Resource, Role, Seq, StateChange, SubscriberId, Timestamp, UserId, Vault,
        VaultId,
    },
    journal::{BatchBase, CommittedEvent, DatabaseSharing, JournalRecord},
    vault::{
        AttachOutcome, Attached, NoticeBody, NoticeReceivers, SinkId,
        error::MutationResult,
        machine::*,
        subscription::{Attach, Subscription},
    },
};

/// A machine and the time.
pub(super) struct Story {
    pub(super) machine: VaultMachine,
    pub(super) now: MonotonicTime,
    /// The effects of the last input.
    pub(super) all_effects: Vec<VaultEffect>,
}

impl Story {
    /// Returns the machine of a vault at this head with the owner ana and the viewer ben.
    pub(super) fn open(sharing: DatabaseSharing, head: u64) -> Self {
        let mut story = Self::loading(sharing);
        story.input(VaultInput::Opened(Ok(Some(vault(head)))));
        story
    }

    /// Returns a machine that is not open yet.
    pub(super) fn loading(sharing: DatabaseSharing) -> Self {
        Self {
            machine: VaultMachine::new(options(sharing)),
            now: MonotonicTime::default(),
            all_effects: Vec::new(),
        }
    }

    /// Gives an input and returns the descriptions of its effects.
    pub(super) fn input(&mut self, input: VaultInput) -> Vec<String> {
        let mut effects = VaultEffects::default();
        self.machine.handle(input, self.now, &mut effects);
        self.all_effects = std::iter::from_fn(|| effects.pop()).collect();
        self.all_effects.iter().filter_map(describe).collect()
    }

    pub(super) fn submit(&mut self, caller: u64) -> Vec<String> {
        let by = Principal {
            id: user("ana"),
            name: None,
            email: None,
        };
        self.input(VaultInput::Submit {
            caller: CallerId(caller),
            mutation: Mutation {
                by,
                command: Command::Delete,
                key: None,
            },
        })
    }

    /// The transaction wrote these events, one for each of its mutations.
    pub(super) fn written(
        &mut self,
        events: impl IntoIterator<Item = CommittedEvent>,
    ) -> Vec<String> {
        self.written_after_missed(0, events)
    }

    /// The transaction found `missed` events of another node, and wrote the others.
    pub(super) fn written_after_missed(
        &mut self,
        missed: usize,
        events: impl IntoIterator<Item = CommittedEvent>,
    ) -> Vec<String> {
        let events: Vec<_> = events.into_iter().collect();
        let own = events.iter().skip(missed);
        self.input(VaultInput::Committed(BatchOutcome::Written(WrittenBatch {
            results: own.map(|event| accepted(event.record.seq)).collect(),
            events,
            missed,
            base: BatchBase::Continued,
            is_vault_deleted: false,
            vault: None,
        })))
    }

    /// The user of the subscriber with this number joins through the sink with this number.
    pub(super) fn join(&mut self, subscriber: u64, name: &str, sink: u64) -> Vec<String> {
        self.subscribe(subscriber, name, sink, Attach::Join)
    }

    /// A request whose id and ticket are ten times the subscriber's number.
    pub(super) fn subscribe(
        &mut self,
        subscriber: u64,
        name: &str,
        sink: u64,
        attach: Attach,
    ) -> Vec<String> {
        self.input(VaultInput::Subscribe(SubscribeRequest {
            id: SubscribeId(subscriber * 10),
            subscription: Subscription {
                subscriber: SubscriberId(subscriber),
                user: user(name),
                ticket: subscriber * 10,
                attach,
            },
            sink: SinkId(sink),
        }))
    }

    pub(super) fn pass(&mut self, duration: Duration) -> Vec<String> {
        self.now = self.now + duration;
        self.input(VaultInput::Tick)
    }

    /// Returns the head that the last input announced to the other nodes.
    pub(super) fn announced(&self) -> Option<Seq> {
        self.all_effects.iter().find_map(|effect| match effect {
            VaultEffect::AnnounceHead(head) => Some(*head),
            _ => None,
        })
    }

    /// Returns whether the last input finished the request of this subscriber.
    pub(super) fn has_finished(&self, subscriber: u64) -> bool {
        let finish = VaultEffect::Finish(SubscribeId(subscriber * 10));
        self.all_effects.contains(&finish)
    }
}

pub(super) fn options(sharing: DatabaseSharing) -> MachineOptions {
    MachineOptions {
        commit_batch: 3,
        idle: Duration::from_secs(60),
        epoch: "epoch".into(),
        sharing,
    }
}

pub(super) fn vault(head: u64) -> Vault {
    let member = |role| Membership {
        role,
        created_at: Timestamp(0),
    };
    let members = Members::from_iter([
        (user("ana"), member(Role::Owner)),
        (user("ben"), member(Role::Viewer)),
    ]);
    Vault {
        id: VaultId::parse("cvault0001").unwrap(),
        name: "Physics".into(),
        head: Seq(head),
        members: Arc::new(members),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

pub(super) fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub(super) fn resume(after: u64) -> Attach {
    Attach::Resume {
        after: Seq(after),
        joined_at: Seq::ZERO,
        epoch: "epoch".into(),
    }
}

/// Returns the event of a created source.
pub(super) fn event(seq: u64) -> CommittedEvent {
    committed(seq, EventKind::SourceCreated, "{}", StateChange::Unchanged)
}

/// Returns these events.
pub(super) fn events(seqs: impl IntoIterator<Item = u64>) -> Vec<CommittedEvent> {
    seqs.into_iter().map(event).collect()
}

/// Returns the records of these events.
pub(super) fn records(seqs: impl IntoIterator<Item = u64>) -> Vec<JournalRecord> {
    seqs.into_iter().map(|seq| event(seq).record).collect()
}

pub(super) fn removed(seq: u64, name: &str) -> CommittedEvent {
    let payload = format!(
        r#"{{"member":{{"userId":"{name}","userName":"Ben","role":"viewer"}},"timestamp":"2026-01-01T00:00:00.000Z"}}"#
    );
    let change = StateChange::MemberRemoved { user: user(name) };
    committed(seq, EventKind::MemberRemoved, &payload, change)
}

pub(super) fn added(seq: u64, name: &str) -> CommittedEvent {
    let change = StateChange::MemberAdded {
        user: user(name),
        membership: Membership {
            role: Role::Viewer,
            created_at: Timestamp(0),
        },
    };
    committed(seq, EventKind::MemberAdded, "{}", change)
}

pub(super) fn deleted(seq: u64) -> CommittedEvent {
    committed(
        seq,
        EventKind::VaultDeleted,
        "{}",
        StateChange::VaultDeleted,
    )
}

fn committed(
    seq: u64,
    kind: EventKind,
    payload: &str,
    state_change: StateChange,
) -> CommittedEvent {
    CommittedEvent {
        record: JournalRecord {
            seq: Seq(seq),
            kind,
            payload: payload.into(),
        },
        state_change,
    }
}

pub(super) fn accepted(seq: Seq) -> MutationResult {
    Ok(MutationAnswer {
        seq,
        resource: Resource::Nothing,
    })
}

fn describe(effect: &VaultEffect) -> Option<String> {
    Some(match effect {
        VaultEffect::Append(Batch { vault, mutations }) => {
            let callers: Vec<_> = mutations.iter().map(|queued| queued.caller.0).collect();
            format!("append {callers:?} at {}", vault.head.0)
        }
        VaultEffect::ReadMembership { user, .. } => format!("read membership of {user}"),
        VaultEffect::ReadHead => "read head".to_owned(),
        VaultEffect::ReadPage { after, .. } => format!("read page after {}", after.0),
        VaultEffect::ReadMissed { purpose, after } => {
            format!("read missed after {} for {purpose:?}", after.0)
        }
        VaultEffect::Deliver { sink, to, notice } => {
            let to = match to {
                NoticeReceivers::All => "all".to_owned(),
                NoticeReceivers::Only(ids) => {
                    format!("{:?}", ids.iter().map(|id| id.0).collect::<Vec<_>>())
                }
            };
            format!("s{} {to}: {}", sink.0, describe_body(&notice.body))
        }
        VaultEffect::ReportBehind(sink) => format!("s{}: behind", sink.0),
        VaultEffect::Answer { caller, result } => match result {
            Ok(answer) => format!("answer {}: {}", caller.0, answer.seq.0),
            Err(error) => format!("answer {}: {error:?}", caller.0),
        },
        VaultEffect::Retire(_) => "retire".to_owned(),
        VaultEffect::Restart => "restart".to_owned(),
        VaultEffect::ReportPositionsUnknown(PositionLoss::ThisVault) => {
            "positions unknown".to_owned()
        }
        VaultEffect::ReportPositionsUnknown(PositionLoss::AllVaults) => {
            "positions of all vaults unknown".to_owned()
        }
        VaultEffect::Finish(_)
        | VaultEffect::AnnounceHead(_)
        | VaultEffect::WithdrawMembers
        | VaultEffect::PublishMembers
        | VaultEffect::RecordQueue { .. }
        | VaultEffect::WakeAt(_)
        | VaultEffect::Report(_) => return None,
    })
}

fn describe_body(body: &NoticeBody) -> String {
    let attached = match body {
        NoticeBody::Event(record) => return format!("event {}", record.seq.0),
        NoticeBody::Removed => return "removed".to_owned(),
        NoticeBody::Closed => return "closed".to_owned(),
        NoticeBody::Attached(attached) => attached,
    };
    let Attached {
        joined,
        events,
        outcome,
        ..
    } = attached;
    let joined = joined.as_ref().map(|joined| {
        let replayed = joined
            .replayed
            .map_or(String::new(), |count| format!(" replaying {count}"));
        let resync = if joined.resync { " resync" } else { "" };
        format!("joined at {}{replayed}{resync}", joined.seq.0)
    });
    let events = events.iter().map(|event| describe_body(&event.body));
    let outcome = match outcome {
        AttachOutcome::Live => "live".to_owned(),
        AttachOutcome::More => "more".to_owned(),
        AttachOutcome::Removed => "removed".to_owned(),
        AttachOutcome::Closed => "closed".to_owned(),
        AttachOutcome::Lost => "lost".to_owned(),
        AttachOutcome::Refused(error) => format!("refused {error:?}"),
    };
    let parts: Vec<_> = joined.into_iter().chain(events).chain([outcome]).collect();
    parts.join(", ")
}
