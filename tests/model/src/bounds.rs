//! The bounds of a scenario: its size, the failures in it and how often they occur, and the mistake that the program
//! makes.

/// The bounds of a scenario. All of them are data: a larger scenario is another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelBounds {
    /// The mutations of the vault. They are submitted in this order, so the order in which they are sent is known.
    pub mutations: &'static [ModelMutation],
    /// The number of processes that share the journal.
    pub processes: u8,
    pub clients: u8,
    /// A client that joins again sends the last event that it knows as `since`. Otherwise it joins at the head.
    pub uses_since: bool,
    /// A client that reconnects sends the `pid` of its former connection to recover it.
    pub recovery: bool,
    /// A client starts with polling and then upgrades. Otherwise it starts with a websocket.
    pub polling: bool,
    /// `actors.commit_batch`.
    pub commit_batch: usize,
    /// `actors.relay_mailbox`: the capacity of a relay's mailbox.
    pub relay_mailbox: usize,
    /// `actors.session_outbox`, in frames. Only the first `slow_sockets` sockets have this bound.
    pub session_outbox: usize,
    /// The number of sockets whose outbox may become full. The clients of later sockets read in time.
    pub slow_sockets: u8,
    /// `MAX_WAITING_FRAMES` of `src/gateway/relay/replay_permits.rs`.
    pub max_waiting_frames: usize,
    /// `CAPACITY` of `src/vault/machine/ring.rs`.
    pub ring_capacity: u8,
    /// `REPLAY_PAGE` of `src/vault/notice.rs`.
    pub replay_page: u8,
    /// How often each failure may occur.
    pub budget: FailureBudget,
    /// The mistake that the program makes.
    pub mistake: Option<InjectedMistake>,
}

/// A requested change of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelMutation {
    /// Changes a source. No membership depends on it.
    Source,
    /// Removes the user of this client.
    Remove(u8),
    /// Adds the user of this client.
    Add(u8),
}

/// How often each failure, ping, leave and trim may still happen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct FailureBudget {
    /// A process is killed (`kill -9`). Only the journal survives.
    pub kills: u8,
    /// A vault actor panics. Its process continues.
    pub panics: u8,
    /// A transaction is rolled back.
    pub rollbacks: u8,
    /// The outcome of a commit is unknown: it happened or not.
    pub unknown_commits: u8,
    /// A client loses its connection, with all packets that are on their way to it.
    pub cuts: u8,
    /// A socket receives a ping.
    pub heartbeats: u8,
    /// A client leaves the vault.
    pub leaves: u8,
    /// The oldest event is trimmed from the journal.
    pub trims: u8,
}

/// A mistake in the program. Each one violates a promise, and a test checks that the model detects it.
#[cfg_attr(not(test), allow(dead_code, reason = "only tests inject mistakes"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InjectedMistake {
    /// The vault sends events to its subscribers before it commits them.
    PublishBeforeCommit,
    /// The callers are answered before their transaction is committed.
    AnswerBeforeCommit,
    /// The vault treats an unknown commit as rolled back.
    TreatUnknownAsFailure,
    /// The answer to a subscription reaches the relay outside the mailbox that carries the events.
    AnswerOutsideMailbox,
    /// A relay that fell behind attaches its sockets at the head, not after `last_sent`.
    AttachWithoutLastSent,
    /// A vault is loaded while a transaction of the preceding actor is in flight. It does not wait for the writer
    /// lease.
    LoadDuringTransaction,
    /// A vault actor panics and does not notify its relay.
    PanicWithoutNotice,
    /// A transaction sets the head without a comparison, although another process may have moved it.
    MoveHeadWithoutComparison,
    /// A replay skips events that the ring does not have, instead of reading them from the journal.
    SkipEventsOutsideRing,
    /// A subscription that is resumed after the removal of its user continues as if the user had never been removed.
    ResumePastRemoval,
    /// A join that takes effect at an earlier position replays events past the removal of its user, if the user has
    /// been added again.
    JoinPastRemoval,
    /// A websocket receives frames from the probe on, while the answer to a poll may be on its way.
    SendBeforeUpgrade,
    /// Recovery assumes that the client has received every packet that was sent.
    TreatSentAsReceived,
    /// The relay acknowledges a leave and does not end the subscription.
    LeaveKeepsSubscription,
}

impl ModelBounds {
    /// Two mutations and one client on a websocket, which always knows what it has received. No failures.
    pub const SMALL: Self = Self {
        mutations: &[ModelMutation::Source, ModelMutation::Source],
        processes: 1,
        clients: 1,
        uses_since: false,
        recovery: false,
        polling: false,
        commit_batch: 2,
        relay_mailbox: 8,
        session_outbox: 8,
        slow_sockets: 0,
        max_waiting_frames: 8,
        ring_capacity: 8,
        replay_page: 8,
        budget: FailureBudget {
            kills: 0,
            panics: 0,
            rollbacks: 0,
            unknown_commits: 0,
            cuts: 0,
            heartbeats: 0,
            leaves: 0,
            trims: 0,
        },
        mistake: None,
    };

    /// Returns these bounds with a mistake.
    #[cfg(test)]
    pub fn with(self, mistake: InjectedMistake) -> Self {
        Self {
            mistake: Some(mistake),
            ..self
        }
    }

    /// Returns whether the mailbox of a relay can become full.
    pub fn relay_may_fall_behind(&self) -> bool {
        self.relay_mailbox < 3
    }

    /// Returns whether a client can miss more events than one page has.
    pub fn has_replay_pages(&self) -> bool {
        self.mutations.len() > self.replay_page.into()
    }

    /// Returns whether an outbox can become full.
    pub fn has_slow_sockets(&self) -> bool {
        self.slow_sockets > 0
    }

    /// Returns whether a connection can be recovered.
    pub fn may_recover(&self) -> bool {
        self.recovery && self.budget.cuts > 0
    }

    pub fn has_removals(&self) -> bool {
        self.mutations
            .iter()
            .any(|mutation| matches!(mutation, ModelMutation::Remove(_)))
    }
}
