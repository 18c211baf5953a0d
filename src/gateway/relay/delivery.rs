//! Handles notices from vaults: puts live events, replayed events and the answers to queries into the outboxes of the
//! sockets.

use tracing::error;

use crate::{
    domain::SubscriberId,
    gateway::{
        emit::emit,
        protocol::{self, EventFrames},
    },
    journal::JournalRecord,
    vault::{AttachOutcome, Attached, Delivery, Notice, NoticeBody, NoticeReceivers, VaultHandle},
};

use super::{
    socket_subscription::{EncodedEvent, JoinAnswer, OUT_OF_STEP},
    state::{Relay, RelayState, remove_if_empty},
    vault_subscriptions::VaultSubscriptions,
};

impl Relay {
    /// Handles a notice from a vault.
    pub(super) fn deliver(&self, delivery: Delivery) {
        let Delivery { vault, to, notice } = delivery;
        let mut vaults = self.0.vaults.borrow_mut();
        let Some(subscriptions) = vaults.get_mut(&vault) else {
            return; // all sockets have left meanwhile
        };
        match (&notice.body, to) {
            (NoticeBody::Event(record), NoticeReceivers::All) => {
                self.0.deliver_live(subscriptions, &notice, record);
            }
            (NoticeBody::Attached(attached), NoticeReceivers::Only(ids)) => {
                for id in ids {
                    self.handle_answer(subscriptions, id, attached);
                }
            }
            (NoticeBody::Removed, NoticeReceivers::Only(ids)) => {
                for id in ids {
                    let is_live = |id| {
                        let subscription = subscriptions.sockets.get(id);
                        subscription.is_some_and(|subscription| subscription.live)
                    };
                    if is_live(&id) {
                        end_removed(subscriptions, id);
                    }
                }
            }
            (NoticeBody::Closed, NoticeReceivers::All) => {
                // A subscription that is not live receives its missed events up to the end first. A pending join is
                // refused by its own answer.
                subscriptions.sockets.retain(|id, subscription| {
                    !subscription.live || subscription.end_except_joins(*id)
                });
            }
            (body, to) => {
                error!(vault.id = %vault, ?to, ?body, "notice has an unexpected audience");
            }
        }
        remove_if_empty(&mut vaults, &vault);
    }

    /// Handles the answer to a query of a subscription.
    fn handle_answer(
        &self,
        subscriptions: &mut VaultSubscriptions,
        id: SubscriberId,
        answer: &Attached,
    ) {
        let vault = subscriptions.vault.id().clone();
        let Some(subscription) = subscriptions.sockets.get_mut(&id) else {
            return; // the socket has left meanwhile
        };
        if !subscription.take_answered(answer.ticket) {
            return;
        }
        if let Some(joined) = &answer.joined {
            self.0.options.metrics.joined(joined.resync);
            let answer = JoinAnswer {
                vault: &vault,
                epoch: &self.0.options.epoch,
                ticket: answer.ticket,
                joined,
            };
            subscription.confirm_join(id, answer);
        }
        for notice in &answer.events {
            if let NoticeBody::Event(record) = &notice.body {
                let event = EncodedEvent {
                    vault: &vault,
                    record,
                    frames: frames(notice),
                };
                if subscription.send_event(id, &event) {
                    self.0.options.metrics.replayed.inc();
                }
            }
        }
        match &answer.outcome {
            AttachOutcome::Live => subscription.live = true,
            AttachOutcome::More => subscription.live = false,
            AttachOutcome::Removed => end_removed(subscriptions, id),
            AttachOutcome::Closed => subscriptions.end(id),
            AttachOutcome::Lost => {
                // The trace does not record an end: the client rejoins after it has reconnected.
                subscription.socket.socket.close(OUT_OF_STEP);
                subscriptions.sockets.remove(&id);
            }
            AttachOutcome::Refused(error) => self.0.refuse_join(subscriptions, id, error.clone()),
        }
        self.start_query(subscriptions, id);
    }

    /// Notes that a vault sends this relay no more notices. Returns whether that is new.
    pub(super) fn mark_behind(&self, vault: &VaultHandle) -> bool {
        self.0.behind.borrow_mut().insert(vault.id().clone())
    }

    /// Resumes all subscriptions of a vault after their last sent events. The relay fell behind, or the vault's actor
    /// ended.
    pub(super) fn catch_up(&self, vault: &VaultHandle) {
        self.0.behind.borrow_mut().remove(vault.id());
        vault.caught_up(self.0.sink.id);
        let mut vaults = self.0.vaults.borrow_mut();
        let Some(subscriptions) = vaults.get_mut(vault.id()) else {
            return;
        };
        for subscription in subscriptions.sockets.values_mut() {
            subscription.live = false;
            // A query that waits for a permit keeps its position in the wait.
            subscription.discard_sent_query();
        }
        let ids: Vec<_> = subscriptions.sockets.keys().copied().collect();
        for id in ids {
            self.start_query(subscriptions, id);
        }
    }
}

impl RelayState {
    /// Puts an event into the outboxes of all live subscriptions.
    fn deliver_live(
        &self,
        subscriptions: &mut VaultSubscriptions,
        notice: &Notice,
        record: &JournalRecord,
    ) {
        let vault = subscriptions.vault.id();
        let event = EncodedEvent {
            vault,
            record,
            frames: frames(notice),
        };
        let mut sockets = 0;
        for (id, subscription) in &mut subscriptions.sockets {
            if subscription.live {
                sockets += usize::from(subscription.send_event(*id, &event));
            }
        }
        self.options.metrics.delivered(sockets, notice.created);
    }
}

/// Returns the frames of an event. All relays share them.
fn frames(notice: &Notice) -> EventFrames {
    notice.encoded(|_| EventFrames::default())
}

/// Sends the error of a removed member and ends the subscription.
fn end_removed(subscriptions: &mut VaultSubscriptions, id: SubscriberId) {
    if let Some(subscription) = subscriptions.sockets.get(&id) {
        let error = protocol::ErrorPayload::removed(subscriptions.vault.id());
        emit(&subscription.socket.socket, protocol::ERROR, &error);
    }
    subscriptions.end(id);
}
