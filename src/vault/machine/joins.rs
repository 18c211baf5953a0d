//! How a subscriber is attached: by a join, by a recovery, or again after its sink fell behind or the vault's actor ended.
//! In each case the answer delivers the events after the last one that the subscriber received, and adds the subscriber to the
//! live ones.

use std::sync::Arc;

use crate::{
    domain::{Action, Refusal, Role, Seq, UserId},
    journal::DatabaseSharing,
    vault::{
        error::VaultError,
        notice::{AttachOutcome, Attached, Joined, Notice, NoticeBody},
        subscription::{Attach, Subscription},
    },
};

use super::{
    effect::VaultEffect,
    ids::SubscribeId,
    input::SubscribeRequest,
    queue::QueueGate,
    state::{VaultMachine, VaultState},
    step::Step,
    waiting_joins::WaitingJoin,
};

/// The permission of a user to receive events.
#[derive(Clone, Debug)]
pub(super) struct SubscriberAccess {
    pub(super) role: Role,
    /// The vault's head.
    pub(super) head: Seq,
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

impl VaultMachine {
    pub(super) fn subscribe(&mut self, request: SubscribeRequest, step: &mut Step<'_>) {
        let needs_head_check = match &request.subscription.attach {
            Attach::Join | Attach::JoinSince { .. } => {
                match self.join_decision(&request.subscription.user) {
                    JoinDecision::Admit => true,
                    JoinDecision::Confirm => return self.confirm_member(request, step),
                    JoinDecision::Refuse => false,
                }
            }
            // The subscriber received `after` from another node, where the vault was ahead.
            Attach::Resume { after, epoch, .. } => {
                self.is_current(epoch) && self.head().is_some_and(|head| *after > head)
            }
        };
        if needs_head_check && self.must_check_head() {
            let join = self.waiting_join(request);
            return self.join_after_head_check(join, step);
        }
        self.attach(request, None, step);
    }

    /// Decides how a join begins. A join of a user who is not a member must not wait for the vault's transaction: the delay
    /// would show that the vault exists.
    fn join_decision(&self, user: &UserId) -> JoinDecision {
        match &self.state {
            VaultState::Open { vault, .. } if vault.members.contains(user) => JoinDecision::Admit,
            VaultState::Open { .. } if self.may_have_other_members() => JoinDecision::Confirm,
            VaultState::Failed(_) => JoinDecision::Confirm,
            VaultState::Open { .. } | VaultState::Absent | VaultState::Loading => {
                JoinDecision::Refuse
            }
        }
    }

    /// Returns whether the journal may have members that this vault does not know yet: another node, or the transaction in
    /// flight, may have added them.
    fn may_have_other_members(&self) -> bool {
        match self.options.sharing {
            DatabaseSharing::SeveralProcesses => true,
            DatabaseSharing::ThisProcess => {
                self.queue.gate != QueueGate::Open || !self.queue.waiting.is_empty()
            }
        }
    }

    /// Returns whether the head must be compared with the journal's before a subscriber is attached.
    fn must_check_head(&self) -> bool {
        match self.options.sharing {
            DatabaseSharing::SeveralProcesses => self.unavailable_reason().is_none(),
            DatabaseSharing::ThisProcess => false,
        }
    }

    /// Asks the database whether the user of a join is a member.
    fn confirm_member(&mut self, request: SubscribeRequest, step: &mut Step<'_>) {
        self.reads.begin(&request);
        step.effects.push(VaultEffect::ReadMembership {
            request: request.id,
            user: request.subscription.user.clone(),
        });
        let join = self.waiting_join(request);
        self.joins.confirm(join);
    }

    /// Continues with a join if the database says that the user is a member, and refuses it otherwise.
    pub(super) fn membership_read(
        &mut self,
        request: SubscribeId,
        is_member: Result<bool, VaultError>,
        step: &mut Step<'_>,
    ) {
        let Some(WaitingJoin { request, position }) = self.joins.take_confirmed(request) else {
            return;
        };
        if !self.reads.end(&request) {
            return finish(&request, step); // the subscriber left or subscribed again
        }
        match (is_member, self.unavailable_reason()) {
            (Err(error), _) | (Ok(true), Some(error)) => self.refuse(request, error, step),
            (Ok(false), _) => self.refuse(request, Refusal::AccessDenied.into(), step),
            (Ok(true), None) => {
                // The vault must know the member as well: it waits for the transaction or reads the events that added it.
                self.join_after_head_check(WaitingJoin { request, position }, step);
            }
        }
    }

    /// Attaches a subscriber. A plain join takes effect after `join_after` if it is given, and at the head otherwise.
    pub(super) fn attach(
        &mut self,
        request: SubscribeRequest,
        join_after: Option<Seq>,
        step: &mut Step<'_>,
    ) {
        let Subscription {
            subscriber,
            user,
            attach,
            ..
        } = &request.subscription;
        self.reads.cancel(*subscriber);
        if self.fanout.is_behind(request.sink) {
            return finish(&request, step); // the sink attaches it again when it has caught up
        }
        let replay_after = match attach {
            Attach::Join => join_after,
            Attach::JoinSince { seq, epoch } => {
                let is_current = |epoch: &String| self.is_current(epoch);
                Some(*seq).filter(|_| epoch.as_ref().is_none_or(is_current))
            }
            // The number belongs to an event of another history.
            Attach::Resume { epoch, .. } if !self.is_current(epoch) => {
                return self.answer(request, None, Vec::new(), AttachOutcome::Lost, step);
            }
            // The journal has gone back. The number before `after` may be the head.
            Attach::Resume { after, .. } if self.head().is_some_and(|head| *after > head) => {
                return self.answer(request, None, Vec::new(), AttachOutcome::Lost, step);
            }
            Attach::Resume { after, .. } => {
                // Begins with the last received event, which may have ended the subscription.
                let after = Seq(after.0.saturating_sub(1));
                return self.replay(request, after, step);
            }
        };
        match (self.read_access(user), replay_after) {
            (Err(error), _) => self.refuse(request, error, step),
            (Ok(access), Some(seq)) if seq <= access.head => self.replay(request, seq, step),
            (Ok(access), _) => self.join_at_head(request, access, step),
        }
    }

    /// Returns whether numbers of events of this epoch are those of the vault's journal.
    fn is_current(&self, epoch: &str) -> bool {
        *epoch == *self.options.epoch
    }

    /// Confirms a join without a replay. If a replay was requested, the client must resync.
    pub(super) fn join_at_head(
        &mut self,
        request: SubscribeRequest,
        access: SubscriberAccess,
        step: &mut Step<'_>,
    ) {
        let joined = Joined {
            role: access.role,
            seq: access.head,
            epoch: self.options.epoch.clone(),
            replayed: None,
            resync: request.subscription.attach != Attach::Join,
        };
        self.answer(request, Some(joined), Vec::new(), AttachOutcome::Live, step);
    }

    /// Answers that the subscriber is not attached.
    pub(super) fn refuse(
        &mut self,
        request: SubscribeRequest,
        error: VaultError,
        step: &mut Step<'_>,
    ) {
        let outcome = match &request.subscription.attach {
            Attach::Join | Attach::JoinSince { .. } => AttachOutcome::Refused(error),
            Attach::Resume { .. } => AttachOutcome::Lost,
        };
        self.answer(request, None, Vec::new(), outcome, step);
    }

    /// Delivers the answer to a request, and adds the subscriber to the live ones if it misses no event.
    pub(super) fn answer(
        &mut self,
        request: SubscribeRequest,
        joined: Option<Joined>,
        events: Vec<Arc<Notice>>,
        outcome: AttachOutcome,
        step: &mut Step<'_>,
    ) {
        let Subscription {
            subscriber, ticket, ..
        } = request.subscription;
        let is_live = matches!(outcome, AttachOutcome::Live);
        if !matches!(outcome, AttachOutcome::Refused(_)) {
            // If more events follow, the subscriber receives the new ones with its next request.
            self.fanout.remove(subscriber);
        }
        let attached = Attached {
            ticket,
            joined,
            events,
            outcome,
        };
        let notice = Notice::new(NoticeBody::Attached(attached), step.now);
        self.fanout.send_to(subscriber, request.sink, &notice, step);
        finish(&request, step);
        if is_live {
            self.fanout
                .insert(subscriber, request.subscription.user, request.sink);
        }
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

/// Ends a request: it was answered, or expects no answer any more.
pub(super) fn finish(request: &SubscribeRequest, step: &mut Step<'_>) {
    step.effects.push(VaultEffect::Finish(request.id));
}
