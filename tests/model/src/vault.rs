//! The vault actor: one mailbox, one transaction in flight, one relay to notify.
//!
//! It models `src/vault/`: `commits.rs` (a batch is started, written and published), `attach.rs` and `replay.rs` (a
//! subscriber receives the events after its position), `head_check.rs` (joins wait until the journal's head is known),
//! `fanout.rs` (the subscribers, and the sinks that fell behind), `ring.rs` and `pending_reads.rs`. A handler is one
//! step, and so is each future that it spawns.

use crate::{
    bounds::{InjectedMistake, ModelBounds, ModelMutation},
    journal::{ModelAnswer, ModelSeq, ModelSharedState, Transaction, WriteResult},
    relay::{ModelAttachOutcome, ModelAttached, ModelJoined, ModelRelayMessage},
    state::Process,
};

/// Identifies a subscription. A socket has at most one, so it also identifies the socket and its session.
pub type ModelSubscriberId = u8;

/// The actor of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct ModelVault {
    /// The state of the vault. `None` while it is being loaded.
    pub open: Option<OpenModelVault>,
    pub mailbox: Vec<ModelVaultMessage>,
    /// The mutations that wait for the next transaction.
    pub waiting_mutations: Vec<u8>,
    /// No transaction may start: one is in flight, or missed events are being read.
    pub is_blocked: bool,
    /// The number of transactions that were started.
    pub started: u8,
    /// The live subscribers, each with its client.
    pub subscribers: Vec<(ModelSubscriberId, u8)>,
    /// The relay was full. It receives nothing until it has caught up.
    pub relay_is_behind: bool,
    pub joins: ModelWaitingJoins,
    /// The subscribers for which the journal is being read, with the tickets of their queries.
    pub pending_reads: Vec<(ModelSubscriberId, u8)>,
    /// The replay pages that are being read from the journal.
    pub page_reads: Vec<ModelPageRead>,
    /// Why the missed events are being read from the journal, if they are.
    pub missed_read: Option<MissedRead>,
}

/// The state of a loaded vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OpenModelVault {
    pub head: ModelSeq,
    /// The ring has every event after this seq.
    pub ring: ModelSeq,
}

/// A message to the vault actor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelVaultMessage {
    Submit(u8),
    Subscribe(ModelSubscribe),
    Leave(ModelSubscriberId),
    CaughtUp,
}

/// A query of a subscription.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelSubscribe {
    pub subscriber: ModelSubscriberId,
    pub client: u8,
    pub ticket: u8,
    pub attach: ModelAttach,
}

/// How a subscriber is attached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ModelAttach {
    /// A join without `since`.
    Join,
    /// A join with `since`.
    JoinSince(ModelSeq),
    /// The subscription continues after its last sent event.
    Resume {
        after: ModelSeq,
        joined_at: ModelSeq,
    },
}

/// The joins that wait for a head check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ModelWaitingJoins {
    /// They wait for the next check.
    pub waiting: Vec<ModelWaitingJoin>,
    pub check: ModelHeadCheck,
}

/// A join that waits for a head check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelWaitingJoin {
    subscribe: ModelSubscribe,
    /// The number of transactions that had started when the join arrived.
    started: u8,
    /// The seq after which the join takes effect: the last one before the first event of a later transaction. `None` if
    /// no such transaction has ended.
    position: Option<ModelSeq>,
}

/// The state of the current head check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum ModelHeadCheck {
    #[default]
    Idle,
    /// The journal's head is being read for these joins. The head is `Some` once it has been read.
    Reading(Vec<ModelWaitingJoin>, Option<ModelSeq>),
    /// The journal is ahead of the vault. The joins wait for the end of the transaction in flight.
    Ahead(ModelSeq, Vec<ModelWaitingJoin>),
}

/// A replay page that is being read from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelPageRead {
    subscribe: ModelSubscribe,
    /// The seq before the page.
    after: ModelSeq,
    /// The events. `None` until they have been read.
    pub read: Option<Vec<ModelSeq>>,
}

/// Why the missed events are being read from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MissedRead {
    /// The outcome of a commit is unknown.
    UnknownCommit,
    /// A head check found that another process wrote.
    CatchUp,
}

impl Process {
    /// Returns the vault actor. Starts one if there is none.
    pub fn vault(&mut self) -> &mut ModelVault {
        self.vault.get_or_insert_default()
    }

    /// Returns whether the vault can be loaded: its actor has started, and no transaction of the preceding actor is in
    /// flight.
    pub fn can_load(&self, bounds: &ModelBounds) -> bool {
        let needs_lease = bounds.mistake != Some(InjectedMistake::LoadDuringTransaction);
        self.vault
            .as_ref()
            .is_some_and(|vault| vault.open.is_none())
            && (!needs_lease || self.transactions.is_empty())
    }

    /// Loads the vault from the journal.
    pub fn load(&mut self, shared: &ModelSharedState) {
        let head = shared.journal.head();
        self.vault().open = Some(OpenModelVault { head, ring: head });
    }

    /// The actor panics: the waiting mutations fail, and the relay is notified.
    pub fn panic_vault(&mut self, shared: &mut ModelSharedState, bounds: &ModelBounds) {
        let Some(vault) = self.vault.take() else {
            return;
        };
        shared.budget.panics -= 1;
        let submitted = vault.mailbox.iter().filter_map(|message| match message {
            ModelVaultMessage::Submit(mutation) => Some(mutation),
            ModelVaultMessage::Subscribe(_)
            | ModelVaultMessage::Leave(_)
            | ModelVaultMessage::CaughtUp => None,
        });
        for mutation in vault.waiting_mutations.iter().chain(submitted) {
            shared.answers[usize::from(*mutation)] = ModelAnswer::Failed;
        }
        for transaction in &mut self.transactions {
            transaction.orphaned = true;
        }
        self.end_orphaned_transactions(shared);
        let is_subscribe =
            |message: &ModelVaultMessage| matches!(message, ModelVaultMessage::Subscribe(_));
        let has_pending_queries = vault.mailbox.iter().any(is_subscribe)
            || !vault.page_reads.is_empty()
            || !vault.joins.waiting.is_empty()
            || vault.joins.check != ModelHeadCheck::Idle;
        if (has_pending_queries || !vault.subscribers.is_empty())
            && bounds.mistake != Some(InjectedMistake::PanicWithoutNotice)
        {
            self.relay_messages.push(ModelRelayMessage::FellBehind);
        }
    }

    /// Handles the next message of the mailbox.
    pub fn handle_message(&mut self, shared: &ModelSharedState, bounds: &ModelBounds) {
        match self.vault().mailbox.remove(0) {
            ModelVaultMessage::Submit(mutation) => self.vault().waiting_mutations.push(mutation),
            ModelVaultMessage::Subscribe(subscribe) => {
                let is_ahead = |after| after > self.head();
                match subscribe.attach {
                    ModelAttach::Join | ModelAttach::JoinSince(_) => {
                        self.join_after_head_check(subscribe)
                    }
                    ModelAttach::Resume { after, .. } if is_ahead(after) => {
                        self.join_after_head_check(subscribe)
                    }
                    ModelAttach::Resume { .. } => self.attach(subscribe, None, shared, bounds),
                }
            }
            ModelVaultMessage::Leave(subscriber) => {
                self.vault().subscribers.retain(|(id, _)| *id != subscriber);
                self.vault()
                    .pending_reads
                    .retain(|(id, _)| *id != subscriber);
            }
            ModelVaultMessage::CaughtUp => {
                let vault = self.vault();
                (
                    vault.relay_is_behind,
                    vault.subscribers,
                    vault.pending_reads,
                ) = (false, Vec::new(), Vec::new());
            }
        }
    }

    /// Returns the head of the vault, or 0 if it is not loaded.
    pub fn head(&self) -> ModelSeq {
        let open = self.vault.as_ref().and_then(|vault| vault.open.as_ref());
        open.map_or(0, |open| open.head)
    }

    // commits.rs

    /// Returns whether a transaction can start.
    pub fn can_commit(&self) -> bool {
        let ready = |vault: &ModelVault| {
            vault.open.is_some() && !vault.is_blocked && !vault.waiting_mutations.is_empty()
        };
        self.vault.as_ref().is_some_and(ready)
    }

    /// Starts a transaction with the waiting mutations.
    pub fn commit_next(&mut self, shared: &mut ModelSharedState, bounds: &ModelBounds) {
        let head = self.head();
        let vault = self.vault();
        let size = vault.waiting_mutations.len().min(bounds.commit_batch);
        let mutations: Vec<_> = vault.waiting_mutations.drain(..size).collect();
        (vault.is_blocked, vault.started) = (true, vault.started + 1);
        let (first, last) = (head + 1, head + mutations.len() as ModelSeq);
        let transaction = Transaction {
            mutations,
            head,
            result: None,
            orphaned: false,
        };
        match bounds.mistake {
            Some(InjectedMistake::PublishBeforeCommit) => {
                self.publish(first..=last, shared, bounds)
            }
            Some(InjectedMistake::AnswerBeforeCommit) => {
                transaction.answer(&WriteResult::Committed(first), shared)
            }
            Some(_) | None => {}
        }
        self.transactions.push(transaction);
    }

    /// Returns whether the transaction of this actor has ended.
    pub fn transaction_has_ended(&self) -> bool {
        let has_ended =
            |transaction: &Transaction| !transaction.orphaned && transaction.result.is_some();
        self.vault.is_some() && self.transactions.iter().any(has_ended)
    }

    /// Handles the result of the transaction in flight.
    pub fn committed(&mut self, shared: &mut ModelSharedState, bounds: &ModelBounds) {
        let Some(index) = self
            .transactions
            .iter()
            .position(|transaction| !transaction.orphaned)
        else {
            return;
        };
        let transaction = self.transactions.remove(index);
        let Some(mut result) = transaction.result.clone() else {
            return;
        };
        if result == WriteResult::Unknown
            && bounds.mistake == Some(InjectedMistake::TreatUnknownAsFailure)
        {
            result = WriteResult::RolledBack;
        }
        match result {
            WriteResult::Committed(first) => {
                let last = first + transaction.mutations.len() as ModelSeq - 1;
                self.fix_positions(first);
                if bounds.mistake != Some(InjectedMistake::PublishBeforeCommit) {
                    self.publish(self.head() + 1..=last, shared, bounds);
                }
                transaction.answer(&result, shared);
                self.unblock_queue(shared, bounds);
            }
            WriteResult::RolledBack => {
                let mutations = std::mem::take(&mut self.vault().waiting_mutations);
                let refused = Transaction {
                    mutations,
                    ..transaction.clone()
                };
                refused.answer(&result, shared);
                transaction.answer(&result, shared);
                self.unblock_queue(shared, bounds);
            }
            WriteResult::Unknown => {
                transaction.answer(&result, shared);
                self.vault().missed_read = Some(MissedRead::UnknownCommit);
            }
        }
    }

    /// Allows the next transaction, and continues a head check that waited for the end of this one.
    fn unblock_queue(&mut self, shared: &ModelSharedState, bounds: &ModelBounds) {
        self.vault().is_blocked = false;
        // resume_waiting_joins
        if let ModelHeadCheck::Ahead(head, _) = self.vault().joins.check {
            let joins = self.take_checked();
            self.vault().joins.check = ModelHeadCheck::Reading(joins, Some(head));
            self.compare_head(shared, bounds);
        }
    }

    /// Reads the missed events from the journal and publishes them.
    pub fn read_missed_events(&mut self, shared: &ModelSharedState, bounds: &ModelBounds) {
        let missed = self.vault().missed_read.take();
        let (first, last) = (self.head() + 1, shared.journal.head());
        match missed {
            Some(MissedRead::UnknownCommit) if first <= last => self.fix_positions(first),
            Some(MissedRead::UnknownCommit | MissedRead::CatchUp) | None => {}
        }
        self.publish(first..=last, shared, bounds);
        if missed == Some(MissedRead::CatchUp) {
            self.complete_joins(shared, bounds);
        }
        self.unblock_queue(shared, bounds);
    }

    /// Applies committed events and sends them to the subscribers, one by one.
    fn publish(
        &mut self,
        seqs: impl Iterator<Item = ModelSeq>,
        shared: &ModelSharedState,
        bounds: &ModelBounds,
    ) {
        for seq in seqs {
            if let Some(open) = &mut self.vault().open {
                open.head = seq;
                open.ring = open.ring.max(seq.saturating_sub(bounds.ring_capacity));
            }
            if !self.vault().subscribers.is_empty() {
                self.notify_relay(ModelRelayMessage::Event(seq), bounds);
            }
            if let ModelMutation::Remove(client) = shared.journal.mutation_at(bounds, seq) {
                self.remove_user(client, bounds);
            }
        }
    }

    // fanout.rs

    /// Sends a notice to the relay. A full relay receives nothing more until it has caught up.
    fn notify_relay(&mut self, message: ModelRelayMessage, bounds: &ModelBounds) {
        if self.vault().relay_is_behind {
            return;
        }
        let bypasses_mailbox = bounds.mistake == Some(InjectedMistake::AnswerOutsideMailbox)
            && matches!(message, ModelRelayMessage::Attached(..));
        if bypasses_mailbox {
            return self.unordered_answers.push(message);
        }
        if self.has_capacity(&message, bounds) {
            return self.relay_messages.push(message);
        }
        let vault = self.vault();
        (vault.relay_is_behind, vault.subscribers) = (true, Vec::new());
        self.relay_messages.push(ModelRelayMessage::FellBehind);
    }

    /// Ends the live subscriptions of a removed user.
    fn remove_user(&mut self, client: u8, bounds: &ModelBounds) {
        let subscribers = &mut self.vault().subscribers;
        let removed: Vec<_> = subscribers
            .extract_if(.., |(_, owner)| *owner == client)
            .collect();
        if !removed.is_empty() {
            self.notify_relay(
                ModelRelayMessage::Removed(removed.into_iter().map(|(id, _)| id).collect()),
                bounds,
            );
        }
    }

    // head_check.rs

    /// Attaches a subscriber after the head has been compared with the journal.
    fn join_after_head_check(&mut self, subscribe: ModelSubscribe) {
        let vault = self.vault();
        vault.begin_read(&subscribe);
        vault.joins.waiting.push(ModelWaitingJoin {
            subscribe,
            started: vault.started,
            position: None,
        });
        vault.start_head_check();
    }

    /// Fixes the position of every join that arrived before the last transaction started. `first` is the first event of
    /// that transaction.
    fn fix_positions(&mut self, first: ModelSeq) {
        let ModelVault { joins, started, .. } = self.vault();
        let checked = match &mut joins.check {
            ModelHeadCheck::Idle => &mut Vec::new(),
            ModelHeadCheck::Reading(joins, _) | ModelHeadCheck::Ahead(_, joins) => joins,
        };
        for join in checked.iter_mut().chain(&mut joins.waiting) {
            if join.started < *started {
                join.position.get_or_insert(first - 1);
            }
        }
    }

    /// Ends the current head check and returns its joins.
    fn take_checked(&mut self) -> Vec<ModelWaitingJoin> {
        match std::mem::take(&mut self.vault().joins.check) {
            ModelHeadCheck::Idle => Vec::new(),
            ModelHeadCheck::Reading(joins, _) | ModelHeadCheck::Ahead(_, joins) => joins,
        }
    }

    /// Compares the head of the vault with the journal's head, which has been read.
    pub fn compare_head(&mut self, shared: &ModelSharedState, bounds: &ModelBounds) {
        let ModelHeadCheck::Reading(_, Some(head)) = self.vault().joins.check else {
            return;
        };
        if self.head() >= head {
            self.complete_joins(shared, bounds);
        } else if self.vault().is_blocked {
            let joins = self.take_checked();
            self.vault().joins.check = ModelHeadCheck::Ahead(head, joins);
        } else {
            (self.vault().is_blocked, self.vault().missed_read) = (true, Some(MissedRead::CatchUp));
        }
    }

    /// Attaches the subscribers of the completed head check.
    fn complete_joins(&mut self, shared: &ModelSharedState, bounds: &ModelBounds) {
        for ModelWaitingJoin {
            subscribe,
            position,
            ..
        } in self.take_checked()
        {
            if self.vault().end_read(&subscribe) {
                self.attach(subscribe, position, shared, bounds);
            }
        }
        self.vault().start_head_check();
    }

    // attach.rs

    /// Attaches a subscriber. A join without `since` takes effect after `join_after` if it is given, and at the head
    /// otherwise.
    fn attach(
        &mut self,
        subscribe: ModelSubscribe,
        join_after: Option<ModelSeq>,
        shared: &ModelSharedState,
        bounds: &ModelBounds,
    ) {
        self.vault()
            .pending_reads
            .retain(|(id, _)| *id != subscribe.subscriber);
        if self.vault().relay_is_behind {
            return; // the relay attaches its subscriptions again when it has caught up
        }
        let replay_after = match subscribe.attach {
            ModelAttach::Join => join_after,
            ModelAttach::JoinSince(seq) => Some(seq),
            ModelAttach::Resume { after, .. } => {
                return self.replay(subscribe, after.saturating_sub(1), shared, bounds);
            }
        };
        let head = self.head();
        match replay_after {
            _ if !shared.journal.is_member(bounds, subscribe.client, head) => {
                self.answer(
                    subscribe,
                    None,
                    Vec::new(),
                    ModelAttachOutcome::Refused,
                    bounds,
                );
            }
            Some(seq) if seq <= head => self.replay(subscribe, seq, shared, bounds),
            Some(_) | None => self.join_at_head(subscribe, bounds),
        }
    }

    /// Replays the events after a seq, from the ring or from the journal.
    fn replay(
        &mut self,
        subscribe: ModelSubscribe,
        after: ModelSeq,
        shared: &ModelSharedState,
        bounds: &ModelBounds,
    ) {
        match self.ring_after(after) {
            Some(events) => self.answer_with_replay(subscribe, after, events, true, shared, bounds),
            None if bounds.mistake == Some(InjectedMistake::SkipEventsOutsideRing) => {
                self.answer_with_replay(subscribe, after, Vec::new(), true, shared, bounds);
            }
            None => {
                self.vault().begin_read(&subscribe);
                self.vault().page_reads.push(ModelPageRead {
                    subscribe,
                    after,
                    read: None,
                });
            }
        }
    }

    /// Continues with a page that was read from the journal, if the subscriber still waits for it.
    pub fn page_read(&mut self, n: usize, shared: &ModelSharedState, bounds: &ModelBounds) {
        let ModelPageRead {
            subscribe,
            after,
            read,
        } = self.vault().page_reads.remove(n);
        if !self.vault().end_read(&subscribe) {
            return; // the subscriber left or subscribed again
        }
        let head = self.head();
        let mut page = read.unwrap_or_default();
        page.retain(|seq| *seq <= head);
        let rest = self.ring_after(page.last().copied().unwrap_or(after));
        let is_complete = rest.is_some();
        let starts_at_next = page
            .first()
            .map_or(is_complete, |first| *first == after + 1);
        page.extend(rest.into_iter().flatten());
        match subscribe.attach {
            _ if starts_at_next => {
                self.answer_with_replay(subscribe, after, page, is_complete, shared, bounds)
            }
            // The events after the position were trimmed.
            ModelAttach::Join | ModelAttach::JoinSince(_)
                if shared.journal.is_member(bounds, subscribe.client, head) =>
            {
                self.join_at_head(subscribe, bounds);
            }
            ModelAttach::Join | ModelAttach::JoinSince(_) => self.answer(
                subscribe,
                None,
                Vec::new(),
                ModelAttachOutcome::Refused,
                bounds,
            ),
            ModelAttach::Resume { .. } => self.answer(
                subscribe,
                None,
                Vec::new(),
                ModelAttachOutcome::Lost,
                bounds,
            ),
        }
    }

    /// Answers with one page of the events after a seq. The subscriber is live if that was all.
    fn answer_with_replay(
        &mut self,
        subscribe: ModelSubscribe,
        after: ModelSeq,
        mut events: Vec<ModelSeq>,
        is_complete: bool,
        shared: &ModelSharedState,
        bounds: &ModelBounds,
    ) {
        let head = self.head();
        let has_more = !is_complete || events.len() > bounds.replay_page.into();
        events.truncate(bounds.replay_page.into());
        let is_member = shared.journal.is_member(bounds, subscribe.client, head);
        // A subscription ends with the removal of its user, even if the user is a member again.
        let mut truncate_at_end = |joined_at| {
            let removes = |seq: &ModelSeq| {
                shared.journal.mutation_at(bounds, *seq) == ModelMutation::Remove(subscribe.client)
            };
            let end = events
                .iter()
                .position(|seq| *seq > joined_at && removes(seq));
            let end = end.filter(|_| bounds.mistake != Some(InjectedMistake::ResumePastRemoval));
            end.inspect(|end| events.truncate(end + 1)).is_some()
        };
        let is_removed = match subscribe.attach {
            ModelAttach::Resume { joined_at, .. } => truncate_at_end(joined_at),
            ModelAttach::Join if bounds.mistake != Some(InjectedMistake::JoinPastRemoval) => {
                truncate_at_end(after)
            }
            ModelAttach::Join | ModelAttach::JoinSince(_) => false,
        };
        let joined = match subscribe.attach {
            ModelAttach::Resume { .. } => None,
            ModelAttach::Join | ModelAttach::JoinSince(_) if !is_member => {
                return self.answer(
                    subscribe,
                    None,
                    Vec::new(),
                    ModelAttachOutcome::Refused,
                    bounds,
                );
            }
            ModelAttach::JoinSince(_) => Some(ModelJoined {
                seq: head,
                replayed: Some(head - after),
                resync: false,
            }),
            ModelAttach::Join => Some(ModelJoined {
                seq: after,
                replayed: None,
                resync: false,
            }),
        };
        let outcome = match () {
            () if is_removed => ModelAttachOutcome::Removed,
            () if has_more => ModelAttachOutcome::More,
            () if is_member => ModelAttachOutcome::Live,
            () => ModelAttachOutcome::Removed,
        };
        self.answer(subscribe, joined, events, outcome, bounds);
    }

    /// Confirms a join at the head without a replay. If a replay was requested, the client must resync.
    fn join_at_head(&mut self, subscribe: ModelSubscribe, bounds: &ModelBounds) {
        let resync = subscribe.attach != ModelAttach::Join;
        let joined = ModelJoined {
            seq: self.head(),
            replayed: None,
            resync,
        };
        self.answer(
            subscribe,
            Some(joined),
            Vec::new(),
            ModelAttachOutcome::Live,
            bounds,
        );
    }

    /// Answers a query, and adds the subscriber to the live ones if it misses no event.
    fn answer(
        &mut self,
        subscribe: ModelSubscribe,
        joined: Option<ModelJoined>,
        events: Vec<ModelSeq>,
        outcome: ModelAttachOutcome,
        bounds: &ModelBounds,
    ) {
        let ModelSubscribe {
            subscriber,
            client,
            ticket,
            ..
        } = subscribe;
        if outcome != ModelAttachOutcome::Refused {
            // If more events follow, the subscriber receives the new ones with its next query.
            self.vault().subscribers.retain(|(id, _)| *id != subscriber);
        }
        let is_live = outcome == ModelAttachOutcome::Live;
        self.notify_relay(
            ModelRelayMessage::Attached(
                subscriber,
                ModelAttached {
                    ticket,
                    joined,
                    events,
                    outcome,
                },
            ),
            bounds,
        );
        let vault = self.vault();
        if is_live && !vault.relay_is_behind {
            vault.subscribers.push((subscriber, client));
            vault.subscribers.sort_unstable();
        }
    }

    /// Returns the events of the ring after a seq. `None` if the ring does not have all of them.
    fn ring_after(&self, seq: ModelSeq) -> Option<Vec<ModelSeq>> {
        let OpenModelVault { head, ring } = self.vault.as_ref()?.open.as_ref()?;
        (*ring <= seq && seq <= *head).then(|| (seq + 1..=*head).collect())
    }
}

impl ModelPageRead {
    /// Returns the seq before the page.
    pub fn after(&self) -> ModelSeq {
        self.after
    }
}

impl ModelVault {
    /// Starts a head check for the waiting joins, unless a check is running.
    fn start_head_check(&mut self) {
        if self.joins.check == ModelHeadCheck::Idle && !self.joins.waiting.is_empty() {
            self.joins.check =
                ModelHeadCheck::Reading(std::mem::take(&mut self.joins.waiting), None);
        }
    }

    /// Records that the journal is read for a query. It replaces an earlier query of the subscriber.
    fn begin_read(&mut self, subscribe: &ModelSubscribe) {
        self.pending_reads
            .retain(|(id, _)| *id != subscribe.subscriber);
        self.pending_reads
            .push((subscribe.subscriber, subscribe.ticket));
        self.pending_reads.sort_unstable();
    }

    /// Ends the read. Returns whether the query still waits for it.
    fn end_read(&mut self, subscribe: &ModelSubscribe) -> bool {
        let read = (subscribe.subscriber, subscribe.ticket);
        let is_awaited = self.pending_reads.contains(&read);
        self.pending_reads.retain(|other| *other != read);
        is_awaited
    }
}
