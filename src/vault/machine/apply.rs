//! How events are applied and published. An event is applied only at the head's successor, whichever of the vault's own
//! transaction and a read of the journal brings it. Older ones are dropped, because the other one has brought them.

use crate::{
    domain::{Refusal, StateChange},
    journal::CommittedEvent,
    vault::notice::{Notice, NoticeBody},
};

use super::{
    effect::{VaultEffect, VaultFact},
    state::{VaultMachine, VaultState},
    step::Step,
};

impl VaultMachine {
    /// Applies committed events and publishes them to the subscribers, one by one.
    pub(super) fn publish(&mut self, events: Vec<CommittedEvent>, step: &mut Step<'_>) {
        let changes_members = |event: &CommittedEvent| event.state_change.changes_members();
        let are_members_changed = events.iter().any(changes_members);
        if are_members_changed {
            step.effects.push(VaultEffect::WithdrawMembers);
        }
        self.apply_and_broadcast(events, step);
        if are_members_changed && self.members().is_some() {
            step.effects.push(VaultEffect::PublishMembers);
        }
    }

    fn apply_and_broadcast(&mut self, events: Vec<CommittedEvent>, step: &mut Step<'_>) {
        for CommittedEvent {
            record,
            state_change,
        } in events
        {
            let VaultState::Open { vault, ring } = &mut self.state else {
                return;
            };
            let (seq, head) = (record.seq, vault.head);
            if seq <= head {
                continue;
            }
            if seq != head.next() {
                let gap = VaultFact::Gap { seq, head };
                step.effects.push(VaultEffect::Report(gap));
                return self.restart(step);
            }
            vault.apply(seq, &state_change);
            let notice = Notice::new(NoticeBody::Event(record), step.now);
            ring.push(notice.clone());
            self.fanout.broadcast(&notice, step);
            match state_change {
                StateChange::Unchanged
                | StateChange::MemberAdded { .. }
                | StateChange::RoleChanged { .. }
                | StateChange::VaultRenamed { .. } => {}
                StateChange::MemberRemoved { user } => self.fanout.remove_user(&user, step),
                StateChange::VaultDeleted => {
                    self.fanout.close_all(step);
                    self.state = VaultState::Absent;
                    self.queue.refuse_waiting(Refusal::AccessDenied, step);
                }
            }
        }
    }
}
