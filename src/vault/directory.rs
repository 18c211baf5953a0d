//! The directory: which vaults are alive, and where.
//!
//! It is a map behind a lock that is held for one look-up and never across an await. An owner would have to be
//! asked by message, and then what one socket sends for a vault could overtake itself while the vault opens:
//! looking up must be as immediate as sending.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use actix::{Actor, Addr, Arbiter, ArbiterHandle, Context};
use tokio::sync::Semaphore;

use crate::{domain::VaultId, journal::Journal};

use super::{VaultHandle, VaultOptions, actor::VaultActor};

/// The directory. Cheap to clone.
#[derive(Clone)]
pub(super) struct Directory(Arc<Inner>);

struct Inner {
    journal: Journal,
    options: VaultOptions,
    /// The threads that vaults live on, chosen by id.
    threads: Vec<ArbiterHandle>,
    live: Mutex<HashMap<VaultId, VaultHandle>>,
    /// Set when the service stops.
    closing: Arc<AtomicBool>,
}

impl Directory {
    pub(super) fn new(journal: Journal, options: VaultOptions) -> Self {
        let threads = (0..options.threads.max(1))
            .map(|_| Arbiter::new().handle())
            .collect();
        Self(Arc::new(Inner {
            journal,
            options,
            threads,
            live: Mutex::default(),
            closing: Arc::default(),
        }))
    }

    /// The vault's handle; its actor is started when it is not alive, and reads its vault before anything else.
    pub(super) fn open(&self, id: &VaultId) -> VaultHandle {
        let mut live = self.live();
        match live.get(id) {
            // An actor that panicked is started again.
            Some(handle) if handle.addr.connected() => handle.clone(),
            Some(_) | None => {
                let handle = self.start(id);
                live.insert(id.clone(), handle.clone());
                handle
            }
        }
    }

    /// Takes an actor out, unless another has its place already.
    pub(super) fn forget(&self, id: &VaultId, addr: &Addr<VaultActor>) {
        let mut live = self.live();
        if live.get(id).is_some_and(|handle| handle.addr == *addr) {
            live.remove(id);
        }
    }

    /// Takes no more mutations, and waits until those that were taken are answered: a vault whose every place is
    /// free has nothing left to do.
    pub(super) async fn settle(&self) {
        self.0.closing.store(true, Ordering::Release);
        let handles: Vec<_> = self.live().values().cloned().collect();
        let all = u32::try_from(self.0.options.mailbox).unwrap_or(u32::MAX);
        for handle in handles {
            // Only a closed semaphore fails, and none is.
            let _ = handle.places.acquire_many(all).await;
        }
    }

    fn start(&self, id: &VaultId) -> VaultHandle {
        let inner = &self.0;
        let (journal, directory) = (inner.journal.clone(), self.clone());
        let (batch, vault) = (inner.options.commit_batch, id.clone());
        let addr = VaultActor::start_in_arbiter(self.thread(id), move |_: &mut Context<_>| {
            VaultActor::new(vault, journal, directory, batch)
        });
        VaultHandle {
            addr,
            places: Arc::new(Semaphore::new(inner.options.mailbox)),
            closing: inner.closing.clone(),
        }
    }

    fn thread(&self, id: &VaultId) -> &ArbiterHandle {
        let threads = &self.0.threads;
        // A cuid's last characters are random.
        let spread = id.as_str().bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        &threads[spread % threads.len()]
    }

    fn live(&self) -> MutexGuard<'_, HashMap<VaultId, VaultHandle>> {
        // Nothing panics under this lock, and a map of addresses has no state to be half-changed.
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.0.journal
    }
}
