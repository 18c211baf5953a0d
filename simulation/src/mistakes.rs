//! Wrong variants of the shells around the shipping machines. A simulation of each must find that a promise is broken.

/// A mistake that the design avoids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mistake {
    /// The outcome of a transaction is reported before the transaction commits.
    PublishBeforeCommit,
    /// Callers are answered before the events of the same step are delivered.
    AnswerBeforePublish,
    /// A batch of unknown outcome is written once more.
    WriteTwiceAfterUnknown,
    /// A replay page that is not the last one makes the subscriber live.
    LiveBeforeReplayIsComplete,
    /// The head of a shared database is not read for a join.
    SkipHeadCheck,
    /// A subscription that fell behind joins again instead of resuming after its last event.
    ForgetLastSent,
    /// The removal of a member does not end the subscriptions.
    KeepRemovedMember,
    /// An answer releases two slots of the vault's queue.
    ReleaseSlotTwice,
    /// A vault is loaded while the transaction of its predecessor is in flight.
    SecondWriterLease,
    /// A notice for a full sink is dropped, and the machine does not learn of it.
    DropNoticeWhenFull,
    /// A connection is recovered without regard to the offset of its client.
    IgnoreOffset,
    /// A ping confirms the packets before it, without an answer.
    ConfirmAtPing,
    /// An outdated answer is taken for the answer to the current query.
    IgnoreTickets,
    /// A connection is recovered although the journal lacks missed events.
    RecoverTrimmed,
    /// Two transactions of one vault run at the same time.
    CommitWithoutLock,
    /// The hints of other nodes move no head.
    IgnoreHints,
    /// The heads that a sweep has found move no head.
    IgnoreSweep,
    /// A sweep that runs when the bus is connected again never reports its end.
    DropSweepAtReconnect,
    /// A hint with a lower head than the vault's is taken for a journal that went back.
    AcceptLowerHint,
    /// A head that the sweep has found to be lower is not compared with the journal.
    IgnoreRewoundHead,
    /// A vault ends early although it is in use.
    UnloadUsedVault,
}

impl Mistake {
    /// All mistakes.
    pub const ALL: [Self; 21] = [
        Self::PublishBeforeCommit,
        Self::AnswerBeforePublish,
        Self::WriteTwiceAfterUnknown,
        Self::LiveBeforeReplayIsComplete,
        Self::SkipHeadCheck,
        Self::ForgetLastSent,
        Self::KeepRemovedMember,
        Self::ReleaseSlotTwice,
        Self::SecondWriterLease,
        Self::DropNoticeWhenFull,
        Self::IgnoreOffset,
        Self::ConfirmAtPing,
        Self::IgnoreTickets,
        Self::RecoverTrimmed,
        Self::CommitWithoutLock,
        Self::IgnoreHints,
        Self::IgnoreSweep,
        Self::DropSweepAtReconnect,
        Self::AcceptLowerHint,
        Self::IgnoreRewoundHead,
        Self::UnloadUsedVault,
    ];
}
