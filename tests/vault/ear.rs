//! Ears: sinks of the tests' own, and what came through them, one thing after the other.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc;
use vaultcast::{
    domain::{Seq, SubscriberId, VaultId},
    journal::Record,
    vault::{
        Attach, Body, Delivery, Full, Joined, Sink, SinkId, Subscription, Then, VaultError,
        VaultHandle,
    },
};

use crate::world::{AT_LAST, user};

/// A sink of the test's own, and what came through it.
pub struct Ear {
    sink: Arc<TestSink>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

/// What a sink is told.
#[derive(Debug)]
pub enum Heard {
    Told(VaultId, Told),
    FellBehind(VaultId),
}

/// What a subscriber is told: an answer comes in its parts.
#[derive(Debug)]
pub enum Told {
    Event(Record),
    Joined(Joined),
    Live,
    More,
    Removed,
    Closed,
    Lost,
    Refused(VaultError),
}

impl Told {
    fn parts_of(body: &Body) -> Vec<Self> {
        let attached = match body {
            Body::Event(record) => return vec![Self::Event(record.clone())],
            Body::Removed => return vec![Self::Removed],
            Body::Closed => return vec![Self::Closed],
            Body::Attached(attached) => attached,
        };
        let joined = attached.joined.clone().map(Self::Joined);
        let events = attached
            .events
            .iter()
            .flat_map(|event| Self::parts_of(&event.body));
        let then = match &attached.then {
            Then::Live => Self::Live,
            Then::More => Self::More,
            Then::Removed => Self::Removed,
            Then::Closed => Self::Closed,
            Then::Lost => Self::Lost,
            Then::Refused(error) => Self::Refused(error.clone()),
        };
        joined.into_iter().chain(events).chain([then]).collect()
    }
}

struct TestSink {
    id: SinkId,
    /// How many more notices it takes.
    room: AtomicUsize,
    /// Dies of the next notice.
    fragile: AtomicUsize,
    tell: mpsc::UnboundedSender<Heard>,
}

impl Sink for TestSink {
    fn id(&self) -> SinkId {
        self.id
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), Full> {
        let blow = self
            .fragile
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        assert!(blow != Ok(1), "this sink panics on purpose");
        let take = |room: usize| room.checked_sub(1);
        let taken = self
            .room
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken.map_err(|_| Full)?;
        for part in Told::parts_of(&delivery.notice.body) {
            let _ = self.tell.send(Heard::Told(delivery.vault.clone(), part));
        }
        Ok(())
    }

    fn fell_behind(&self, vault: VaultHandle) {
        let _ = self.tell.send(Heard::FellBehind(vault.id().clone()));
    }
}

impl Ear {
    pub fn new() -> Self {
        Self::with_room(usize::MAX)
    }

    pub fn with_room(room: usize) -> Self {
        static SINKS: AtomicUsize = AtomicUsize::new(0);
        let (tell, heard) = mpsc::unbounded_channel();
        let sink = TestSink {
            id: SinkId(SINKS.fetch_add(1, Ordering::Relaxed) as u64),
            room: AtomicUsize::new(room),
            fragile: AtomicUsize::new(0),
            tell,
        };
        Self {
            sink: Arc::new(sink),
            heard,
        }
    }

    pub fn id(&self) -> SinkId {
        self.sink.id
    }

    pub fn make_room(&self, room: usize) {
        self.sink.room.store(room, Ordering::Release);
    }

    /// Takes so many notices and panics at the next.
    pub fn breaks_after(&self, notices: usize) {
        self.sink.fragile.store(notices + 1, Ordering::Release);
    }

    /// Attaches somebody new; his subscriber id, which is his ticket as well.
    pub fn attach(&self, vault: &VaultHandle, name: &str, attach: Attach) -> SubscriberId {
        static SUBSCRIBERS: AtomicU64 = AtomicU64::new(0);
        let subscriber = SubscriberId(SUBSCRIBERS.fetch_add(1, Ordering::Relaxed));
        self.attach_again(vault, name, subscriber, attach);
        subscriber
    }

    pub fn attach_again(
        &self,
        vault: &VaultHandle,
        name: &str,
        subscriber: SubscriberId,
        attach: Attach,
    ) {
        let subscription = Subscription {
            subscriber,
            user: user(name),
            ticket: subscriber.0,
            attach,
        };
        vault.subscribe(subscription, self.sink.clone());
    }

    /// Attaches somebody again who has got every event up to `q` and was in from the beginning.
    pub fn resume(&self, vault: &VaultHandle, name: &str, subscriber: SubscriberId, q: u64) {
        let attach = Attach::Resume {
            after: Seq(q),
            joined_at: Seq::ZERO,
        };
        self.attach_again(vault, name, subscriber, attach);
    }

    /// Joins and waits until the vault has said so.
    pub async fn join(&mut self, vault: &VaultHandle, name: &str) -> SubscriberId {
        let subscriber = self.attach(vault, name, Attach::Join);
        self.joined().await;
        subscriber
    }

    /// The next thing is that somebody is in.
    pub async fn joined(&mut self) -> Joined {
        match self.told().await {
            Told::Joined(joined) => joined,
            other => panic!("not in: {other:?}"),
        }
    }

    pub async fn next(&mut self) -> Heard {
        let next = tokio::time::timeout(AT_LAST, self.heard.recv());
        next.await
            .expect("something to hear")
            .expect("a living sink")
    }

    /// The next thing that is told, and of which vault; that somebody is counted in is no news to an ear that takes
    /// everything.
    async fn told_of(&mut self) -> (VaultId, Told) {
        loop {
            match self.next().await {
                Heard::Told(_, Told::Live) => {}
                Heard::Told(vault, told) => return (vault, told),
                Heard::FellBehind(vault) => panic!("fell behind in {vault}"),
            }
        }
    }

    pub async fn told(&mut self) -> Told {
        self.told_of().await.1
    }

    /// The next event's place.
    pub async fn event(&mut self) -> u64 {
        match self.told().await {
            Told::Event(record) => record.seq.0,
            other => panic!("not an event: {other:?}"),
        }
    }

    /// The places of so many events.
    pub async fn events(&mut self, count: usize) -> Vec<u64> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.event().await);
        }
        events
    }

    /// The places of so many events after `q`, for ana, who attaches again after the last that she got whenever her
    /// sink is told that it was left out.
    pub async fn events_after(
        &mut self,
        vault: &VaultHandle,
        ana: SubscriberId,
        q: u64,
        count: usize,
    ) -> Vec<u64> {
        let mut events: Vec<u64> = Vec::new();
        while events.len() < count {
            let last = events.last().copied().unwrap_or(q);
            match self.next().await {
                // What she knows is told again after a resumption.
                Heard::Told(_, Told::Event(record)) if record.seq.0 <= last => {}
                Heard::Told(_, Told::Event(record)) => events.push(record.seq.0),
                Heard::Told(_, Told::Live) => {}
                Heard::Told(_, other) => panic!("not an event: {other:?}"),
                Heard::FellBehind(_) => {
                    vault.caught_up(self.id());
                    self.resume(vault, "ana", ana, last);
                }
            }
        }
        events
    }

    /// The places of events, by vault, until there are so many in all.
    pub async fn events_by_vault(&mut self, count: usize) -> HashMap<VaultId, Vec<u64>> {
        let mut events: HashMap<_, Vec<_>> = HashMap::new();
        for _ in 0..count {
            let (vault, Told::Event(record)) = self.told_of().await else {
                panic!("not an event");
            };
            events.entry(vault).or_default().push(record.seq.0);
        }
        events
    }

    /// Waits until the sink is told that it was left out.
    pub async fn fell_behind(&mut self) {
        loop {
            if let Heard::FellBehind(_) = self.next().await {
                return;
            }
        }
    }

    /// Nothing was heard that was not listened to.
    pub fn is_silent(&mut self) -> bool {
        loop {
            match self.heard.try_recv() {
                Ok(Heard::Told(_, Told::Live)) => {}
                Ok(_) => return false,
                Err(_) => return true,
            }
        }
    }
}
