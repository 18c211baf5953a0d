//! When the machine wants to be woken up, and when the vault ends because nothing uses it.

use std::time::Duration;

use crate::domain::MonotonicTime;

use super::{
    Step, VaultMachine, effect::VaultEffect, input::VaultInput, queue::QueueGate,
    state::MachineOptions,
};

/// The idle check and the requested wake-up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Lifetime {
    usage: Usage,
    /// The time of the next idle check, once the vault is loaded.
    idle_check_at: Option<MonotonicTime>,
    /// The requested wake-up that has not come yet.
    wake_at: Option<MonotonicTime>,
}

/// Whether a request arrived since the last idle check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Usage {
    /// Also before the first check: the vault was loaded for a request.
    #[default]
    Used,
    Unused,
}

impl Lifetime {
    pub(super) fn start(&mut self, idle: Duration, now: MonotonicTime) {
        self.idle_check_at = Some(now + idle);
    }

    /// Records an input that is a request, which keeps the vault loaded.
    pub(super) fn record_use(&mut self, input: &VaultInput) {
        match input {
            VaultInput::Submit { .. }
            | VaultInput::Subscribe(_)
            | VaultInput::Leave(_)
            | VaultInput::SinkReady(_) => self.usage = Usage::Used,
            VaultInput::Opened(_)
            | VaultInput::Committed(_)
            | VaultInput::SinkFull(_)
            | VaultInput::SinkClosed(_)
            | VaultInput::MembershipRead { .. }
            | VaultInput::HeadRead(_)
            | VaultInput::PageRead { .. }
            | VaultInput::MissedRead { .. }
            | VaultInput::RemoteHead(_)
            | VaultInput::Tick
            | VaultInput::Reconfigure(_) => {}
        }
    }
}

impl VaultMachine {
    pub(super) fn reconfigure(&mut self, options: MachineOptions, step: &mut Step<'_>) {
        if options.idle != self.options.idle && self.lifetime.idle_check_at.is_some() {
            self.lifetime.start(options.idle, step.now);
        }
        self.options = options;
    }

    pub(super) fn tick(&mut self, step: &mut Step<'_>) {
        self.lifetime.wake_at = None;
        self.end_batch_window(step);
        self.retry_unknown_commit(step);
        if self.lifetime.idle_check_at.is_some_and(|at| at <= step.now) {
            self.lifetime.start(self.options.idle, step.now);
            let usage = std::mem::replace(&mut self.lifetime.usage, Usage::Unused);
            if usage == Usage::Unused && self.fanout.is_empty() {
                self.retire(step);
            }
        }
    }

    /// Retires a vault that is not open. So ids without a vault leave no actor behind, and the next request tries to load a
    /// vault that could not be loaded.
    pub(super) fn retire_unless_open(&mut self, step: &mut Step<'_>) {
        if self.unavailable_reason().is_some() {
            self.retire(step);
        }
    }

    /// Retires if nothing waits here.
    fn retire(&self, step: &mut Step<'_>) {
        if self.queue.is_empty() && self.joins.is_empty() && self.reads.is_empty() {
            step.effects.push(VaultEffect::Retire);
        }
    }

    /// Requests a wake-up at the earliest deadline, unless an earlier one is requested already.
    pub(super) fn request_wake_up(&mut self, step: &mut Step<'_>) {
        let retry_at = match self.queue.gate {
            QueueGate::Unresolved { retry_at } => retry_at,
            QueueGate::Open | QueueGate::Closed => None,
        };
        let deadlines = [
            self.queue.window_ends,
            retry_at,
            self.lifetime.idle_check_at,
        ];
        if let Some(earliest) = deadlines.into_iter().flatten().min()
            && self.lifetime.wake_at.is_none_or(|at| earliest < at)
        {
            self.lifetime.wake_at = Some(earliest);
            step.effects.push(VaultEffect::WakeAt(earliest));
        }
    }
}
