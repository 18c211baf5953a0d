//! The entry of the machine: which part handles which input.

use crate::domain::MonotonicTime;

use super::{
    effect::{PositionLoss, VaultEffects},
    ids::MissedPurpose,
    input::VaultInput,
    state::VaultMachine,
    step::Step,
};

impl VaultMachine {
    /// Handles an input at this time, and appends the effects in the order in which they must be performed.
    pub fn handle(&mut self, input: VaultInput, now: MonotonicTime, effects: &mut VaultEffects) {
        let step = &mut Step { now, effects };
        self.lifetime.record_use(&input);
        match input {
            VaultInput::Opened(loaded) => self.opened(loaded, step),
            VaultInput::Submit { caller, mutation } => self.submit(caller, mutation, step),
            VaultInput::Committed(outcome) => self.committed(outcome, step),
            VaultInput::Subscribe(request) => self.subscribe(request, step),
            VaultInput::Leave(subscriber) => {
                self.fanout.remove(subscriber);
                if self.reads.cancel(subscriber) {
                    self.finish_cancelled_joins(step);
                }
            }
            VaultInput::SinkFull(sink) => self.fanout.fell_behind(sink, step),
            // A request of a closed sink that still waits must not attach a subscriber: nothing would ever remove it.
            VaultInput::SinkReady(sink) | VaultInput::SinkClosed(sink) => {
                if self.reads.cancel_sink(sink) {
                    self.finish_cancelled_joins(step);
                }
                self.fanout.caught_up(sink);
            }
            VaultInput::MembershipRead { request, result } => {
                self.membership_read(request, result, step);
            }
            VaultInput::HeadRead(head) => self.head_read(head, step),
            VaultInput::PageRead { request, result } => self.page_read(request, result, step),
            VaultInput::MissedRead { purpose, result } => match purpose {
                MissedPurpose::UnknownCommit => self.unknown_commit_read(result, step),
                MissedPurpose::Join => self.caught_up_with_journal(result, step),
                MissedPurpose::Hint => self.hint_read(result, step),
            },
            VaultInput::RemoteHead(head) => self.remote_head(head, step),
            VaultInput::HeadWentBack => self.check_rewind(step),
            VaultInput::HistoryReplaced => {
                if self.head().is_some() {
                    self.replace_history(PositionLoss::AllVaults, step);
                }
            }
            VaultInput::Tick => self.tick(step),
            VaultInput::Unload => self.unload(step),
            VaultInput::Reconfigure(options) => self.reconfigure(options, step),
        }
        self.follow_noted_hint(step);
        self.retire_unless_open(step);
        self.request_wake_up(step);
    }
}
