//! A sink for tests. It records what a vault delivers, and tests read it in order.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use tokio::sync::mpsc;
use vaultcast::{
    domain::{Epoch, Seq, SubscriberId, VaultId},
    journal::JournalRecord,
    vault::{
        Attach, AttachOutcome, Delivery, Joined, NoticeBody, Sink, SinkFull, SinkId, Subscription,
        VaultError, VaultHandle,
    },
};

use crate::test_node::{TEST_TIMEOUT, user_id};

/// A sink and the recorded calls of the vaults on it.
pub struct TestSink {
    sink: Arc<ChannelSink>,
    calls: mpsc::UnboundedReceiver<SinkCall>,
    /// The epoch of the last join.
    epoch: Epoch,
}

/// A call of a vault on the sink.
#[derive(Debug)]
pub enum SinkCall {
    Delivered(VaultId, NoticePart),
    FellBehind(VaultId),
    PositionsUnknown(VaultId),
}

/// One part of a notice. An answer to a subscription has several.
#[derive(Debug)]
pub enum NoticePart {
    Event(JournalRecord),
    Joined(Joined),
    Live,
    More,
    Removed,
    Closed,
    Lost,
    Refused(VaultError),
}

impl NoticePart {
    /// Returns the parts of a notice in their order.
    fn split(body: &NoticeBody) -> Vec<Self> {
        let attached = match body {
            NoticeBody::Event(record) => return vec![Self::Event(record.clone())],
            NoticeBody::Removed => return vec![Self::Removed],
            NoticeBody::Closed => return vec![Self::Closed],
            NoticeBody::Attached(attached) => attached,
        };
        let joined = attached.joined.clone().map(Self::Joined);
        let events = attached
            .events
            .iter()
            .flat_map(|event| Self::split(&event.body));
        let outcome = match &attached.outcome {
            AttachOutcome::Live => Self::Live,
            AttachOutcome::More => Self::More,
            AttachOutcome::Removed => Self::Removed,
            AttachOutcome::Closed => Self::Closed,
            AttachOutcome::Lost => Self::Lost,
            AttachOutcome::Refused(error) => Self::Refused(error.clone()),
        };
        joined.into_iter().chain(events).chain([outcome]).collect()
    }
}

/// The part of a [`TestSink`] that the vault holds: forwards each call to a channel.
struct ChannelSink {
    id: SinkId,
    /// The number of notices that it still accepts.
    capacity: AtomicUsize,
    /// The number of the next notices of which the last makes it panic; 0 for none.
    panic_countdown: AtomicUsize,
    calls: mpsc::UnboundedSender<SinkCall>,
}

impl Sink for ChannelSink {
    fn id(&self) -> SinkId {
        self.id
    }

    fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), SinkFull> {
        let decrement = |count: usize| count.checked_sub(1);
        let countdown =
            self.panic_countdown
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, decrement);
        assert!(countdown != Ok(1), "this sink panics on purpose");
        let capacity = self
            .capacity
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, decrement);
        capacity.map_err(|_| SinkFull)?;
        for part in NoticePart::split(&delivery.notice.body) {
            let call = SinkCall::Delivered(delivery.vault.clone(), part);
            let _ = self.calls.send(call);
        }
        Ok(())
    }

    fn fell_behind(&self, vault: VaultHandle) {
        let _ = self.calls.send(SinkCall::FellBehind(vault.id().clone()));
    }

    fn positions_unknown(&self, vault: VaultHandle) {
        let vault = vault.id().clone();
        let _ = self.calls.send(SinkCall::PositionsUnknown(vault));
    }
}

impl TestSink {
    /// Returns a sink that accepts everything.
    pub fn new() -> Self {
        Self::with_capacity(usize::MAX)
    }

    /// Returns a sink that accepts `capacity` notices.
    pub fn with_capacity(capacity: usize) -> Self {
        static SINKS: AtomicUsize = AtomicUsize::new(0);
        let (sender, calls) = mpsc::unbounded_channel();
        let sink = ChannelSink {
            id: SinkId(SINKS.fetch_add(1, Ordering::Relaxed) as u64),
            capacity: AtomicUsize::new(capacity),
            panic_countdown: AtomicUsize::new(0),
            calls: sender,
        };
        Self {
            sink: Arc::new(sink),
            calls,
            epoch: Epoch::default(),
        }
    }

    /// Returns a sink whose subscribers have joined in this epoch over another one.
    pub fn in_epoch(epoch: Epoch) -> Self {
        Self {
            epoch,
            ..Self::new()
        }
    }

    pub fn id(&self) -> SinkId {
        self.sink.id
    }

    /// Sets the number of notices that the sink still accepts.
    pub fn set_capacity(&self, capacity: usize) {
        self.sink.capacity.store(capacity, Ordering::Release);
    }

    /// Makes the sink panic after this number of further notices.
    pub fn panic_after(&self, notices: usize) {
        let countdown = notices + 1;
        self.sink
            .panic_countdown
            .store(countdown, Ordering::Release);
    }

    /// Attaches a new subscriber and returns its id, which is also the ticket of its subscription.
    pub fn attach(&self, vault: &VaultHandle, name: &str, attach: Attach) -> SubscriberId {
        static SUBSCRIBERS: AtomicU64 = AtomicU64::new(0);
        let subscriber = SubscriberId(SUBSCRIBERS.fetch_add(1, Ordering::Relaxed));
        self.attach_again(vault, name, subscriber, attach);
        subscriber
    }

    /// Attaches a known subscriber again.
    pub fn attach_again(
        &self,
        vault: &VaultHandle,
        name: &str,
        subscriber: SubscriberId,
        attach: Attach,
    ) {
        let subscription = Subscription {
            subscriber,
            user: user_id(name),
            ticket: subscriber.0,
            attach,
        };
        vault.subscribe(subscription, self.sink.clone());
    }

    /// Resumes the subscription of a subscriber that joined at seq 0 and received every event up to `last_sent`.
    pub fn resume(
        &self,
        vault: &VaultHandle,
        name: &str,
        subscriber: SubscriberId,
        last_sent: u64,
    ) {
        let attach = Attach::Resume {
            after: Seq(last_sent),
            joined_at: Seq::ZERO,
            epoch: self.epoch.clone(),
        };
        self.attach_again(vault, name, subscriber, attach);
    }

    /// Joins with a new subscriber and waits for the confirmation.
    pub async fn join(&mut self, vault: &VaultHandle, name: &str) -> SubscriberId {
        let subscriber = self.attach(vault, name, Attach::Join);
        self.next_joined().await;
        subscriber
    }

    /// Returns the next part, which must confirm a join.
    pub async fn next_joined(&mut self) -> Joined {
        match self.next_part().await {
            NoticePart::Joined(joined) => joined,
            other => panic!("expected a confirmed join, got {other:?}"),
        }
    }

    /// Returns the next call on the sink.
    pub async fn next_call(&mut self) -> SinkCall {
        let next = tokio::time::timeout(TEST_TIMEOUT, self.calls.recv());
        let call = next
            .await
            .expect("the vault calls the sink before the timeout")
            .expect("the sink exists");
        if let SinkCall::Delivered(_, NoticePart::Joined(joined)) = &call {
            self.epoch = joined.epoch.clone();
        }
        call
    }

    /// Returns the next part and its vault. Skips `Live`, which means nothing to a sink that records everything.
    async fn next_delivered(&mut self) -> (VaultId, NoticePart) {
        loop {
            match self.next_call().await {
                SinkCall::Delivered(_, NoticePart::Live) => {}
                SinkCall::Delivered(vault, part) => return (vault, part),
                SinkCall::FellBehind(vault) => panic!("the sink fell behind in {vault}"),
                SinkCall::PositionsUnknown(vault) => panic!("positions are unknown in {vault}"),
            }
        }
    }

    /// Returns the next part.
    pub async fn next_part(&mut self) -> NoticePart {
        self.next_delivered().await.1
    }

    /// Returns the seq of the next part, which must be an event.
    pub async fn next_seq(&mut self) -> u64 {
        match self.next_part().await {
            NoticePart::Event(record) => record.seq.0,
            other => panic!("expected an event, got {other:?}"),
        }
    }

    /// Returns the seqs of the next `count` parts, which must be events.
    pub async fn next_seqs(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        for _ in 0..count {
            seqs.push(self.next_seq().await);
        }
        seqs
    }

    /// Returns the seqs of `count` events after `last_sent`, for a subscriber of the user ana. Resumes it after the
    /// last of them whenever the sink falls behind or the journal has more.
    pub async fn seqs_across_resumes(
        &mut self,
        vault: &VaultHandle,
        ana: SubscriberId,
        last_sent: u64,
        count: usize,
    ) -> Vec<u64> {
        let mut seqs: Vec<u64> = Vec::new();
        while seqs.len() < count {
            let last = seqs.last().copied().unwrap_or(last_sent);
            match self.next_call().await {
                // A resumption delivers the last known event again.
                SinkCall::Delivered(_, NoticePart::Event(record)) if record.seq.0 <= last => {}
                SinkCall::Delivered(_, NoticePart::Event(record)) => seqs.push(record.seq.0),
                SinkCall::Delivered(_, NoticePart::Live) => {}
                SinkCall::Delivered(_, NoticePart::More) => self.resume(vault, "ana", ana, last),
                SinkCall::Delivered(_, other) => panic!("expected an event, got {other:?}"),
                SinkCall::FellBehind(_) => {
                    vault.caught_up(self.id());
                    self.resume(vault, "ana", ana, last);
                }
                SinkCall::PositionsUnknown(vault) => panic!("positions are unknown in {vault}"),
            }
        }
        seqs
    }

    /// Returns the seqs of the next `count` events by vault.
    pub async fn seqs_by_vault(&mut self, count: usize) -> HashMap<VaultId, Vec<u64>> {
        let mut seqs: HashMap<_, Vec<_>> = HashMap::new();
        for _ in 0..count {
            let (vault, NoticePart::Event(record)) = self.next_delivered().await else {
                panic!("expected an event");
            };
            seqs.entry(vault).or_default().push(record.seq.0);
        }
        seqs
    }

    /// Waits until the vault reports that the positions of its subscribers are unknown. Returns the seqs of the events before.
    pub async fn seqs_until_positions_unknown(&mut self) -> Vec<u64> {
        let mut seqs = Vec::new();
        loop {
            match self.next_call().await {
                SinkCall::PositionsUnknown(_) => return seqs,
                SinkCall::Delivered(_, NoticePart::Event(record)) => seqs.push(record.seq.0),
                SinkCall::Delivered(_, NoticePart::Live) => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    /// Waits until the vault reports that the sink fell behind.
    pub async fn wait_until_behind(&mut self) {
        loop {
            if let SinkCall::FellBehind(_) = self.next_call().await {
                return;
            }
        }
    }

    /// Returns whether no unread part is left, except `Live`.
    pub fn is_empty(&mut self) -> bool {
        loop {
            match self.calls.try_recv() {
                Ok(SinkCall::Delivered(_, NoticePart::Live)) => {}
                Ok(_) => return false,
                Err(_) => return true,
            }
        }
    }
}
