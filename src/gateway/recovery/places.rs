//! Who is connected and who may come back, by pid.

use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

use actix::Addr;

use crate::{domain::UserId, gateway::mailbox::RelayActor};

use super::Kept;

/// How many absent sockets are remembered; beyond that the oldest are forgotten before their time.
const MOST_ABSENT: usize = 100_000;

/// Everybody of whom a pid is known.
#[derive(Default)]
pub(super) struct Places {
    pub(super) by_pid: HashMap<String, Place>,
    /// Who left, oldest first, and until when he may come back. Some have done so.
    pub(super) leaving: VecDeque<(Instant, String)>,
}

pub(super) enum Place {
    Connected(Addr<RelayActor>),
    Away(Instant, Box<Kept>),
}

impl Places {
    /// What is kept of this pid; `None` where it is somebody else's.
    pub(super) fn take(&mut self, pid: &str, user: &UserId) -> Option<Option<Kept>> {
        self.forget_until(Instant::now());
        match self.by_pid.remove_entry(pid) {
            Some((_, Place::Away(_, kept))) if kept.user == *user => Some(Some(*kept)),
            Some((pid, place)) => {
                self.by_pid.insert(pid, place);
                None
            }
            None => Some(None),
        }
    }

    /// Some of those who are connected, by their relays.
    pub(super) fn connected(&self, most: usize) -> Vec<(Addr<RelayActor>, Vec<String>)> {
        let connected = self.by_pid.iter().filter_map(|(pid, place)| match place {
            Place::Connected(relay) => Some((relay, pid)),
            Place::Away(..) => None,
        });
        // There are as many relays as worker threads.
        let mut some: Vec<(_, Vec<_>)> = Vec::new();
        for (relay, pid) in connected.take(most) {
            match some.iter_mut().find(|(known, _)| known == relay) {
                Some((_, pids)) => pids.push(pid.clone()),
                None => some.push((relay.clone(), vec![pid.clone()])),
            }
        }
        some
    }

    /// Some of those who have left.
    pub(super) fn away(&self, most: usize) -> Vec<String> {
        let away = self.by_pid.iter().filter_map(|(pid, place)| match place {
            Place::Connected(_) => None,
            Place::Away(..) => Some(pid.clone()),
        });
        away.take(most).collect()
    }

    /// What is kept of these pids. They are not there any more.
    pub(super) fn take_all<'a>(
        &mut self,
        pids: impl Iterator<Item = &'a String>,
    ) -> Vec<(String, Kept)> {
        let mut all = Vec::new();
        for pid in pids {
            if let Some((pid, Place::Away(_, kept))) = self.by_pid.remove_entry(pid) {
                all.push((pid, *kept));
            }
        }
        all
    }

    /// Forgets those whose time is over, and the oldest where there are too many.
    pub(super) fn forget_until(&mut self, now: Instant) {
        while let Some((until, _)) = self.leaving.front()
            && (*until <= now || self.leaving.len() > MOST_ABSENT)
            && let Some((until, pid)) = self.leaving.pop_front()
        {
            // He may have come back, and left again later.
            if matches!(self.by_pid.get(&pid), Some(Place::Away(at, _)) if *at == until) {
                self.by_pid.remove(&pid);
            }
        }
    }
}
