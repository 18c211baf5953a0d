//! Replays: the events that a subscriber missed. Recent events come from the vault's ring, older ones from the journal,
//! in both cases one page at a time. After a page that is not the [last](AttachOutcome::More) the subscriber requests the
//! next one when it has room. Events that happen before that wait in the journal, not in memory.

use std::sync::Arc;

use crate::{
    domain::{Seq, StateChange, UserId},
    journal::JournalRecord,
    vault::{
        error::VaultError,
        notice::{AttachOutcome, Joined, Notice, NoticeBody, REPLAY_PAGE},
        subscription::{Attach, Subscription},
    },
};

use super::{
    effect::VaultEffect,
    ids::SubscribeId,
    input::SubscribeRequest,
    joins::finish,
    pending_reads::PendingPage,
    state::{VaultMachine, VaultState},
    step::Step,
};

/// Events for a replay, without gaps. There may be more of them than fit into one answer.
struct ReplayEvents {
    /// The seq before the first event.
    after: Seq,
    events: Vec<Arc<Notice>>,
    /// The events reach the vault's head, or are more than one page.
    is_complete: bool,
}

impl VaultMachine {
    /// Replays the events after a seq, from the ring or from the journal.
    pub(super) fn replay(&mut self, request: SubscribeRequest, after: Seq, step: &mut Step<'_>) {
        if let Some(events) = self.ring_after(after) {
            let replay = ReplayEvents {
                after,
                events,
                is_complete: true,
            };
            return self.answer_with_replay(request, replay, step);
        }
        // A live subscription continues until the page is delivered.
        step.effects.push(VaultEffect::ReadPage {
            request: request.id,
            after,
            limit: REPLAY_PAGE,
        });
        self.reads.begin_page(PendingPage { request, after });
    }

    /// Continues with a page that was read from the journal, if the subscriber still waits for it.
    pub(super) fn page_read(
        &mut self,
        request: SubscribeId,
        page: Result<Vec<JournalRecord>, VaultError>,
        step: &mut Step<'_>,
    ) {
        let Some(PendingPage { request, after }) = self.reads.take_page(request) else {
            return;
        };
        if !self.reads.end(&request) {
            return finish(&request, step); // the subscriber left or subscribed again
        }
        match page {
            Ok(page) => self.replay_page(request, after, page, step),
            Err(error) => self.refuse(request, error, step),
        }
    }

    /// Replays a page of the journal and, if the ring continues it, the events of the ring.
    fn replay_page(
        &mut self,
        request: SubscribeRequest,
        after: Seq,
        page: Vec<JournalRecord>,
        step: &mut Step<'_>,
    ) {
        let (page_length, head) = (page.len(), self.head());
        // Committed events that are not yet published are delivered when they are published.
        let is_published = |record: &JournalRecord| head.is_none_or(|head| record.seq <= head);
        let page: Vec<_> = page.into_iter().filter(is_published).collect();
        let last = page.last().map_or(after, |last| last.seq);
        let rest = self.ring_after(last);
        let starts_at_next = page
            .first()
            .map_or(rest.is_some(), |first| first.seq == after.next());
        // The ring may begin after the page. Of a deleted vault only the journal is left.
        let is_complete = rest.is_some() || (head.is_none() && page_length < REPLAY_PAGE);
        if !starts_at_next {
            return self.replay_unavailable(request, step);
        }
        let events = page
            .into_iter()
            .map(|record| Notice::new(NoticeBody::Event(record), step.now))
            .chain(rest.into_iter().flatten())
            .collect();
        let replay = ReplayEvents {
            after,
            events,
            is_complete,
        };
        self.answer_with_replay(request, replay, step);
    }

    /// Answers that the requested events are no longer in the journal. A subscription that resumes has not received its end,
    /// and must not end as if it had.
    fn replay_unavailable(&mut self, request: SubscribeRequest, step: &mut Step<'_>) {
        match &request.subscription.attach {
            Attach::Join | Attach::JoinSince { .. } => {
                match self.read_access(&request.subscription.user) {
                    Ok(access) => self.join_at_head(request, access, step),
                    Err(error) => self.refuse(request, error, step),
                }
            }
            Attach::Resume { .. } => {
                self.answer(request, None, Vec::new(), AttachOutcome::Lost, step);
            }
        }
    }

    /// Answers with one page of a replay. The subscriber is live if that was all.
    fn answer_with_replay(
        &mut self,
        request: SubscribeRequest,
        replay: ReplayEvents,
        step: &mut Step<'_>,
    ) {
        let ReplayEvents {
            after,
            mut events,
            is_complete,
        } = replay;
        let has_more = !is_complete || events.len() > REPLAY_PAGE;
        events.truncate(REPLAY_PAGE);
        let Subscription { user, attach, .. } = &request.subscription;
        let access = self.read_access(user);
        // A subscription ends with the removal of its user, whatever the user's role is now. A join with `since` uses the
        // current role.
        let end = match attach {
            Attach::Resume { joined_at, .. } => truncate_at_end(&mut events, user, *joined_at),
            Attach::Join if access.is_ok() => truncate_at_end(&mut events, user, after),
            Attach::Join | Attach::JoinSince { .. } => None,
        };
        let joined = match (attach, &access) {
            (Attach::Resume { .. }, _) => None,
            (_, Ok(access)) => {
                let (seq, replayed) = match attach {
                    Attach::JoinSince { .. } => (access.head, Some(access.head.0 - after.0)),
                    Attach::Join | Attach::Resume { .. } => (after, None),
                };
                Some(Joined {
                    role: access.role,
                    seq,
                    epoch: self.options.epoch.clone(),
                    replayed,
                    resync: false,
                })
            }
            (_, Err(error)) => {
                let error = error.clone();
                return self.refuse(request, error, step);
            }
        };
        let outcome = match (end, access) {
            (Some(end), _) => end,
            (None, _) if has_more => AttachOutcome::More,
            (None, Ok(_)) => AttachOutcome::Live,
            (None, Err(VaultError::Refused(_))) => AttachOutcome::Removed,
            (None, Err(_)) => AttachOutcome::Lost,
        };
        self.answer(request, joined, events, outcome, step);
    }

    /// Returns the events of the ring after a seq, at most one more than a page. `None` if the ring does not have them.
    fn ring_after(&self, seq: Seq) -> Option<Vec<Arc<Notice>>> {
        match &self.state {
            VaultState::Open { ring, .. } => {
                Some(ring.after(seq)?.take(REPLAY_PAGE + 1).cloned().collect())
            }
            VaultState::Loading | VaultState::Absent | VaultState::Failed(_) => None,
        }
    }
}

/// Drops the events after the one that ended the user's subscription. Returns how it ended, if it did.
fn truncate_at_end(
    events: &mut Vec<Arc<Notice>>,
    user: &UserId,
    joined_at: Seq,
) -> Option<AttachOutcome> {
    let ends = |event: &Arc<Notice>| subscription_end(event, user, joined_at);
    let (index, end) =
        (events.iter().enumerate()).find_map(|(index, event)| Some((index, ends(event)?)))?;
    events.truncate(index + 1);
    Some(end)
}

/// Returns how an event ends the user's subscription that began at `joined_at`, if it does.
fn subscription_end(event: &Notice, user: &UserId, joined_at: Seq) -> Option<AttachOutcome> {
    let NoticeBody::Event(record) = &event.body else {
        return None;
    };
    if record.seq <= joined_at {
        return None;
    }
    match record.state_change() {
        Ok(StateChange::MemberRemoved { user: removed }) if removed == *user => {
            Some(AttachOutcome::Removed)
        }
        Ok(StateChange::VaultDeleted) => Some(AttachOutcome::Closed),
        Ok(_) | Err(_) => None,
    }
}
