//! Permits for replay. A vault answers a query with up to one page of missed events, so a query that may return a page
//! first acquires a permit. One socket receives one page at a time, after it has read most of the page before. One vault
//! sends a relay no more pages at once than the relay has capacity for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use actix_socketio::Socket;

/// A socket receives no further page while more frames than this wait in its outbox.
const MAX_WAITING_FRAMES: usize = 16;

/// The permit to query one page for one socket from one vault.
pub(super) struct ReplayPermit {
    _socket: OwnedSemaphorePermit,
    _vault: OwnedSemaphorePermit,
}

/// Bounds the pages that one vault sends to this relay at a time.
pub(super) struct VaultReplayPermits {
    semaphore: Arc<Semaphore>,
    bound: usize,
}

/// Bounds the pages that one socket receives at a time, from all its vaults, to one. Clones share the permit.
#[derive(Clone)]
pub(super) struct SocketReplayPermit(Arc<Semaphore>);

impl VaultReplayPermits {
    pub(super) fn new() -> Self {
        Self {
            semaphore: Arc::new(Semaphore::new(0)),
            bound: 0,
        }
    }

    /// Sets the bound and returns the semaphore. A lower bound revokes no permit that is in use.
    pub(super) fn with_bound(&mut self, bound: usize) -> &Arc<Semaphore> {
        if bound > self.bound {
            self.semaphore.add_permits(bound - self.bound);
            self.bound = bound;
        } else if bound < self.bound {
            self.bound -= self.semaphore.forget_permits(self.bound - bound);
        }
        &self.semaphore
    }

    /// Returns how many permits are free.
    #[cfg(test)]
    pub(super) fn available(&self) -> usize {
        self.semaphore.available_permits()
    }
}

impl SocketReplayPermit {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// Acquires a permit if one is free and the outbox of the socket has room for a page.
    pub(super) fn try_acquire(
        &self,
        socket: &Socket,
        vault: &Arc<Semaphore>,
    ) -> Option<ReplayPermit> {
        let has_room = socket.outbox_usage().frames <= MAX_WAITING_FRAMES;
        let permit = has_room.then(|| self.0.clone().try_acquire_owned().ok())??;
        let vault = vault.clone().try_acquire_owned().ok()?;
        Some(ReplayPermit {
            _socket: permit,
            _vault: vault,
        })
    }

    /// Waits until the socket and the vault have a permit and the outbox of the socket has room for a page.
    pub(super) async fn acquire(
        self,
        socket: Socket,
        vault: Arc<Semaphore>,
    ) -> Option<ReplayPermit> {
        let permit = self.0.acquire_owned().await.ok()?;
        socket.drained_to(MAX_WAITING_FRAMES).await;
        let vault = vault.acquire_owned().await.ok()?;
        Some(ReplayPermit {
            _socket: permit,
            _vault: vault,
        })
    }
}
