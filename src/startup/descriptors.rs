//! How many files may be open at a time: a socket is one. Most systems start a process with a soft limit of 1,024 for the
//! sake of programs that cannot count further, and let it have as many as the hard limit says, so it takes those; where
//! they are too few for the sockets that the configuration allows, only whoever runs the service can help.

use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{debug, info, warn};

use crate::config::Config;

/// Descriptors of a thread that serves: its queues of events and wake-ups.
const OF_A_THREAD: u64 = 16;

/// Of a connection to the database: on SQLite the file, its log and the index of that.
const OF_A_CONNECTION: u64 = 3;

/// Connections to the database for each core, and at most beside them: see `journal/database.rs` and `auth/table.rs`.
const CONNECTIONS: u64 = 16;

/// Listeners, the standard streams, and HTTP requests that are answered beside the sockets.
const BESIDE: u64 = 256;

/// Raises the limit as far as it goes, and warns where that is not far enough.
pub fn look_at_descriptors(config: &Config) {
    let Some(has) = raised() else {
        return; // without end
    };
    let reserve = reserve();
    let sockets = u64::from(config.limits.sockets);
    let needs = sockets + reserve;
    if sockets == 0 {
        let sockets = has.saturating_sub(reserve);
        info!(
            limit = has,
            "the limit of open files is enough for {sockets} sockets"
        );
    } else if has < needs {
        warn!(
            limit = has,
            needs,
            "the limit of open files is too low for limits.sockets = {sockets}: \
             raise it to {needs} (`ulimit -n {needs}`, in systemd `LimitNOFILE={needs}`), or lower limits.sockets"
        );
    } else {
        debug!(limit = has, needs, "the limit of open files is enough");
    }
}

/// What is open beside the sockets.
fn reserve() -> u64 {
    let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    // Workers, vaults and, on PostgreSQL, committers; see ARCHITECTURE.md.
    let threads = 3 * cores + 4;
    threads * OF_A_THREAD + (cores + CONNECTIONS) * OF_A_CONNECTION + BESIDE
}

/// The soft limit, which is as high as the hard one from here on where the system allows that; none where it has no end.
fn raised() -> Option<u64> {
    let before = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    // Some systems say that there is no end, and allow less.
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        debug!(%error, "the limit of open files could not be raised");
    }
    getrlimit(Resource::Nofile).current
}
