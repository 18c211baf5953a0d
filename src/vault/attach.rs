//! How a subscriber is attached: by a join, by a recovery, or again after its sink fell behind or the vault's actor ended.
//! In each case one handler delivers the events after the last one that the subscriber received, and adds it to the live
//! subscribers.

use std::sync::Arc;

use actix::prelude::*;

use crate::{
    domain::{Action, Refusal, Role, Seq, UserId},
    journal::JournalError,
};

use super::{
    error::VaultError,
    message::VaultMessage,
    notice::{AttachOutcome, Attached, Joined, Notice, NoticeBody},
    state::{VaultActor, VaultState},
    subscribe::{CaughtUp, Leave, Subscribe},
    subscription::{Attach, Subscription},
    waiting_joins::WaitingJoin,
};

/// The permission of a user to receive events.
#[derive(Clone, Debug)]
pub(super) struct SubscriberAccess {
    pub role: Role,
    /// The vault's head.
    pub head: Seq,
}

impl VaultMessage for Subscribe {
    fn handle(self, vault: &mut VaultActor, ctx: &mut Context<VaultActor>) {
        let needs_head_check = match &self.subscription.attach {
            Attach::Join | Attach::JoinSince { .. } => {
                match vault.join_decision(&self.subscription.user) {
                    JoinDecision::Admit => true,
                    JoinDecision::Confirm => return vault.join_if_member(self, ctx),
                    JoinDecision::Refuse => false,
                }
            }
            // The subscriber received `after` from another node, where the vault was ahead.
            Attach::Resume { after, .. } => vault.head().is_some_and(|head| *after > head),
        };
        if needs_head_check && vault.unavailable_reason().is_none() {
            let join = vault.waiting_join(self);
            return vault.join_after_head_check(join, ctx);
        }
        vault.attach(self, None, ctx);
        vault.stop_unless_open(ctx);
    }
}

impl VaultMessage for Leave {
    fn handle(self, vault: &mut VaultActor, _: &mut Context<VaultActor>) {
        let Self(subscriber) = self;
        vault.fanout.remove(subscriber);
        vault.reads.cancel(subscriber);
    }
}

impl VaultMessage for CaughtUp {
    fn handle(self, vault: &mut VaultActor, _: &mut Context<VaultActor>) {
        let Self(sink) = self;
        vault.reads.cancel_sink(sink);
        vault.fanout.caught_up(sink);
    }
}

/// How a join begins.
enum JoinDecision {
    /// The user is a member.
    Admit,
    /// The user may be a member: the database decides.
    Confirm,
    /// The user is not a member, or there is no vault.
    Refuse,
}

impl VaultActor {
    /// Decides how a join begins. A join of a user who is not a member must not wait for the vault's transaction: the delay
    /// would show that the vault exists.
    fn join_decision(&self, user: &UserId) -> JoinDecision {
        match &self.state {
            VaultState::Open { vault, .. } if vault.members.contains_key(user) => {
                JoinDecision::Admit
            }
            // Another node, or the transaction in flight, may have added the user.
            VaultState::Open { .. } | VaultState::Failed(_) => JoinDecision::Confirm,
            VaultState::Absent | VaultState::Loading => JoinDecision::Refuse,
        }
    }

    /// Continues with a join if the database says that the user is a member, and refuses it otherwise.
    fn join_if_member(&mut self, subscribe: Subscribe, ctx: &mut Context<Self>) {
        self.reads.begin(&subscribe);
        let (journal, id) = (self.journal.clone(), self.id.clone());
        let user = subscribe.subscription.user.clone();
        let join = self.waiting_join(subscribe);
        let number = self.joins.confirm(join);
        let read = async move { journal.is_member(&id, &user).await };
        ctx.spawn(read.into_actor(self).map(move |is_member, this, ctx| {
            if let Some(join) = this.joins.take_confirmed(number) {
                this.end_confirmation(join, is_member, ctx);
            }
        }));
    }

    fn end_confirmation(
        &mut self,
        join: WaitingJoin,
        is_member: Result<bool, JournalError>,
        ctx: &mut Context<Self>,
    ) {
        let subscribe = join.subscribe;
        if !self.reads.end(&subscribe) {
            subscribe.finish(); // the subscriber left or subscribed again
        } else {
            match (is_member, self.unavailable_reason()) {
                (Err(error), _) => self.refuse(subscribe, error.into()),
                (Ok(false), _) => self.refuse(subscribe, Refusal::AccessDenied.into()),
                (Ok(true), Some(error)) => self.refuse(subscribe, error),
                (Ok(true), None) => {
                    let join = WaitingJoin { subscribe, ..join };
                    return self.join_after_head_check(join, ctx);
                }
            }
        }
        self.stop_unless_open(ctx);
    }

    /// Attaches a subscriber. A plain join takes effect after `join_after` if it is given, and at the head otherwise.
    pub(super) fn attach(
        &mut self,
        subscribe: Subscribe,
        join_after: Option<Seq>,
        ctx: &mut Context<Self>,
    ) {
        let Subscription {
            subscriber,
            user,
            attach,
            ..
        } = &subscribe.subscription;
        self.reads.cancel(*subscriber);
        if self.fanout.is_behind(subscribe.sink.id()) {
            return subscribe.finish(); // the sink attaches it again when it has caught up
        }
        let replay_after = match attach {
            Attach::Join => join_after,
            Attach::JoinSince { seq, epoch } => {
                let is_current = |epoch: &String| epoch == self.journal.epoch();
                Some(*seq).filter(|_| epoch.as_ref().is_none_or(is_current))
            }
            Attach::Resume { after, .. } => {
                // Begins with the last received event, which may have ended the subscription.
                let after = Seq(after.0.saturating_sub(1));
                return self.replay(subscribe, after, ctx);
            }
        };
        match (self.read_access(user), replay_after) {
            (Err(error), _) => self.refuse(subscribe, error),
            (Ok(access), Some(seq)) if seq <= access.head => self.replay(subscribe, seq, ctx),
            (Ok(access), _) => self.join_at_head(subscribe, access),
        }
    }

    /// Confirms a join without a replay. If a replay was requested, the client must resync.
    pub(super) fn join_at_head(&mut self, subscribe: Subscribe, access: SubscriberAccess) {
        let joined = Joined {
            role: access.role,
            seq: access.head,
            replayed: None,
            resync: subscribe.subscription.attach != Attach::Join,
        };
        self.answer(subscribe, Some(joined), Vec::new(), AttachOutcome::Live);
    }

    /// Answers that the subscriber is not attached.
    pub(super) fn refuse(&mut self, subscribe: Subscribe, error: VaultError) {
        let outcome = match &subscribe.subscription.attach {
            Attach::Join | Attach::JoinSince { .. } => AttachOutcome::Refused(error),
            Attach::Resume { .. } => AttachOutcome::Lost,
        };
        self.answer(subscribe, None, Vec::new(), outcome);
    }

    /// Delivers the answer to a subscription, and adds the subscriber to the live ones if it misses no event.
    pub(super) fn answer(
        &mut self,
        subscribe: Subscribe,
        joined: Option<Joined>,
        events: Vec<Arc<Notice>>,
        outcome: AttachOutcome,
    ) {
        let Subscription {
            subscriber,
            user,
            ticket,
            ..
        } = &subscribe.subscription;
        let is_live = matches!(outcome, AttachOutcome::Live);
        if !matches!(outcome, AttachOutcome::Refused(_)) {
            // If more events follow, the subscriber receives the new ones with its next request.
            self.fanout.remove(*subscriber);
        }
        let attached = Attached {
            ticket: *ticket,
            joined,
            events,
            outcome,
        };
        let notice = Notice::new(NoticeBody::Attached(attached));
        self.fanout.send_to(*subscriber, &subscribe.sink, &notice);
        if is_live {
            self.fanout
                .insert(*subscriber, user.clone(), &subscribe.sink);
        }
        subscribe.finish();
    }

    /// Returns the user's access, or the error if the user may not receive events.
    pub(super) fn read_access(&self, user: &UserId) -> Result<SubscriberAccess, VaultError> {
        match (&self.state, self.unavailable_reason()) {
            (VaultState::Open { vault, .. }, _) => Ok(SubscriberAccess {
                role: vault.admit(user, Action::Read)?,
                head: vault.head,
            }),
            (_, Some(error)) => Err(error),
            (_, None) => Err(Refusal::AccessDenied.into()),
        }
    }
}
