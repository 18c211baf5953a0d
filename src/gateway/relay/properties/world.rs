//! A vault, a relay and its clients, and the invariants that hold after each operation.

use std::mem;

use crate::{
    domain::{Command, Mutation, Role, Seq, UserRef, ids::MembershipId},
    gateway::{
        bounds::{GatewayBounds, RelayPermit},
        connections::ConnectionRegistry,
        metrics::GatewayMetrics,
        relay::{JoinRequest, Relay, RelayOptions, WorkerRelay},
        test_vaults::{create_source, create_vault, principal},
        trace::{DeliveryTrace, ResumedSubscription},
    },
    vault::{Attach, VaultHandle, Vaults},
};

use super::{
    CLIENTS, RelayOperation, TEST_TIMEOUT,
    client::{ClientProgress, ExpectedAnswer, RelayClient},
    user_id,
};

/// How many events the relay's mailbox holds.
const RELAY_MAILBOX: usize = 40;

/// A vault, a relay, and clients that are connected to it.
pub(super) struct RelayWorld {
    pub(super) vault: VaultHandle,
    pub(super) relay: Relay,
    pub(super) clients: Vec<RelayClient>,
    /// Holds the free capacity of the relay while it is stalled.
    stalled: Option<RelayPermit>,
}

fn add_member(index: usize) -> Command {
    Command::AddMember {
        id: MembershipId::generate(),
        user: UserRef::Id(user_id(index)),
        role: Role::Viewer,
    }
}

impl RelayWorld {
    pub(super) async fn new(vaults: &Vaults) -> Self {
        let vault = create_vault(vaults).await;
        let options = RelayOptions {
            bounds: GatewayBounds::new(RELAY_MAILBOX, TEST_TIMEOUT),
            metrics: GatewayMetrics::default(),
        };
        let relay = WorkerRelay::start(options, ConnectionRegistry::default()).current();
        let connect = |index| RelayClient::connect(&relay, index);
        let world = Self {
            vault,
            clients: (0..CLIENTS).map(connect).collect(),
            relay,
            stalled: None,
        };
        for index in 0..CLIENTS {
            world.commit(add_member(index)).await;
        }
        world
    }

    /// Submits a mutation. The future returns its seq, or `None` if it was refused.
    fn submit(&self, command: Command) -> impl Future<Output = Option<u64>> + use<> {
        let mutation = Mutation {
            by: principal("ana"),
            command,
            key: None,
        };
        let answer = self.vault.submit(mutation);
        async move { answer.await.ok().map(|answer| answer.seq.0) }
    }

    /// Commits a mutation and returns its seq.
    async fn commit(&self, command: Command) -> u64 {
        let seq = self.submit(command).await;
        seq.expect("the mutation is committed")
    }

    pub(super) fn join(&mut self, index: usize, attach: Attach) {
        let client = &mut self.clients[index];
        let expected = ExpectedAnswer::from_attach(&attach);
        client.progress.expected.push_back(expected);
        let request = JoinRequest {
            vault: self.vault.clone(),
            subscriber: client.subscriber,
            attach,
            ack: None,
        };
        client.subscriber = Some(self.relay.join(request, &client.attachment));
    }

    fn leave(&mut self, index: usize) {
        let client = &mut self.clients[index];
        // Packets that were sent before the acknowledgement of the leave still arrive.
        client.read();
        if let Some(subscriber) = client.subscriber.take() {
            self.relay.leave(self.vault.id(), subscriber);
        }
        let offset = client.progress.offset.take();
        client.progress = ClientProgress {
            offset,
            ..ClientProgress::default()
        };
    }

    /// Loses the connection and recovers it, as `connection/lifecycle.rs` and `recovery/` do.
    fn reconnect(&mut self, index: usize) {
        let new = RelayClient::connect(&self.relay, index);
        let mut old = mem::replace(&mut self.clients[index], new);
        let trace = old.socket.with_trace(mem::take);
        let trace = trace.expect("the connection is recoverable");
        let mut pending = Vec::new();
        if let Some(subscriber) = old.subscriber {
            pending = self.relay.pending_joins(self.vault.id(), subscriber);
            self.relay.leave(self.vault.id(), subscriber);
        }
        let Some(mut resumed) = trace.recover(old.progress.offset.as_ref()) else {
            return;
        };
        if !pending.is_empty() && resumed.is_empty() {
            resumed.push(ResumedSubscription {
                vault: self.vault.id().clone(),
                position: None,
                joined: None,
                joins: Vec::new(),
            });
        }
        let Some(mut subscription) = resumed.pop() else {
            let known = old.progress.known;
            assert_eq!(known, None, "the trace lacks the subscription");
            return;
        };
        if !resumed.is_empty() {
            return; // an ended subscription and a new one, which this test does not distinguish
        }
        subscription.joins.extend(pending);
        let new = &mut self.clients[index];
        let known = old.progress.known;
        let position = subscription.position.as_ref();
        let last_seen = position.map(|at| at.last_seen.0);
        if subscription.joined.is_none() {
            assert!(
                known.is_none() || known == last_seen,
                "the client knows {known:?}, the trace {last_seen:?}"
            );
            new.progress.known = last_seen;
        }
        new.progress.joined_at = position.map_or(0, |at| at.joined_at.0);
        new.progress.offset = old.progress.offset.take();
        let joined_again = subscription.joined.iter();
        let joined_again = joined_again.map(|_| ExpectedAnswer::JoinedAgain);
        new.progress.expected.extend(joined_again);
        let joins = subscription.joins.iter().map(ExpectedAnswer::from_attach);
        new.progress.expected.extend(joins);
        let subscriber = self
            .relay
            .resume(self.vault.clone(), &new.attachment, subscription);
        new.subscriber = Some(subscriber);
    }

    /// Executes an operation and checks the invariants.
    pub(super) async fn execute(&mut self, operation: RelayOperation) {
        match operation {
            RelayOperation::Post(count) => {
                (0..count).for_each(|_| drop(self.submit(create_source())));
            }
            RelayOperation::PostAndWait => drop(self.submit(create_source()).await),
            RelayOperation::Join(index) => self.join(index, Attach::Join),
            RelayOperation::JoinSince { client, back } => {
                let known = self.clients[client].progress.known.unwrap_or(0);
                let seq = Seq(known.saturating_sub(back));
                self.join(client, Attach::JoinSince { seq, epoch: None });
            }
            RelayOperation::Leave(index) => self.leave(index),
            RelayOperation::Read(index) => self.clients[index].read(),
            RelayOperation::Reconnect(index) => self.reconnect(index),
            RelayOperation::Heartbeat(index) => {
                let client = &mut self.clients[index];
                client.socket.with_trace(DeliveryTrace::record_ping);
                client.read();
                client.socket.with_trace(DeliveryTrace::record_pong);
            }
            RelayOperation::RemoveMember(index) => {
                let user = user_id(index);
                drop(self.submit(Command::RemoveMember { user }));
            }
            RelayOperation::AddMember(index) => drop(self.submit(add_member(index))),
            RelayOperation::Stall => {
                let capacity = self.relay.0.peers.sink.capacity.clone();
                let acquire_free = || capacity.try_acquire(RELAY_MAILBOX - capacity.used());
                self.stalled = self.stalled.take().or_else(acquire_free);
            }
            RelayOperation::Unstall => self.stalled = None,
        }
        self.check_invariants();
    }

    fn check_invariants(&mut self) {
        self.relay.check_invariants();
        for index in 0..CLIENTS {
            // The relay closed the socket: its outbox was full, or missed events were trimmed.
            if !self.clients[index].socket.socket.is_connected() {
                self.clients[index].read();
                self.reconnect(index);
            }
        }
    }

    /// Commits a mutation, waits until all subscribed clients have received it, and returns its seq.
    pub(super) async fn wait_until_all_are_up_to_date(&mut self) -> u64 {
        self.stalled = None;
        let head = self.commit(create_source()).await;
        let all_up_to_date = async {
            loop {
                self.clients.iter_mut().for_each(RelayClient::read);
                self.check_invariants();
                let is_up_to_date = |client: &RelayClient| {
                    client.progress.expected.is_empty()
                        && client.progress.known.unwrap_or(head) == head
                };
                if self.clients.iter().all(is_up_to_date) {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let result = tokio::time::timeout(TEST_TIMEOUT, all_up_to_date).await;
        result.expect("all clients receive all events");
        head
    }
}

impl Relay {
    fn check_invariants(&self) {
        assert!(self.0.peers.sink.capacity.used() <= self.0.peers.options.bounds.relay_mailbox());
        self.with_machine(|machine| machine.check_invariants().unwrap());
    }
}
