//! What happens with time: wake-ups, and the end of a vault that nothing uses.

use std::mem;

use super::{
    effect::{RetireCause, VaultEffect},
    lifetime::Usage,
    options::MachineOptions,
    queue::QueueGate,
    state::VaultMachine,
    step::Step,
};

impl VaultMachine {
    pub(super) fn reconfigure(&mut self, options: MachineOptions, step: &mut Step<'_>) {
        if options.idle != self.options.idle && self.lifetime.idle_check_at.is_some() {
            self.lifetime.start(options.idle, step.now);
        }
        // The state belongs to the history in which it was loaded. The report of another one may still be in the mailbox.
        let epoch = self.options.epoch.clone();
        self.options = MachineOptions { epoch, ..options };
    }

    pub(super) fn tick(&mut self, step: &mut Step<'_>) {
        self.lifetime.wake_at = None;
        self.end_batch_window(step);
        self.retry_unknown_commit(step);
        if self.lifetime.idle_check_at.is_some_and(|at| at <= step.now) {
            self.lifetime.start(self.options.idle, step.now);
            let usage = mem::replace(&mut self.lifetime.usage, Usage::Unused);
            if usage == Usage::Unused && self.fanout.is_empty() {
                self.retire(RetireCause::Idle, step);
            }
        }
    }

    /// Retires if nothing uses the vault now.
    pub(super) fn unload(&mut self, step: &mut Step<'_>) {
        if self.fanout.is_empty() {
            self.retire(RetireCause::Memory, step);
        }
    }

    /// Retires a vault that is not open. So ids without a vault leave no actor behind, and the next request tries to load a
    /// vault that could not be loaded.
    pub(super) fn retire_unless_open(&mut self, step: &mut Step<'_>) {
        if self.unavailable_reason().is_some() {
            self.retire(RetireCause::Idle, step);
        }
    }

    /// Retires if nothing waits here. A transaction of unknown outcome may still commit: the successor would load the state
    /// before it, and publish its event only after the next one.
    fn retire(&self, cause: RetireCause, step: &mut Step<'_>) {
        let is_settled = self.queue.is_empty() && self.queue.gate == QueueGate::Open;
        if is_settled && self.joins.is_empty() && self.reads.is_empty() {
            step.effects.push(VaultEffect::Retire(cause));
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
