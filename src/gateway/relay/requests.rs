//! The requests of connections to their relay: join, resume and leave vaults. Each subscription queries its vault for what
//! it needs next, one query at a time.

use crate::{
    domain::{SubscriberId, VaultId},
    gateway::{panic_guard::PanicGuard, scoped_task::ScopedTask, trace::ResumedSubscription},
    vault::{Attach, REPLAY_PAGE, Subscription, VaultError, VaultHandle},
};
use actix_socketio::Ack;

use super::{
    delivery_socket::DeliverySocket,
    replay_permits::ReplayPermit,
    socket_subscription::{
        JoinAnswer, PendingJoin, PendingQuery, QueryPurpose, SentQuery, SocketSubscription,
    },
    state::{Relay, RelayState, new_subscriber_id, remove_if_empty, subscriptions_of},
    vault_subscriptions::VaultSubscriptions,
};

/// A socket's request to join a vault.
pub(in crate::gateway) struct JoinRequest {
    pub vault: VaultHandle,
    /// The subscription that the socket already has of the vault.
    pub subscriber: Option<SubscriberId>,
    pub attach: Attach,
    pub ack: Option<Ack>,
}

impl Relay {
    /// Joins a vault and returns the id of the subscription. The vault's answer reaches the socket in order with all other
    /// packets of the vault.
    pub(in crate::gateway) fn join(
        &self,
        request: JoinRequest,
        socket: &DeliverySocket,
    ) -> SubscriberId {
        let mut vaults = self.0.vaults.borrow_mut();
        let subscriptions = subscriptions_of(&mut vaults, request.vault);
        let id = request
            .subscriber
            .filter(|id| subscriptions.sockets.contains_key(id))
            .unwrap_or_else(new_subscriber_id);
        let new = || SocketSubscription::new(socket.clone());
        let subscription = subscriptions.sockets.entry(id).or_insert_with(new);
        subscription.joins.push_back(PendingJoin {
            ack: request.ack,
            ..PendingJoin::unacknowledged(request.attach)
        });
        self.start_query(subscriptions, id);
        id
    }

    /// Resumes a subscription on another connection and returns its id. A `vault:joined` that the client has not received
    /// is sent again first.
    pub(in crate::gateway) fn resume(
        &self,
        vault: VaultHandle,
        socket: &DeliverySocket,
        resumed: ResumedSubscription,
    ) -> SubscriberId {
        let mut vaults = self.0.vaults.borrow_mut();
        let subscriptions = subscriptions_of(&mut vaults, vault);
        let (id, vault) = (new_subscriber_id(), subscriptions.vault.id());
        let mut subscription = SocketSubscription::new(socket.clone());
        if let Some(joined) = &resumed.joined {
            let join = PendingJoin::unacknowledged(Attach::Join);
            subscription.joins.push_back(join);
            let answer = JoinAnswer {
                vault,
                epoch: &self.0.options.epoch,
                ticket: self.0.take_ticket(),
                joined,
            };
            subscription.confirm_join(id, answer);
        } else if let Some(position) = resumed.position {
            subscription.resume_at(id, vault, position);
        }
        let joins = resumed.joins.into_iter().map(PendingJoin::unacknowledged);
        subscription.joins.extend(joins);
        subscriptions.sockets.insert(id, subscription);
        self.start_query(subscriptions, id);
        id
    }

    /// Ends a subscription: the socket receives no further packet of the vault. Returns the acknowledgements of pending
    /// joins.
    pub(in crate::gateway) fn leave(&self, vault: &VaultId, id: SubscriberId) -> Vec<Ack> {
        let mut vaults = self.0.vaults.borrow_mut();
        let Some(subscriptions) = vaults.get_mut(vault) else {
            return Vec::new();
        };
        let Some(subscription) = subscriptions.sockets.remove(&id) else {
            return Vec::new();
        };
        subscriptions.vault.leave(id);
        remove_if_empty(&mut vaults, vault);
        subscription
            .socket
            .with_trace(|trace| trace.record_leave(id));
        let joins = subscription.joins.into_iter();
        joins.filter_map(|join| join.ack).collect()
    }

    /// Returns whether this subscription exists.
    pub(in crate::gateway) fn is_subscribed(&self, vault: &VaultId, id: SubscriberId) -> bool {
        let vaults = self.0.vaults.borrow();
        vaults
            .get(vault)
            .is_some_and(|subscriptions| subscriptions.sockets.contains_key(&id))
    }

    /// Returns the joins of a subscription that the vault has not answered.
    pub(in crate::gateway) fn pending_joins(
        &self,
        vault: &VaultId,
        id: SubscriberId,
    ) -> Vec<Attach> {
        let vaults = self.0.vaults.borrow();
        let subscriptions = vaults.get(vault);
        let subscription = subscriptions.and_then(|subscriptions| subscriptions.sockets.get(&id));
        let joins = subscription
            .into_iter()
            .flat_map(|subscription| &subscription.joins);
        joins.map(|join| join.attach.clone()).collect()
    }

    /// Queries the vault for what a subscription needs next, unless a query is pending. A query that may return a page
    /// waits for a replay permit.
    pub(super) fn start_query(&self, subscriptions: &mut VaultSubscriptions, id: SubscriberId) {
        let VaultSubscriptions {
            vault,
            sockets,
            replay_permits,
        } = subscriptions;
        let Some(subscription) = sockets
            .get_mut(&id)
            .filter(|subscription| subscription.query.is_none())
        else {
            return;
        };
        let Some(attach) = subscription.next_query() else {
            return;
        };
        if attach == Attach::Join {
            return self.send_query(vault, id, subscription, Query::without_permit(attach));
        }
        let permits = replay_permits.with_bound(self.0.replay_pages());
        if let Some(permit) = subscription.socket.try_acquire_replay(permits) {
            let permit = Some(permit);
            return self.send_query(vault, id, subscription, Query { attach, permit });
        }
        let permit = subscription.socket.clone().acquire_replay(permits.clone());
        let (this, vault) = (self.clone(), vault.clone());
        let guard = PanicGuard::new(&subscription.socket.socket);
        subscription.query = Some(PendingQuery::AwaitingPermit(ScopedTask::spawn(
            async move {
                let _guard = guard;
                let permit = permit.await;
                let mut vaults = this.0.vaults.borrow_mut();
                let subscriptions = vaults.get_mut(vault.id());
                if let Some(subscription) =
                    subscriptions.and_then(|subscriptions| subscriptions.sockets.get_mut(&id))
                {
                    // Aborts this task, which awaits nothing from here on.
                    subscription.query = None;
                    if let Some(attach) = subscription.next_query() {
                        this.send_query(&vault, id, subscription, Query { attach, permit });
                    }
                }
            },
        )));
    }

    fn send_query(
        &self,
        vault: &VaultHandle,
        id: SubscriberId,
        subscription: &mut SocketSubscription,
        query: Query,
    ) {
        let ticket = self.0.take_ticket();
        let purpose = QueryPurpose::from_attach(&query.attach);
        if purpose == QueryPurpose::Join
            && let Some(join) = subscription.joins.front_mut()
        {
            let guard = PanicGuard::new(&subscription.socket.socket);
            let start_timeout = || self.start_join_timeout(vault.id().clone(), id, guard);
            join.timeout.get_or_insert_with(start_timeout);
        }
        subscription.query = Some(PendingQuery::Sent(SentQuery {
            ticket,
            purpose,
            _permit: query.permit,
        }));
        let request = Subscription {
            subscriber: id,
            user: subscription.socket.user.clone(),
            ticket,
            attach: query.attach,
        };
        vault.subscribe(request, self.0.sink.clone());
    }

    /// Refuses the oldest pending join when `actors.join_timeout` has passed.
    fn start_join_timeout(
        &self,
        vault: VaultId,
        id: SubscriberId,
        guard: PanicGuard,
    ) -> ScopedTask {
        let this = self.clone();
        ScopedTask::spawn(async move {
            let _guard = guard;
            tokio::time::sleep(this.0.options.bounds.join_timeout()).await;
            let mut vaults = this.0.vaults.borrow_mut();
            if let Some(subscriptions) = vaults.get_mut(&vault) {
                if let Some(subscription) = subscriptions.sockets.get_mut(&id) {
                    subscription.discard_join_query();
                }
                this.0.refuse_join(subscriptions, id, VaultError::Busy);
                this.start_query(subscriptions, id);
                remove_if_empty(&mut vaults, &vault);
            }
        })
    }
}

/// A query to be sent.
struct Query {
    attach: Attach,
    /// `None` if the answer contains no events, or where the semaphores were closed.
    permit: Option<ReplayPermit>,
}

impl Query {
    fn without_permit(attach: Attach) -> Self {
        Self {
            attach,
            permit: None,
        }
    }
}

impl RelayState {
    /// Returns how many pages one vault may send to this relay at a time. Most of the mailbox is reserved for live events.
    pub(super) fn replay_pages(&self) -> usize {
        (self.options.bounds.relay_mailbox() / 4 / REPLAY_PAGE).max(1)
    }
}
