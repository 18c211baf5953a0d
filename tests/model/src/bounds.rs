//! How large a world is, what may go wrong in it and how often, and which mistake the program makes in it, if any.

/// The bounds of a world that is looked through as a whole. Every one of them is data: a bigger world is another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// What is asked of the vault. Mutations are submitted in this order, so that the order of sending is known.
    pub mutations: &'static [Change],
    /// How many processes share the journal.
    pub processes: u8,
    pub clients: u8,
    /// Clients join again after the last event that they know (`since`), not from now on.
    pub since: bool,
    /// Clients come back by their `pid`.
    pub recovery: bool,
    /// Clients poll first and then upgrade; else they begin with a websocket.
    pub polling: bool,
    /// `actors.commit_batch`.
    pub commit_batch: usize,
    /// `actors.relay_mailbox`, in places.
    pub relay_mailbox: usize,
    /// `actors.session_outbox`, in frames, of so many sockets, the first: clients that come back after that read in time.
    pub session_outbox: usize,
    pub slow_sockets: u8,
    /// `ENOUGH` of `room.rs`.
    pub enough: usize,
    /// `KEPT` of `ring.rs`.
    pub kept: u8,
    /// `PAGE` of `notice.rs`.
    pub page: u8,
    /// How often what may go wrong does so.
    pub fates: Fates,
    /// What the program does wrong.
    pub mistake: Option<Mistake>,
}

/// What the vault is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something of a source, which nobody's membership depends on.
    Source,
    /// This client's user is removed.
    Remove(u8),
    /// This client's user is added.
    Add(u8),
}

/// What may happen that nobody asked for, and how often it still may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fates {
    /// A process is killed (`kill -9`): what is not in the journal is gone.
    pub kills: u8,
    /// A vault's actor dies alone.
    pub panics: u8,
    /// A transaction is rolled back.
    pub failures: u8,
    /// A commit happens or not, and nobody can say.
    pub unknowns: u8,
    /// A client loses its connection, with everything that is under way to it.
    pub cuts: u8,
    /// A socket's heart beats.
    pub beats: u8,
    /// A client leaves the vault.
    pub leaves: u8,
    /// The oldest event in the journal goes.
    pub sweeps: u8,
}

/// A program that is wrong in one place. Each is there to be caught.
#[cfg_attr(not(test), allow(dead_code, reason = "tests alone make them"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// The vault tells its subscribers what it is about to write.
    PublishBeforeCommit,
    /// The authors are answered before their transaction is on disk.
    AnswerBeforeCommit,
    /// What nobody can say counts as not done.
    UnknownIsFailure,
    /// What came of a subscription reaches the relay as a reply, beside the queue of events.
    ReplyAndPushApart,
    /// A relay that was left out attaches its sockets from now on, not after their `q`.
    AttachAgainWithoutQ,
    /// A vault is opened again while its predecessor's transaction is out: nobody waits for the tenure.
    SecondActorWhileATransactionIsOut,
    /// A vault's actor dies and its relays are not told.
    DiesInSilence,
    /// The head is set, not compared: another process may have moved it.
    TakesTheHeadUnseen,
    /// What memory no longer has is taken for what nobody missed.
    TrimsWithoutTheJournal,
    /// Who is attached again after his removal goes on as if he had been a member all the time.
    ForgetsTheRemoval,
    /// Who joins at an earlier place is told through his own removal, where he has been added again since.
    JoinsThroughHisRemoval,
    /// The websocket on trial is fed from the probe on, while a poll's answer may be under way.
    FeedsTheTrial,
    /// A client that comes back is taken to have seen all that was sent.
    TakesSentForSeen,
    /// The seat of who has left stays until the vault has heard of it.
    LeavesLate,
}

impl Bounds {
    /// Two mutations, one client on a websocket that always knows what it has seen, and nothing that goes wrong.
    pub const SMALL: Self = Self {
        mutations: &[Change::Source, Change::Source],
        processes: 1,
        clients: 1,
        since: false,
        recovery: false,
        polling: false,
        commit_batch: 2,
        relay_mailbox: 8,
        session_outbox: 8,
        slow_sockets: 0,
        enough: 8,
        kept: 8,
        page: 8,
        fates: Fates {
            kills: 0,
            panics: 0,
            failures: 0,
            unknowns: 0,
            cuts: 0,
            beats: 0,
            leaves: 0,
            sweeps: 0,
        },
        mistake: None,
    };

    #[cfg(test)]
    pub fn with(self, mistake: Mistake) -> Self {
        Self {
            mistake: Some(mistake),
            ..self
        }
    }

    /// Whether a relay may be full.
    pub fn falls_behind(&self) -> bool {
        self.relay_mailbox < 3
    }

    /// Whether a client may have missed more than a page, or more than memory has.
    pub fn pages(&self) -> bool {
        self.mutations.len() > self.page.into()
    }

    /// Whether an outbox may be full.
    pub fn slow(&self) -> bool {
        self.slow_sockets > 0
    }

    /// Whether clients come back as who they were.
    pub fn comes_back(&self) -> bool {
        self.recovery && self.fates.cuts > 0
    }

    pub fn has_removals(&self) -> bool {
        self.mutations
            .iter()
            .any(|change| matches!(change, Change::Remove(_)))
    }
}
