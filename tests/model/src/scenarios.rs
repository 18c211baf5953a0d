//! The scenarios that are checked. Each scenario has one large bound and otherwise small ones.

use crate::bounds::{FailureBudget, ModelBounds, ModelMutation::*};

const NO_FAILURES: FailureBudget = ModelBounds::SMALL.budget;

/// Failures between a mutation and its answer: of the transaction, of the vault actor, or of both.
pub const COMMITS: ModelBounds = ModelBounds {
    mutations: &[Source, Source, Source],
    budget: FailureBudget {
        panics: 1,
        rollbacks: 1,
        unknown_commits: 1,
        ..NO_FAILURES
    },
    ..ModelBounds::SMALL
};

/// A process is killed. A client joins again with the last event that it knows, and the events after it may have been
/// trimmed.
pub const CRASHES: ModelBounds = ModelBounds {
    uses_since: true,
    budget: FailureBudget {
        kills: 1,
        panics: 1,
        unknown_commits: 1,
        trims: 1,
        ..NO_FAILURES
    },
    ..ModelBounds::SMALL
};

/// A relay with two sockets and room for two notices, a ring of one event, and pages of two events.
pub const BEHIND: ModelBounds = ModelBounds {
    clients: 2,
    relay_mailbox: 2,
    max_waiting_frames: 1,
    ring_capacity: 1,
    replay_page: 2,
    ..ModelBounds::SMALL
};

/// As [`BEHIND`], with one socket. The vault actor panics up to two times.
pub const BEHIND_AND_PANIC: ModelBounds = ModelBounds {
    mutations: &[Source, Source, Source],
    clients: 1,
    budget: FailureBudget {
        panics: 2,
        ..NO_FAILURES
    },
    ..BEHIND
};

/// A slow client has an outbox of two frames. It is disconnected and reconnects.
pub const SLOW: ModelBounds = ModelBounds {
    mutations: &[Source, Source, Source],
    uses_since: true,
    session_outbox: 2,
    slow_sockets: 2,
    max_waiting_frames: 1,
    replay_page: 2,
    ring_capacity: 1,
    ..ModelBounds::SMALL
};

/// A client upgrades from polling to a websocket, loses the connection at any moment, and recovers it.
pub const UPGRADE: ModelBounds = ModelBounds {
    polling: true,
    recovery: true,
    budget: FailureBudget {
        cuts: 1,
        heartbeats: 1,
        ..NO_FAILURES
    },
    ..ModelBounds::SMALL
};

/// A client loses its connection up to two times. It recovers the connection each time, or connects again if the missed
/// events were trimmed.
pub const RECOVERY: ModelBounds = ModelBounds {
    uses_since: true,
    recovery: true,
    ring_capacity: 1,
    budget: FailureBudget {
        cuts: 2,
        trims: 1,
        ..NO_FAILURES
    },
    ..ModelBounds::SMALL
};

/// A client's user is removed and added again, while its relay falls behind and the client loses its connection.
pub const MEMBERS: ModelBounds = ModelBounds {
    mutations: &[Remove(0), Add(0), Source],
    recovery: true,
    relay_mailbox: 2,
    ring_capacity: 1,
    replay_page: 2,
    budget: FailureBudget {
        cuts: 1,
        ..NO_FAILURES
    },
    ..ModelBounds::SMALL
};

/// A client leaves the vault, while its relay falls behind, the vault actor panics and the client loses its connection.
pub const LEAVING: ModelBounds = ModelBounds {
    relay_mailbox: 2,
    recovery: true,
    budget: FailureBudget {
        leaves: 1,
        panics: 1,
        cuts: 1,
        ..NO_FAILURES
    },
    ..ModelBounds::SMALL
};

/// Two processes write to one journal. A client moves from one process to the other.
pub const PROCESSES: ModelBounds = ModelBounds {
    processes: 2,
    uses_since: true,
    ring_capacity: 1,
    budget: FailureBudget {
        cuts: 1,
        ..NO_FAILURES
    },
    ..ModelBounds::SMALL
};

/// All scenarios with their names.
pub const ALL: &[(&str, ModelBounds)] = &[
    ("commits", COMMITS),
    ("crashes", CRASHES),
    ("behind", BEHIND),
    ("behind-and-panic", BEHIND_AND_PANIC),
    ("slow", SLOW),
    ("upgrade", UPGRADE),
    ("recovery", RECOVERY),
    ("members", MEMBERS),
    ("leaving", LEAVING),
    ("processes", PROCESSES),
];
