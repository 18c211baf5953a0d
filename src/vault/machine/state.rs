//! The state of the machine.

use std::sync::Arc;

use crate::{
    domain::{Members, Refusal, Seq, Vault},
    vault::{error::VaultError, handle::SinkId},
};

use super::{
    effect::VaultEffect, fanout::Fanout, hint_read::HintRead, lifetime::Lifetime,
    options::MachineOptions, pending_reads::PendingReads, queue::MutationQueue, ring::EventRing,
    step::Step, waiting_joins::WaitingJoins,
};

/// The state of one vault and of everything that waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultMachine {
    pub(super) options: MachineOptions,
    pub(super) state: VaultState,
    pub(super) queue: MutationQueue,
    pub(super) fanout: Fanout,
    pub(super) joins: WaitingJoins,
    pub(super) reads: PendingReads,
    pub(super) hint_read: HintRead,
    pub(super) lifetime: Lifetime,
}

/// The state of the vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum VaultState {
    /// The vault is being loaded. No input but [`Opened`](super::VaultInput::Opened) comes before that ends.
    Loading,
    /// The vault exists.
    Open { vault: Vault, ring: EventRing },
    /// The vault never existed or was deleted. Every request is refused as for a user who is not a member.
    Absent,
    /// The vault could not be loaded, or must be loaded again.
    Failed(VaultError),
}

impl VaultMachine {
    /// Returns a machine that waits for [`VaultInput::Opened`].
    pub fn new(options: MachineOptions) -> Self {
        Self {
            options,
            state: VaultState::Loading,
            queue: MutationQueue::default(),
            fanout: Fanout::default(),
            joins: WaitingJoins::default(),
            reads: PendingReads::default(),
            hint_read: HintRead::Idle,
            lifetime: Lifetime::default(),
        }
    }

    /// Returns the vault's head if the vault is open.
    pub fn head(&self) -> Option<Seq> {
        match &self.state {
            VaultState::Open { vault, .. } => Some(vault.head),
            VaultState::Loading | VaultState::Absent | VaultState::Failed(_) => None,
        }
    }

    /// Returns the members if the vault is open.
    pub fn members(&self) -> Option<&Arc<Members>> {
        match &self.state {
            VaultState::Open { vault, .. } => Some(&vault.members),
            VaultState::Loading | VaultState::Absent | VaultState::Failed(_) => None,
        }
    }

    /// Returns the memory of the kept events and of the members, in bytes.
    pub fn held_bytes(&self) -> usize {
        match &self.state {
            VaultState::Open { vault, ring } => ring.bytes() + vault.members.bytes(),
            VaultState::Loading | VaultState::Absent | VaultState::Failed(_) => 0,
        }
    }

    /// Returns the number of live subscribers.
    pub fn subscribers(&self) -> usize {
        self.fanout.len()
    }

    /// Returns the sinks that serve a live subscriber. They must be notified if the machine ends before its time.
    pub fn sinks(&self) -> impl Iterator<Item = SinkId> + '_ {
        self.fanout.sinks()
    }

    pub(super) fn opened(
        &mut self,
        loaded: Result<Option<Vault>, VaultError>,
        step: &mut Step<'_>,
    ) {
        self.state = match loaded {
            Ok(Some(vault)) if !vault.members.is_empty() => {
                step.effects.push(VaultEffect::PublishMembers);
                let ring = EventRing::new(vault.head);
                VaultState::Open { vault, ring }
            }
            Ok(_) => VaultState::Absent,
            Err(error) => VaultState::Failed(error),
        };
        self.lifetime.start(self.options.idle, step.now);
    }

    /// Returns the error for every request, unless the vault is open.
    pub(super) fn unavailable_reason(&self) -> Option<VaultError> {
        match &self.state {
            VaultState::Open { .. } => None,
            VaultState::Loading => Some(VaultError::Unavailable),
            VaultState::Absent => Some(Refusal::AccessDenied.into()),
            VaultState::Failed(error) => Some(error.clone()),
        }
    }

    /// Discards the state, which differs from the journal. The successor loads the vault again.
    pub(super) fn restart(&mut self, step: &mut Step<'_>) {
        self.state = VaultState::Failed(VaultError::Unavailable);
        step.effects.push(VaultEffect::WithdrawMembers);
        step.effects.push(VaultEffect::Restart);
    }
}
