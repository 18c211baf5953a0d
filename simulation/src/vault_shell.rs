//! The shell of the vault machine in the simulation. It does what `src/vault/actor.rs` and `src/vault/perform.rs` do.

use std::collections::{BTreeMap, VecDeque};

use vaultcast::{
    domain::Seq,
    vault::{
        AttachOutcome, Attached, Notice, NoticeBody, NoticeReceivers, REPLAY_PAGE, SinkId,
        VaultError,
        machine::{
            Batch, BatchOutcome, CallerId, SubscribeId, SubscribeRequest, VaultEffect,
            VaultEffects, VaultInput, VaultMachine, WrittenBatch,
        },
    },
};

use crate::{
    log::Log,
    mistakes::Mistake,
    node::{Caller, EndedTransaction, Packet, Read, RelayMessage, Stage, VaultActor, VaultMessage},
    promises::Promise,
    world::{Lock, Transaction, World},
};

impl World {
    /// Returns the actor of a vault, and starts it if there is none.
    pub fn vault_actor(&mut self, node: usize, vault: usize) -> &mut VaultActor {
        if !self.nodes[node].vaults.contains_key(&vault) {
            let actor = VaultActor {
                instance: self.take_id(),
                machine: VaultMachine::new(self.config.machine_options()),
                stage: Stage::Opening,
                mailbox: VecDeque::new(),
                reads: Vec::new(),
                results: Vec::new(),
                ended: None,
                callers: BTreeMap::new(),
                requests: BTreeMap::new(),
                wake_at: None,
                slots: 0,
            };
            self.nodes[node].vaults.insert(vault, actor);
        }
        self.nodes[node]
            .vaults
            .entry(vault)
            .or_insert_with(|| unreachable!("it was inserted"))
    }

    /// Sends a message to the actor of a vault.
    pub fn send_to_vault(&mut self, node: usize, vault: usize, message: VaultMessage) {
        self.vault_actor(node, vault).mailbox.push_back(message);
    }

    /// Submits a mutation, or answers it at once if the queue is full.
    pub fn submit(&mut self, vault: usize, caller: Caller, mutation: vaultcast::domain::Mutation) {
        let bound = self.config.vault_queue;
        let id = CallerId(self.take_id());
        let node = caller.address.node;
        let actor = self.vault_actor(node, vault);
        if actor.slots >= bound {
            return self.answer(&caller, Err(VaultError::Busy));
        }
        actor.slots += 1;
        actor.callers.insert(id, caller);
        let message = VaultMessage::Submit {
            caller: id,
            mutation,
        };
        self.send_to_vault(node, vault, message);
        let actor = self.vault_actor(node, vault);
        if actor.callers.len() > bound {
            self.fail(
                Promise::Bounds,
                format!("vault {vault}: more than {bound} mutations wait"),
            );
        }
    }

    /// Loads the vault of an actor.
    pub fn open_vault(&mut self, node: usize, vault: usize, log: &mut Log) {
        self.vault_actor(node, vault).stage = Stage::Running;
        let loaded = self.database.vaults[vault].vault.clone();
        self.vault_input(node, vault, VaultInput::Opened(Ok(Some(loaded))), log);
    }

    /// Handles the next message of an actor.
    pub fn handle_vault_message(&mut self, node: usize, vault: usize, log: &mut Log) {
        let Some(message) = self.vault_actor(node, vault).mailbox.pop_front() else {
            return;
        };
        let input = match message {
            VaultMessage::Submit { caller, mutation } => VaultInput::Submit { caller, mutation },
            VaultMessage::Subscribe {
                id,
                subscription,
                sink,
            } => VaultInput::Subscribe(SubscribeRequest {
                id,
                subscription,
                sink,
            }),
            VaultMessage::Leave(subscriber) => VaultInput::Leave(subscriber),
            VaultMessage::CaughtUp(sink) => VaultInput::SinkReady(sink),
        };
        self.vault_input(node, vault, input, log);
    }

    /// Performs a read, whose result reaches the actor later.
    pub fn execute_read(&mut self, node: usize, vault: usize, index: usize) {
        let read = self.vault_actor(node, vault).reads.remove(index);
        let rows = &self.database.vaults[vault];
        let input = match read {
            Read::Membership { request, user } => VaultInput::MembershipRead {
                request,
                result: Ok(rows.vault.members.contains_key(&user)),
            },
            Read::Head => VaultInput::HeadRead(Ok(Some(rows.vault.head))),
            Read::Page {
                request,
                after,
                limit,
            } => VaultInput::PageRead {
                request,
                result: Ok(rows.records_after(after, limit)),
            },
            Read::Missed { purpose, after } => VaultInput::MissedRead {
                purpose,
                result: Ok(rows.after(after).cloned().collect()),
            },
        };
        self.vault_actor(node, vault).results.push(input);
    }

    /// A read fails.
    pub fn fail_read(&mut self, node: usize, vault: usize, index: usize) {
        let error = VaultError::Unavailable;
        let actor = self.vault_actor(node, vault);
        let input = match actor.reads.remove(index) {
            Read::Membership { request, .. } => VaultInput::MembershipRead {
                request,
                result: Err(error),
            },
            Read::Head => VaultInput::HeadRead(Err(error)),
            Read::Page { request, .. } => VaultInput::PageRead {
                request,
                result: Err(error),
            },
            Read::Missed { purpose, .. } => VaultInput::MissedRead {
                purpose,
                result: Err(error),
            },
        };
        actor.results.push(input);
    }

    /// Gives a result to the machine.
    pub fn deliver_result(&mut self, node: usize, vault: usize, index: usize, log: &mut Log) {
        let input = self.vault_actor(node, vault).results.remove(index);
        self.vault_input(node, vault, input, log);
    }

    /// Gives an input to the machine and performs the effects in order.
    pub fn vault_input(&mut self, node: usize, vault: usize, input: VaultInput, log: &mut Log) {
        log.line(|| format!("    node {node}, vault {vault}: {}", describe(&input)));
        let now = self.now;
        let mut effects = VaultEffects::default();
        self.vault_actor(node, vault)
            .machine
            .handle(input, now, &mut effects);
        if self.config.mistake == Some(Mistake::AnswerBeforePublish) {
            let is_answer = |effect: &VaultEffect| matches!(effect, VaultEffect::Answer { .. });
            let all = std::iter::from_fn(|| effects.pop());
            let (answers, others): (Vec<_>, Vec<_>) = all.partition(is_answer);
            effects = answers.into_iter().chain(others).collect();
        }
        while let Some(effect) = effects.pop() {
            if let VaultEffect::Deliver { sink, to, notice } = effect {
                log.line(|| {
                    format!(
                        "        deliver to sink {}: {}",
                        sink.0,
                        describe_notice(&notice)
                    )
                });
                let is_full = !self.deliver(node, vault, sink, to, notice);
                if is_full && self.config.mistake != Some(Mistake::DropNoticeWhenFull) {
                    effects.skip_deliveries(sink);
                    let full = VaultInput::SinkFull(sink);
                    self.vault_actor(node, vault)
                        .machine
                        .handle(full, now, &mut effects);
                }
                continue;
            }
            log.line(|| format!("        {}", describe_effect(&effect)));
            if let VaultEffect::Answer {
                result: Ok(answer), ..
            } = &effect
            {
                let is_owed = |effect: &VaultEffect| {
                    matches!(effect, VaultEffect::Deliver { notice, .. }
                        if matches!(&notice.body, NoticeBody::Event(record) if record.seq <= answer.seq))
                };
                if effects.iter().any(is_owed) {
                    self.fail(
                        Promise::AnswerHasSeq,
                        format!("answer {} precedes its event", answer.seq.0),
                    );
                }
            }
            self.perform_vault(node, vault, effect);
        }
        if self.vault_actor(node, vault).stage == Stage::Ending {
            self.end_vault(node, vault);
        }
    }

    fn perform_vault(&mut self, node: usize, vault: usize, effect: VaultEffect) {
        let actor = self.vault_actor(node, vault);
        match effect {
            VaultEffect::Append(batch) => self.append(node, vault, batch),
            VaultEffect::ReadMembership { request, user } => {
                actor.reads.push(Read::Membership { request, user });
            }
            VaultEffect::ReadHead => actor.reads.push(Read::Head),
            VaultEffect::ReadPage {
                request,
                after,
                limit,
            } => {
                actor.reads.push(Read::Page {
                    request,
                    after,
                    limit,
                });
            }
            VaultEffect::ReadMissed { purpose, after } => {
                actor.reads.push(Read::Missed { purpose, after });
            }
            VaultEffect::ReportBehind(sink) => self.report_behind(node, vault, sink),
            VaultEffect::Answer { caller, result } => {
                if let Some(caller) = actor.callers.remove(&caller) {
                    let released = if self.config.mistake == Some(Mistake::ReleaseSlotTwice) {
                        2
                    } else {
                        1
                    };
                    let actor = self.vault_actor(node, vault);
                    actor.slots = actor.slots.saturating_sub(released);
                    self.answer(&caller, result.map(|answer| answer.seq.0));
                }
            }
            VaultEffect::Finish(request) => {
                actor.requests.remove(&request);
            }
            VaultEffect::WakeAt(time) => actor.wake_at = Some(time),
            VaultEffect::Retire => {
                let is_unused = actor.mailbox.is_empty() && actor.callers.is_empty();
                if is_unused && actor.requests.is_empty() && actor.ended.is_none() {
                    actor.stage = Stage::Ending;
                }
            }
            VaultEffect::Restart => actor.stage = Stage::Ending,
            VaultEffect::Deliver { .. } => unreachable!("handled by the caller"),
            VaultEffect::WithdrawMembers
            | VaultEffect::PublishMembers
            | VaultEffect::RecordQueue { .. }
            | VaultEffect::Report(_) => {}
        }
    }

    fn append(&mut self, node: usize, vault: usize, batch: Batch) {
        if batch.mutations.len() > self.config.commit_batch {
            self.fail(
                Promise::Bounds,
                format!("vault {vault}: a batch of {}", batch.mutations.len()),
            );
        }
        let actor = self.vault_actor(node, vault);
        let instance = actor.instance;
        let callers = batch.mutations.iter().filter_map(|queued| {
            actor
                .callers
                .remove(&queued.caller)
                .map(|caller| (queued.caller, caller))
        });
        let callers = callers.collect();
        let transaction = Transaction {
            node,
            vault,
            instance,
            batch,
            callers,
            lock: Lock::Waiting,
        };
        if self.config.mistake == Some(Mistake::PublishBeforeCommit) {
            let mut rows = self.database.vaults[vault].clone();
            let numbers: Vec<_> = transaction
                .callers
                .iter()
                .map(|(_, caller)| caller.mutation)
                .collect();
            let written = rows.commit(&transaction.batch, &numbers);
            self.report_outcome(transaction, BatchOutcome::Written(written));
        } else {
            self.transactions.push(transaction);
        }
    }

    /// Reports the outcome of a transaction: to its actor, or to the callers if the actor has ended.
    pub fn report_outcome(&mut self, transaction: Transaction, outcome: BatchOutcome) {
        let Transaction {
            node,
            vault,
            instance,
            callers,
            ..
        } = transaction;
        match &outcome {
            // Which events are the transaction's own is not known. A join before it may be placed before all of them.
            BatchOutcome::Unknown => self.disturbances[vault] += 1,
            BatchOutcome::Written(_) | BatchOutcome::Failed(_) | BatchOutcome::Dropped => {}
        }
        let actor = self.nodes[node].vaults.get_mut(&vault);
        if let Some(actor) = actor.filter(|actor| actor.instance == instance) {
            actor.ended = Some(EndedTransaction { callers, outcome });
            return;
        }
        self.answer_all(&callers, outcome);
    }

    /// Gives the outcome of the ended transaction to the machine.
    pub fn deliver_outcome(&mut self, node: usize, vault: usize, log: &mut Log) {
        let actor = self.vault_actor(node, vault);
        if let Some(EndedTransaction { callers, outcome }) = actor.ended.take() {
            actor.callers.extend(callers);
            self.vault_input(node, vault, VaultInput::Committed(outcome), log);
        }
    }

    /// Answers the callers of a transaction whose actor has ended.
    fn answer_all(&mut self, callers: &[(CallerId, Caller)], outcome: BatchOutcome) {
        let results: Vec<_> = match outcome {
            BatchOutcome::Written(WrittenBatch { results, .. }) => results
                .into_iter()
                .map(|result| result.map(|answer| answer.seq.0))
                .collect(),
            BatchOutcome::Failed(error) => callers.iter().map(|_| Err(error.clone())).collect(),
            BatchOutcome::Unknown | BatchOutcome::Dropped => {
                callers.iter().map(|_| Err(VaultError::Unknown)).collect()
            }
        };
        for ((_, caller), result) in callers.iter().zip(results) {
            self.answer(caller, result);
        }
    }

    /// Answers a caller over its connection, if that still exists.
    pub fn answer(&mut self, caller: &Caller, result: Result<u64, VaultError>) {
        self.record_answer(caller.mutation, result.clone());
        let mutation = caller.mutation;
        self.push_packet(caller.address, Packet::Answer { mutation, result });
    }

    /// Delivers a notice to a relay. Returns whether it had room.
    fn deliver(
        &mut self,
        node: usize,
        vault: usize,
        sink: SinkId,
        to: NoticeReceivers,
        notice: std::sync::Arc<Notice>,
    ) -> bool {
        if let NoticeBody::Event(record) = &notice.body {
            let entry = self.database.vaults[vault].event(record.seq.0);
            if entry.is_none_or(|entry| entry.event.record != *record) {
                self.fail(
                    Promise::OnDiskFirst,
                    format!("vault {vault}: event {} is not on disk", record.seq.0),
                );
            }
        }
        let mistake = self.config.mistake;
        if mistake == Some(Mistake::KeepRemovedMember) && notice.body == NoticeBody::Removed {
            return true;
        }
        let notice = match (&notice.body, mistake) {
            (NoticeBody::Attached(attached), Some(Mistake::LiveBeforeReplayIsComplete))
                if matches!(attached.outcome, AttachOutcome::More) =>
            {
                let attached = Attached {
                    outcome: AttachOutcome::Live,
                    ..attached.clone()
                };
                Notice::new(NoticeBody::Attached(attached), notice.created)
            }
            _ => notice,
        };
        let bound = self.config.relay_mailbox;
        let Some(relay) = self.nodes[node]
            .relays
            .iter_mut()
            .find(|relay| relay.sink == sink)
        else {
            return true; // it has ended, and nothing receives its notices
        };
        let message = RelayMessage::Notice { vault, to, notice };
        let used = relay.used();
        if used > 0 && used + message.weight() > bound {
            return false;
        }
        relay.mailbox.push_back(message);
        let used = relay.used();
        if used > bound.max(REPLAY_PAGE + 1) {
            self.fail(
                Promise::Bounds,
                format!("the mailbox of sink {} has {used} notices", sink.0),
            );
        }
        true
    }

    /// Reports to a relay that its seats of a vault receive nothing more.
    pub fn report_behind(&mut self, node: usize, vault: usize, sink: SinkId) {
        self.disturbances[vault] += 1;
        let relays = self.nodes[node].relays.iter_mut();
        if let Some(relay) = relays.into_iter().find(|relay| relay.sink == sink) {
            relay.mailbox.push_back(RelayMessage::FellBehind(vault));
        }
    }

    /// Ends an actor: what it owes is given, and the sinks that miss something are notified.
    pub fn end_vault(&mut self, node: usize, vault: usize) {
        let Some(actor) = self.nodes[node].vaults.remove(&vault) else {
            return;
        };
        self.disturbances[vault] += 1;
        if let Some(EndedTransaction { callers, outcome }) = actor.ended {
            self.answer_all(&callers, outcome);
        }
        for caller in actor.callers.values() {
            self.answer(caller, Err(VaultError::Unavailable));
        }
        let sinks: Vec<_> = actor
            .machine
            .sinks()
            .chain(actor.requests.values().copied())
            .collect();
        for sink in sinks {
            self.report_behind(node, vault, sink);
        }
    }

    /// Returns whether a transaction of this vault on this node is in flight.
    pub fn has_transaction(&self, node: usize, vault: usize) -> bool {
        let mut transactions = self.transactions.iter();
        transactions.any(|transaction| (transaction.node, transaction.vault) == (node, vault))
    }

    /// Requests a subscription of a vault.
    pub fn subscribe(
        &mut self,
        node: usize,
        vault: usize,
        subscription: vaultcast::vault::Subscription,
        sink: SinkId,
    ) {
        let id = SubscribeId(self.take_id());
        let actor = self.vault_actor(node, vault);
        actor.requests.insert(id, sink);
        actor.mailbox.push_back(VaultMessage::Subscribe {
            id,
            subscription,
            sink,
        });
    }
}

fn describe(input: &VaultInput) -> String {
    match input {
        VaultInput::Opened(Ok(Some(vault))) => format!("opened at {}", vault.head.0),
        VaultInput::Submit { caller, .. } => format!("submit {}", caller.0),
        VaultInput::Committed(BatchOutcome::Written(written)) => {
            let seqs: Vec<_> = written
                .events
                .iter()
                .map(|event| event.record.seq.0)
                .collect();
            format!("committed {seqs:?}, {} of them missed", written.missed)
        }
        VaultInput::Subscribe(request) => format!(
            "subscribe {} ticket {} {:?}",
            request.subscription.subscriber.0,
            request.subscription.ticket,
            request.subscription.attach
        ),
        other => format!("{other:?}").chars().take(200).collect(),
    }
}

fn describe_effect(effect: &VaultEffect) -> String {
    match effect {
        VaultEffect::Append(batch) => {
            let callers: Vec<_> = batch
                .mutations
                .iter()
                .map(|queued| queued.caller.0)
                .collect();
            format!("append {callers:?} at {}", batch.vault.head.0)
        }
        VaultEffect::Answer { caller, result } => {
            format!(
                "answer {}: {:?}",
                caller.0,
                result.as_ref().map(|answer| answer.seq.0)
            )
        }
        other => format!("{other:?}").chars().take(200).collect(),
    }
}

/// Describes a notice.
pub fn describe_notice(notice: &Notice) -> String {
    match &notice.body {
        NoticeBody::Event(record) => format!("event {}", record.seq.0),
        NoticeBody::Attached(attached) => {
            let seqs: Vec<Seq> = (attached.events.iter())
                .filter_map(|event| match &event.body {
                    NoticeBody::Event(record) => Some(record.seq),
                    _ => None,
                })
                .collect();
            format!(
                "answer to {}: {:?}, events {seqs:?}, {:?}",
                attached.ticket, attached.joined, attached.outcome
            )
        }
        NoticeBody::Removed => "removed".to_owned(),
        NoticeBody::Closed => "closed".to_owned(),
    }
}
