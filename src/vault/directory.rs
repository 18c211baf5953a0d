//! The directory: which vaults are alive, and where.
//!
//! It is a map behind a lock that is held for one look-up and never across an await. An owner would have to be
//! asked by message, and then what one socket sends for a vault could overtake itself while the vault opens:
//! looking up must be as immediate as sending.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, Once, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::{Actor, Addr, Arbiter, ArbiterHandle, Context};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{debug, warn};

use crate::{domain::VaultId, journal::Journal};

use super::{
    VaultError, VaultOptions,
    actor::{Letter, Retune, Sent, Start, VaultActor},
    meters::Meters,
    vitals::{Totals, Vital, Vitals},
};

/// Visits are bounded by sockets; this is only more than there can be.
const VISITS: u32 = u32::MAX >> 3;

/// More places than any queue is allowed to have; how many of them may be taken is compared when one is.
const PLACES: u32 = u32::MAX >> 3;

/// An actor that ended so soon after its start would do so again: its successor waits as long before it begins.
const TOO_SOON: Duration = Duration::from_secs(1);

/// How many vaults are read at the same time: whoever asks for thousands at once leaves connections to others.
const OPENING: usize = 4;

/// The directory. Cheap to clone.
#[derive(Clone)]
pub(super) struct Directory(Arc<Inner>);

struct Inner {
    journal: Journal,
    meters: Meters,
    /// The threads that vaults live on, chosen by id.
    threads: Vec<ArbiterHandle>,
    here: Mutex<Here>,
    /// Whoever reads a vault holds one.
    opening: Arc<Semaphore>,
    /// Set when the service stops.
    closing: AtomicBool,
    /// Said when another process is first seen to write this database.
    others: Once,
}

/// The vaults that are alive, and the bounds of all of them.
struct Here {
    options: VaultOptions,
    live: HashMap<VaultId, Live>,
}

/// A vault's actor and the way to it.
#[derive(Clone)]
pub(super) struct Live {
    addr: Addr<VaultActor>,
    entrance: Entrance,
    /// Held by the actor and by its transaction in flight; whoever comes after waits for it.
    tenure: Arc<Semaphore>,
    since: Instant,
    vitals: Arc<Vitals>,
    meters: Meters,
}

impl Live {
    /// Whether its actor has not ended: one that panicked is in the directory until somebody names its vault again.
    fn is_alive(&self) -> bool {
        self.addr.connected()
    }

    /// Puts a letter into the mailbox at once and in order, which `send` does not do when the mailbox is full.
    /// What is sent is bounded before: mutations by places, the rest by sockets.
    #[allow(
        clippy::disallowed_methods,
        reason = "bounded by places and by sockets"
    )]
    pub(super) fn tell<L: Letter>(&self, letter: L) {
        let waiting = self.entrance.depth().saturating_sub(L::PLACES);
        self.meters.mailbox.sent(waiting);
        self.addr.do_send(Sent::now(letter));
    }
}

/// What is on its way to an actor, or waits there, holds a permit of its entrance.
///
/// How many mutations wait is counted beside the permits: whoever waits for all of those holds them meanwhile.
#[derive(Clone)]
pub(super) struct Entrance {
    /// One for each mutation that waits is taken.
    places: Arc<Semaphore>,
    /// How many of them are.
    waiting: Arc<AtomicUsize>,
    /// One for each subscriber that wants to be attached.
    visits: Arc<Semaphore>,
}

/// A place in a vault's queue, until this is dropped.
pub(super) struct Place {
    waiting: Arc<AtomicUsize>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Entrance {
    fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES as usize)),
            waiting: Arc::default(),
            visits: Arc::new(Semaphore::new(VISITS as usize)),
        }
    }

    /// How many mutations wait, the ones in flight included.
    fn depth(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// A place, if fewer are taken than there may be. Whoever takes one holds the directory's lock, so that no two take
    /// the last; those who give one back only make room.
    fn place(&self, capacity: usize) -> Option<Place> {
        if self.depth() >= capacity {
            return None;
        }
        let permit = self.places.clone().try_acquire_owned().ok()?;
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Some(Place {
            waiting: self.waiting.clone(),
            _permit: permit,
        })
    }

    /// Takes every permit: then nobody waits, and nobody can come. For good, if there is nobody.
    fn close(&self) -> bool {
        let places = self.places.try_acquire_many(PLACES);
        let visits = self.visits.try_acquire_many(VISITS);
        let unused = places.is_ok() && visits.is_ok();
        if unused {
            self.places.close();
            self.visits.close();
        }
        unused
    }
}

impl Directory {
    pub(super) fn new(journal: Journal, options: VaultOptions, meters: Meters) -> Self {
        let threads = (0..options.threads.max(1))
            .map(|_| Arbiter::new().handle())
            .collect();
        let live = HashMap::new();
        Self(Arc::new(Inner {
            journal,
            meters,
            threads,
            here: Mutex::new(Here { options, live }),
            opening: Arc::new(Semaphore::new(OPENING)),
            closing: AtomicBool::new(false),
            others: Once::new(),
        }))
    }

    /// Sets other bounds, for the vaults that are alive and for all that come. What waits already has its place.
    pub(super) fn retune(&self, options: VaultOptions) {
        let mut here = self.here();
        here.options = options;
        for vault in here.live.values() {
            vault.tell(Retune(options));
        }
    }

    /// How many mutations may wait for one vault.
    pub(super) fn capacity(&self) -> usize {
        self.here().options.mailbox
    }

    /// A place in the vault's queue, and the vault; its actor is started when it is not alive.
    ///
    /// # Errors
    /// `Busy` when no place is free, `Unavailable` when the service stops.
    pub(super) fn place(&self, id: &VaultId) -> Result<(Live, Place), VaultError> {
        let (vault, place) = self.enter(id, |entrance, options| entrance.place(options.mailbox));
        if self.is_closing() {
            return Err(VaultError::Unavailable);
        }
        match place {
            Some(place) => {
                vault.vitals.waits(Instant::now());
                Ok((vault, place))
            }
            None => {
                self.0.meters.busy.inc();
                Err(VaultError::Busy)
            }
        }
    }

    /// A visit to the vault, and the vault; its actor is started when it is not alive.
    pub(super) fn visit(&self, id: &VaultId) -> (Live, Option<OwnedSemaphorePermit>) {
        self.enter(id, |entrance, _| {
            entrance.visits.clone().try_acquire_owned().ok()
        })
    }

    /// The vault's actor, if it is alive.
    pub(super) fn get(&self, id: &VaultId) -> Option<Live> {
        self.here().live.get(id).cloned()
    }

    /// Lets an actor go for which nothing is on its way; whether it may. From then on there is no way to it.
    pub(super) fn retire(&self, id: &VaultId, entrance: &Entrance) -> bool {
        let live = &mut self.here().live;
        let unused = entrance.close();
        // Another has its place already if it was thought dead.
        let is_it = |vault: &Live| Arc::ptr_eq(&vault.entrance.places, &entrance.places);
        if unused && live.get(id).is_some_and(is_it) {
            live.remove(id);
            self.0.meters.retired.inc();
        }
        unused
    }

    /// Those that are alive, at a glance.
    pub(super) fn vitals(&self) -> Vec<Vital> {
        let here = self.here();
        let capacity = here.options.mailbox;
        let glance = |(id, vault): (&VaultId, &Live)| {
            let queue = (vault.entrance.depth(), capacity);
            vault.vitals.glance(id, queue, self.thread(id))
        };
        let alive = here.live.iter().filter(|(_, vault)| vault.is_alive());
        alive.map(glance).collect()
    }

    /// What all of those come to.
    pub(super) fn totals(&self) -> Totals {
        let here = self.here();
        let mut totals = Totals::default();
        for vault in here.live.values().filter(|vault| vault.is_alive()) {
            vault.vitals.add_to(&mut totals, vault.entrance.depth());
        }
        totals
    }

    /// A vault has taken in what another process wrote. Whoever runs both is to know what that costs, and hears it once.
    pub(super) fn sees_others(&self, id: &VaultId) {
        self.0.others.call_once(|| {
            warn!(
                vault.id = %id,
                "another process writes this database: what changes there is heard here when somebody joins or writes"
            );
        });
    }

    pub(super) fn meters(&self) -> &Meters {
        &self.0.meters
    }

    /// Whether no mutations are taken any longer.
    pub(super) fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Acquire)
    }

    /// Takes no more mutations, and waits until those that were taken are answered: a vault whose every place is
    /// free has nothing left to do.
    pub(super) async fn settle(&self) {
        self.0.closing.store(true, Ordering::Release);
        let vaults: Vec<_> = self.here().live.values().cloned().collect();
        for Live { entrance, .. } in vaults {
            // Fails only for an actor that ended meanwhile, which had nothing to do.
            let _ = entrance.places.acquire_many(PLACES).await;
        }
    }

    /// The threads that vaults live on.
    pub(super) fn threads(&self) -> &[ArbiterHandle] {
        &self.0.threads
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.0.journal
    }

    /// Takes a permit of whoever is alive now. Under the lock, so that an actor that is just taking all of its permits
    /// is either gone already or has not begun.
    fn enter<P>(
        &self,
        id: &VaultId,
        take: impl FnOnce(&Entrance, &VaultOptions) -> Option<P>,
    ) -> (Live, Option<P>) {
        let Here { options, live } = &mut *self.here();
        let vault = match live.get(id) {
            Some(vault) if vault.addr.connected() => vault.clone(),
            found => {
                let vault = self.start(id, *options, found);
                live.insert(id.clone(), vault.clone());
                vault
            }
        };
        let permit = take(&vault.entrance, options);
        (vault, permit)
    }

    /// Starts a vault's actor; `dead` is one that ended without leaving the directory, by a panic.
    fn start(&self, id: &VaultId, options: VaultOptions, dead: Option<&Live>) -> Live {
        let now = Instant::now();
        let (tenure, pause) = match dead {
            None => (Arc::new(Semaphore::new(1)), Duration::ZERO),
            Some(dead) => {
                debug!(vault.id = %id, "a vault's actor has died; opening the vault again");
                let soon = now.duration_since(dead.since) < TOO_SOON;
                let pause = if soon { TOO_SOON } else { Duration::ZERO };
                (dead.tenure.clone(), pause)
            }
        };
        self.0.meters.opened.inc();
        let entrance = Entrance::new();
        let vitals = Arc::new(Vitals::new());
        let start = Start {
            id: id.clone(),
            journal: self.0.journal.clone(),
            directory: self.clone(),
            options,
            entrance: entrance.clone(),
            tenure: tenure.clone(),
            opening: self.0.opening.clone(),
            pause,
            vitals: vitals.clone(),
        };
        let create = move |_: &mut Context<_>| VaultActor::new(start);
        let thread = &self.0.threads[self.thread(id)];
        let addr = VaultActor::start_in_arbiter(thread, create);
        Live {
            addr,
            entrance,
            tenure,
            since: now + pause,
            vitals,
            meters: self.0.meters.clone(),
        }
    }

    /// Which thread a vault lives on.
    fn thread(&self, id: &VaultId) -> usize {
        // A cuid's last characters are random.
        let spread = id.as_str().bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        spread % self.0.threads.len()
    }

    fn here(&self) -> MutexGuard<'_, Here> {
        // Nothing panics under this lock, and a map of addresses has no state to be half-changed.
        self.0.here.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_places_are_taken_as_there_are_whatever_there_were_before() {
        let entrance = Entrance::new();
        let mut waiting: Vec<_> = (0..3).map(|_| entrance.place(3).unwrap()).collect();
        assert!(entrance.place(3).is_none());
        waiting.push(entrance.place(4).unwrap());
        assert_eq!(entrance.depth(), 4);

        assert!(entrance.place(2).is_none());
        waiting.truncate(2);
        assert!(entrance.place(2).is_none());
        waiting.truncate(1);
        waiting.push(entrance.place(2).unwrap());
        assert!(entrance.place(2).is_none());
    }

    #[test]
    fn an_entrance_closes_when_nobody_waits_whatever_its_capacity() {
        let entrance = Entrance::new();
        let place = entrance.place(1);
        assert!(!entrance.close());
        drop(place);
        assert!(entrance.close());
        assert!(entrance.place(1).is_none());
    }
}
