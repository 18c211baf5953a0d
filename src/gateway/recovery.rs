//! Connection state recovery: who may come back as the one that he was, and what he left.
//!
//! A connected socket is known by its `pid`, which only its client knows, and by the relay that it lives on. When its
//! transport ends and nobody asked for that, what it leaves is kept for `socketio.recovery_window`; at an orderly stop it
//! is kept in the database, where another process finds it. Whoever comes with the pid takes it, once; of two that
//! do, the later one takes it from the earlier.
//!
//! The map is behind a lock that is held for one look-up and never across an await: sockets of all worker threads enter
//! it, and a client may come back on any of them.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use actix::Addr;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OwnedMutexGuard;
use tracing::{debug, warn};

use crate::{
    domain::{Timestamp, UserId, VaultId},
    engineio::CloseReason,
    journal::{Journal, JournalError, KeptSocket, report},
    seldom::Seldom,
    vault::Attach,
};

mod places;

use places::{Place, Places};

use super::{
    mailbox::{Dismiss, LetGo, RelayActor, TakeOver},
    meters::{Meters, Recovering},
    offset::Offset,
    trace::{Resumed, Trace},
};

/// Why a transport is closed: its client has come back by another one.
const TAKEN_OVER: CloseReason = CloseReason::Application("taken over");

/// How many of those who are away are written at once when the service stops.
const AT_ONCE: usize = 256;

/// Who is connected and who may come back. Cheap to clone.
#[derive(Clone)]
pub struct Recovery {
    journal: Journal,
    /// Nobody comes back when it is zero.
    window: Duration,
    places: Arc<Mutex<Places>>,
    meters: Meters,
    /// What sockets leave could not be kept.
    lost: Arc<Seldom>,
    /// Held while somebody claims a pid, until he has its place: who comes after him takes it from him.
    turns: Arc<[Arc<Turn>]>,
}

type Turn = tokio::sync::Mutex<()>;

/// How many pids are claimed at the same time, at most.
const TURNS: usize = 64;

/// What a socket leaves.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub user: UserId,
    pub id: String,
    pub trace: Trace,
    /// Joins that no vault has answered.
    pub pending: Vec<(VaultId, Attach)>,
}

/// What somebody is about to take. It is kept again when he gives up before.
struct Held<'a> {
    recovery: &'a Recovery,
    pid: String,
    kept: Option<Kept>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.recovery.keep(&self.pid, kept);
        }
    }
}

impl Kept {
    /// What is to be taken up again for a client that names its last offset.
    fn resumed(&self, offset: Option<&Offset>) -> Option<Vec<Resumed>> {
        let mut resumed = self.trace.recover(offset)?;
        for (vault, join) in &self.pending {
            match resumed.iter_mut().find(|one| one.vault == *vault) {
                Some(one) => one.joins.push(join.clone()),
                None => resumed.push(Resumed {
                    vault: vault.clone(),
                    seen: None,
                    joined: None,
                    joins: vec![join.clone()],
                }),
            }
        }
        Some(resumed)
    }
}

/// What a client says that comes back.
pub(super) struct Claim {
    pub pid: String,
    pub offset: Option<Offset>,
}

/// The one that a client was.
pub(super) struct Recovered {
    pub pid: String,
    pub id: String,
    pub resumed: Vec<Resumed>,
    /// To be held until he has taken the place.
    pub turn: OwnedMutexGuard<()>,
}

/// What is kept in the database: of one history.
#[derive(Serialize, Deserialize)]
struct Letter {
    epoch: String,
    kept: Kept,
}

impl Claim {
    /// What the auth payload of a CONNECT claims, if it does.
    pub(super) fn of(auth: &Value) -> Option<Self> {
        let pid = auth.get("pid")?.as_str()?.to_owned();
        let offset = auth.get("offset").and_then(Value::as_str);
        Some(Self {
            pid,
            offset: offset.map(Offset::told),
        })
    }
}

impl Recovery {
    /// Nobody is connected yet. Who leaves may come back for so long (`socketio.recovery_window`); not at all when it is
    /// zero.
    pub fn new(journal: Journal, window: Duration, meters: Meters) -> Self {
        Self {
            journal,
            window,
            meters,
            lost: Arc::default(),
            places: Arc::default(),
            turns: (0..TURNS).map(|_| Arc::default()).collect(),
        }
    }

    /// Whether anybody can come back.
    pub(super) fn is_on(&self) -> bool {
        !self.window.is_zero()
    }

    /// A socket is connected and lives on this relay.
    pub(super) fn entered(&self, pid: &str, relay: Addr<RelayActor>) {
        let place = Place::Connected(relay);
        self.places().by_pid.insert(pid.to_owned(), place);
    }

    /// A socket has left for good, or its state is somebody else's now.
    pub(super) fn forget(&self, pid: &str, relay: &Addr<RelayActor>) {
        let mut places = self.places();
        if matches!(places.by_pid.get(pid), Some(Place::Connected(at)) if at == relay) {
            places.by_pid.remove(pid);
        }
    }

    /// A socket has left and may come back.
    pub(super) fn keep(&self, pid: &str, kept: Kept) {
        let (mut places, now) = (self.places(), Instant::now());
        places.forget_until(now);
        let until = now + self.window;
        places.leaving.push_back((until, pid.to_owned()));
        let place = Place::Away(until, Box::new(kept));
        places.by_pid.insert(pid.to_owned(), place);
    }

    /// The one that this user says he was, if his connection can be recovered whole. Where it cannot, nobody can claim the
    /// same any more.
    pub(super) async fn claim(&self, claim: &Claim, user: &UserId) -> Option<Recovered> {
        let recovered = self.recover(claim, user).await;
        let outcome = recovered.as_ref().err().copied();
        self.meters.recovery(outcome.unwrap_or(Recovering::Done));
        recovered.ok()
    }

    async fn recover(&self, claim: &Claim, user: &UserId) -> Result<Recovered, Recovering> {
        let turn = self.turn(&claim.pid).lock_owned().await;
        let mut held = self
            .take(&claim.pid, user)
            .await
            .ok_or(Recovering::Nothing)?;
        let kept = held.kept.as_ref().ok_or(Recovering::Nothing)?;
        let resumed = kept.resumed(claim.offset.as_ref());
        let places = |one: &Resumed| Some((one.vault.clone(), one.seen?.0));
        let can_resume = match &resumed {
            Some(resumed) => {
                let places: Vec<_> = resumed.iter().filter_map(places).collect();
                self.journal.can_resume(&places).await
            }
            None => Ok(false),
        };
        let kept = held.kept.take().ok_or(Recovering::Nothing)?;
        match (can_resume, resumed) {
            (Ok(true), Some(resumed)) => Ok(Recovered {
                pid: claim.pid.clone(),
                id: kept.id,
                resumed,
                turn,
            }),
            (Ok(_), resumed) => {
                debug!(user.id = %user, "a client cannot be told what it missed: it begins anew");
                Err(resumed.map_or(Recovering::Unclear, |_| Recovering::Trimmed))
            }
            (Err(error), _) => {
                report!(error, user.id = %user, "a connection could not be recovered: it begins anew");
                Err(Recovering::Failed)
            }
        }
    }

    fn turn(&self, pid: &str) -> Arc<Turn> {
        let mut hasher = DefaultHasher::new();
        pid.hash(&mut hasher);
        self.turns[hasher.finish() as usize % TURNS].clone()
    }

    /// What is kept of this pid, if it is this user's; of a client that is still connected when it has been let go.
    async fn take(&self, pid: &str, user: &UserId) -> Option<Held<'_>> {
        let connected = match self.places().by_pid.get(pid) {
            Some(Place::Connected(relay)) => Some(relay.clone()),
            Some(Place::Away(..)) | None => None,
        };
        if let Some(relay) = connected {
            let over = TakeOver {
                pid: pid.to_owned(),
                user: user.clone(),
                reason: TAKEN_OVER,
            };
            relay.send(over).await.ok()?;
        }
        let held = |kept| Held {
            recovery: self,
            pid: pid.to_owned(),
            kept: Some(kept),
        };
        if let Some(kept) = self.places().take(pid, user)? {
            return Some(held(kept));
        }
        Some(held(self.take_letter(pid, user).await?))
    }

    async fn take_letter(&self, pid: &str, user: &UserId) -> Option<Kept> {
        let state = match self.journal.take_socket(pid, Timestamp::now()).await {
            Ok(state) => state?,
            Err(error) => {
                report!(error, user.id = %user, "it could not be looked up who comes back: he begins anew");
                return None;
            }
        };
        let Letter { epoch, kept } = match serde_json::from_str(&state) {
            Ok(letter) => letter,
            Err(error) => {
                warn!(%error, "what a socket left cannot be read: it begins anew");
                return None;
            }
        };
        if kept.user != *user {
            // It was not his to take.
            self.keep(pid, kept);
            return None;
        }
        (epoch == self.journal.epoch()).then_some(kept)
    }

    /// Lets at most so many of the connected sockets go: what they leave is in the database before their transports are
    /// closed. Who cannot be kept, for the database does not answer, begins anew when he comes back. How many went; none
    /// when nobody is left who may come back.
    pub async fn let_some_go(&self, most: usize) -> usize {
        let some = self.places().connected(most);
        // One that has ended has left nothing behind, and does not answer.
        let let_go = some
            .iter()
            .map(|(relay, pids)| relay.send(LetGo(pids.clone())));
        join_all(let_go).await;
        self.put_away(some.iter().flat_map(|(_, pids)| pids)).await;
        let many = some.iter().map(|(_, pids)| pids.len()).sum();
        let dismissed = some.into_iter().map(async |(relay, pids)| {
            let reason = CloseReason::Shutdown;
            relay.send(Dismiss { pids, reason }).await
        });
        join_all(dismissed).await;
        many
    }

    /// Likewise those who have left and may come back: they have no transports.
    pub async fn let_the_absent_go(&self) {
        loop {
            let some = self.places().away(AT_ONCE);
            if some.is_empty() {
                break;
            }
            self.put_away(some.iter()).await;
        }
    }

    /// Puts what these have left into the database.
    async fn put_away(&self, pids: impl Iterator<Item = &String>) {
        let letters = self.places().take_all(pids);
        let sockets = letters.len();
        if sockets == 0 {
            return;
        }
        if let Err(error) = self.write(letters).await {
            report!(
                error,
                sockets,
                "what sockets leave could not be kept: they begin anew"
            );
            if let Some(unsaid) = self.lost.now() {
                warn!(
                    sockets,
                    unsaid,
                    "some sockets begin anew when they come back: what they leave could not be kept"
                );
            }
        }
    }

    async fn write(&self, kept: Vec<(String, Kept)>) -> Result<(), JournalError> {
        let window = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX);
        let expires = Timestamp(Timestamp::now().0.saturating_add(window));
        let letter = |(pid, kept)| {
            let epoch = self.journal.epoch().to_owned();
            let state = serde_json::to_string(&Letter { epoch, kept });
            KeptSocket {
                pid,
                state: state.expect("texts and numbers are JSON"),
                expires,
            }
        };
        let sockets = kept.into_iter().map(letter).collect();
        self.journal.keep_sockets(sockets).await
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing in here can panic half-way.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
