//! Dispatches inputs.

use crate::domain::MonotonicTime;

use super::{
    effect::{RelayEffect, RelayEffects},
    input::RelayInput,
    seat::PendingJoin,
    state::RelayMachine,
    step::RelayStep,
};

impl RelayMachine {
    /// Handles an input at the time `now`. The effects are performed in order.
    pub fn handle<F: RelayEffects>(
        &mut self,
        input: RelayInput<'_, F::Event>,
        now: MonotonicTime,
        effects: &mut F,
    ) {
        let step = &mut RelayStep { now, effects };
        match input {
            RelayInput::Event { vault, event } => self.deliver_live(vault, event, step),
            RelayInput::Join {
                vault,
                seat,
                attach,
                ack,
            } => self.join(vault, seat, PendingJoin::new(attach, ack), step),
            RelayInput::Resume {
                vault,
                seat,
                resumed,
            } => self.resume(vault, seat, resumed, step),
            RelayInput::Leave { vault, subscriber } => self.leave(vault, subscriber, step),
            RelayInput::Answer {
                vault,
                subscriber,
                answer,
            } => self.handle_answer(vault, subscriber, answer, step),
            RelayInput::Removed { vault, subscribers } => {
                self.end_removed(vault, subscribers, step);
            }
            RelayInput::Closed { vault } => self.close_vault(vault, step),
            RelayInput::FellBehind { vault } => self.fall_behind(vault, step),
            RelayInput::PositionsUnknown { vault } => self.end_positions(vault, step),
            RelayInput::MailboxDrained { vault } => self.catch_up(vault, step),
            RelayInput::OutboxDrained { socket } => self.continue_socket(socket, step),
            RelayInput::Tick => self.refuse_overdue_joins(step),
            RelayInput::Reconfigure(bounds) => self.reconfigure(bounds, step),
        }
        if let Some(at) = self.deadlines.take_wake_up() {
            step.perform(RelayEffect::WakeAt(at));
        }
    }
}
