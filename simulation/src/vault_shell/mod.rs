//! The shell of the vault machine in the simulation. It does what `src/vault/actor.rs` and `src/vault/perform.rs` do.

mod deliveries;
mod descriptions;
mod reads;
mod transactions;

use std::collections::{BTreeMap, VecDeque};

use vaultcast::{
    gateway::recovery::machine::RecoveryInput,
    vault::{
        NoticeBody, SinkId, VaultError,
        machine::{
            CallerId, SubscribeId, SubscribeRequest, VaultEffect, VaultEffects, VaultInput,
            VaultMachine,
        },
    },
};

use crate::{
    database::EPOCH,
    log::Log,
    mistakes::Mistake,
    node::{Caller, EndedTransaction, Read, RelayMessage, Stage, VaultActor, VaultMessage},
    promises::Promise,
    world::World,
};

use descriptions::{describe, describe_effect};

pub use descriptions::describe_notice;
pub use transactions::CommitReport;

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
            self.perform_vault(node, vault, effect, log);
        }
        if self.vault_actor(node, vault).stage == Stage::Ending {
            self.end_vault(node, vault);
        }
    }

    fn perform_vault(&mut self, node: usize, vault: usize, effect: VaultEffect, log: &mut Log) {
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
            VaultEffect::AnnounceHead(head) => self.queue_hint(node, vault, head, log),
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
            VaultEffect::Retire(_) => {
                let is_unused = actor.mailbox.is_empty() && actor.callers.is_empty();
                if is_unused && actor.requests.is_empty() && actor.ended.is_none() {
                    actor.stage = Stage::Ending;
                }
            }
            VaultEffect::Restart => actor.stage = Stage::Ending,
            VaultEffect::Deliver { .. } => unreachable!("handled by the caller"),
            VaultEffect::ReportPositionsUnknown(_) => self.report_positions_unknown(node, vault),
            VaultEffect::WithdrawMembers
            | VaultEffect::PublishMembers
            | VaultEffect::RecordQueue { .. }
            | VaultEffect::Report(_) => {}
        }
    }

    /// Reports to all relays of a node that no seat of a vault can be resumed.
    fn report_positions_unknown(&mut self, node: usize, vault: usize) {
        if self.put_back != Some(vault) {
            let detail = format!("the subscriptions of vault {vault} end, whose journal is intact");
            self.fail(Promise::EveryEventAfterJoin, detail);
        }
        let epoch = EPOCH.into();
        self.recovery_input(node, RecoveryInput::HistoryReplaced { epoch });
        for relay in &mut self.nodes[node].relays {
            let message = RelayMessage::PositionsUnknown(vault);
            relay.mailbox.push_back(message);
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
