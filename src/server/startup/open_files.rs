//! The limit of open files (`RLIMIT_NOFILE`): each connection needs one descriptor.
//!
//! Most systems start a process with a soft limit of 1,024 and a higher hard limit, so the soft limit is raised to the hard
//! one. It bounds the number of connections. If it is too low for a configured number, a warning names the value that is
//! needed.

use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, info, warn};

use crate::config::Config;

/// Descriptors per runtime thread: its event queue and its wake-ups.
const PER_THREAD: u64 = 16;

/// Descriptors per database connection; on SQLite the file, its log and the index of the log.
const PER_CONNECTION: u64 = 3;

/// Database connections besides the writers: 13 that read (`journal/database.rs`) and 4 for user sessions
/// (`auth/user_session_table.rs`).
const CONNECTIONS: u64 = 17;

/// Listeners, standard streams, and HTTP requests that are served beside the sockets.
const OTHER: u64 = 256;

/// Raises the soft limit to the hard limit, and warns if that is too low for `limits.sockets` or `server.max_connections`.
pub fn check_open_files_limit(config: &Config) {
    let Some(limit) = raise_limit() else {
        return; // unlimited
    };
    let configured = [
        ("limits.sockets", config.limits.sockets),
        ("server.max_connections", config.server.max_connections),
    ];
    let reserve = reserved_descriptors();
    let configured = configured.into_iter().filter(|(_, number)| *number > 0);
    let Some((key, number)) = configured.max_by_key(|(_, number)| *number) else {
        let sockets = connections_within(limit);
        return info!(
            limit,
            "the limit of open files is enough for {sockets} sockets"
        );
    };
    let needed = u64::from(number) + reserve;
    if limit < needed {
        warn!(
            limit,
            needed,
            "the limit of open files is too low for {key} = {number}: \
             raise it to {needed} (`ulimit -n {needed}`, in systemd `LimitNOFILE={needed}`), or lower {key}"
        );
    } else {
        debug!(limit, needed, "the limit of open files is enough");
    }
}

/// Returns how many connections may be open: `configured` (0: not configured), but no more than the limit of open files allows.
pub fn max_connections(configured: u32) -> usize {
    let allowed = getrlimit(Resource::Nofile).current.map(connections_within);
    let configured = (configured > 0).then_some(u64::from(configured));
    let smaller = configured.into_iter().chain(allowed).min();
    smaller.map_or(usize::MAX, |number| {
        usize::try_from(number).unwrap_or(usize::MAX)
    })
}

/// Returns how many connections are possible within a limit of open files.
fn connections_within(limit: u64) -> u64 {
    // Even if the limit is below the reserve, half of it is used for connections.
    limit.saturating_sub(reserved_descriptors()).max(limit / 2)
}

/// Returns the number of descriptors that are open besides the sockets.
fn reserved_descriptors() -> u64 {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    // Workers, vault threads and, on PostgreSQL, committers; see ARCHITECTURE.md.
    let threads = 3 * cores + 4;
    threads * PER_THREAD + (cores + CONNECTIONS) * PER_CONNECTION + OTHER
}

/// Raises the soft limit to the hard limit where the system allows it, and returns it; `None` when unlimited.
fn raise_limit() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // Some systems report no hard limit but refuse an unlimited soft limit.
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        debug!(%error, "the limit of open files could not be raised");
    }
    getrlimit(Resource::Nofile).current
}
