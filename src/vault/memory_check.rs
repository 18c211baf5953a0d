//! Compares the memory of all vaults with `actors.vault_memory`, and unloads idle vaults when it is too much.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{directory::Directory, memory::least_recently_used};

/// How often the memory of the vaults is compared with its bound.
const INTERVAL: Duration = Duration::from_secs(1);

/// Starts the check on a thread of the vaults. It ends with the directory.
pub(super) fn start(directory: &Arc<Directory>) {
    let Some(thread) = directory.threads().first() else {
        return;
    };
    let directory = Arc::downgrade(directory);
    thread.spawn(async move {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Some(directory) = directory.upgrade() else {
                return;
            };
            unload_excess(&directory);
        }
    });
}

fn unload_excess(directory: &Directory) {
    let excess = directory.excess_bytes();
    if excess == 0 {
        return;
    }
    for id in least_recently_used(directory.unused(), excess, Instant::now()) {
        directory.unload(&id);
    }
}
