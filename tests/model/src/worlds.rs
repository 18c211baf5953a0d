//! The worlds that are looked through: each is small in most and wide in one thing.

use crate::bounds::{Bounds, Change::*, Fates};

const NOTHING: Fates = Bounds::SMALL.fates;

/// What goes wrong between a mutation and its answer: with the transaction, with its actor, with both.
pub const COMMITS: Bounds = Bounds {
    mutations: &[Source, Source, Source],
    fates: Fates {
        panics: 1,
        failures: 1,
        unknowns: 1,
        ..NOTHING
    },
    ..Bounds::SMALL
};

/// A process is killed and a client comes back with the last event that it knows, which may have gone meanwhile.
pub const CRASHES: Bounds = Bounds {
    since: true,
    fates: Fates {
        kills: 1,
        panics: 1,
        unknowns: 1,
        sweeps: 1,
        ..NOTHING
    },
    ..Bounds::SMALL
};

/// A relay with two places, of two sockets; a memory of one event, pages of two.
pub const BEHIND: Bounds = Bounds {
    clients: 2,
    relay_mailbox: 2,
    enough: 1,
    kept: 1,
    page: 2,
    ..Bounds::SMALL
};

/// The same for one socket, and the vault's actor dies, twice.
pub const BEHIND_THE_DEAD: Bounds = Bounds {
    mutations: &[Source, Source, Source],
    clients: 1,
    fates: Fates {
        panics: 2,
        ..NOTHING
    },
    ..BEHIND
};

/// A client that does not read has an outbox of two frames, and comes back.
pub const SLOW: Bounds = Bounds {
    mutations: &[Source, Source, Source],
    since: true,
    session_outbox: 2,
    slow_sockets: 2,
    enough: 1,
    page: 2,
    kept: 1,
    ..Bounds::SMALL
};

/// From polling to a websocket, cut at any moment, and back as the one that it was.
pub const UPGRADE: Bounds = Bounds {
    polling: true,
    recovery: true,
    fates: Fates {
        cuts: 1,
        beats: 1,
        ..NOTHING
    },
    ..Bounds::SMALL
};

/// Cut twice, and back each time as the one that it was, or anew when what it missed has gone.
pub const RECOVERY: Bounds = Bounds {
    since: true,
    recovery: true,
    kept: 1,
    fates: Fates {
        cuts: 2,
        sweeps: 1,
        ..NOTHING
    },
    ..Bounds::SMALL
};

/// A client's user is removed and added again, while its relay falls behind and its connection is cut.
pub const MEMBERS: Bounds = Bounds {
    mutations: &[Remove(0), Add(0), Source],
    recovery: true,
    relay_mailbox: 2,
    kept: 1,
    page: 2,
    fates: Fates { cuts: 1, ..NOTHING },
    ..Bounds::SMALL
};

/// A client leaves, while its relay falls behind and the vault's actor dies.
pub const LEAVING: Bounds = Bounds {
    relay_mailbox: 2,
    recovery: true,
    fates: Fates {
        leaves: 1,
        panics: 1,
        cuts: 1,
        ..NOTHING
    },
    ..Bounds::SMALL
};

/// Two processes write one journal, and a client goes from one to the other.
pub const PROCESSES: Bounds = Bounds {
    processes: 2,
    since: true,
    kept: 1,
    fates: Fates { cuts: 1, ..NOTHING },
    ..Bounds::SMALL
};

pub const ALL: &[(&str, Bounds)] = &[
    ("commits", COMMITS),
    ("crashes", CRASHES),
    ("behind", BEHIND),
    ("behind-the-dead", BEHIND_THE_DEAD),
    ("slow", SLOW),
    ("upgrade", UPGRADE),
    ("recovery", RECOVERY),
    ("members", MEMBERS),
    ("leaving", LEAVING),
    ("processes", PROCESSES),
];
