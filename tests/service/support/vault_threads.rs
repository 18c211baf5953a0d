//! Blocks the threads of the vault actors, so that queues fill.

use std::sync::mpsc;

use crate::common::service::TestService;

/// Blocks every thread of the vault actors until the returned senders are dropped.
pub fn block_vault_threads(service: &TestService) -> Vec<mpsc::Sender<()>> {
    let block = |thread: &actix::ArbiterHandle| {
        let (release, blocked) = mpsc::channel::<()>();
        thread.spawn_fn(move || {
            let _released = blocked.recv();
        });
        release
    };
    service.vaults().threads().iter().map(block).collect()
}
