//! What is true of the state of a relay after every input. Tests and the simulator check it.

use super::{
    deadlines::JoinDeadline,
    seat::{PageTurn, SeatQuery, SeatState, SentQuery},
    state::RelayMachine,
    vault_seats::FanoutState,
};

impl RelayMachine {
    /// Checks the invariants of the state.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check_invariants(&self) -> Result<(), String> {
        for (vault, entry) in &self.vaults {
            let check = |holds: bool, invariant: &str| {
                let failed = || format!("{vault}: {invariant}");
                if holds { Ok(()) } else { Err(failed()) }
            };
            check(!entry.is_unused(), "a vault without seats is released")?;
            let mut in_use = 0;
            for (id, seat) in &entry.seats {
                let turn = self.page_turns.get(&seat.socket);
                let holds_turn = turn.is_some_and(|turn| {
                    turn.holder.subscriber == *id && turn.holder.vault == *vault
                });
                match seat.query {
                    SeatQuery::Idle => {
                        let is_idle = seat.next_query().is_none();
                        let is_behind = entry.fanout == FanoutState::FellBehind;
                        check(is_idle || is_behind, "a needed query is pending")?;
                        check(!holds_turn, "an idle seat has no turn")?;
                    }
                    SeatQuery::AwaitingSocket => {
                        check(turn.is_some() && !holds_turn, "a waiting seat has no turn")?;
                    }
                    SeatQuery::AwaitingRoom => check(holds_turn, "one seat has the turn")?,
                    SeatQuery::AwaitingVault => {
                        let is_queued = entry.pages.waiting.contains(id);
                        check(holds_turn && is_queued, "a waiting seat is in the queue")?;
                    }
                    SeatQuery::Sent(SentQuery { ticket, turn, .. }) => {
                        check(ticket < self.next_ticket, "tickets are issued once")?;
                        check(
                            holds_turn == (turn == PageTurn::Held),
                            "a query holds its turn",
                        )?;
                        in_use += usize::from(turn == PageTurn::Held);
                    }
                }
                let is_out_of_step = seat.state == SeatState::OutOfStep;
                check(
                    !is_out_of_step || seat.query == SeatQuery::Idle,
                    "a closed seat asks nothing",
                )?;
                if let Some(at) = seat.joins.front().and_then(|join| join.deadline) {
                    let deadline = JoinDeadline {
                        at,
                        subscriber: *id,
                        vault: vault.clone(),
                    };
                    check(self.deadlines.contains(&deadline), "a deadline is kept")?;
                }
            }
            check(in_use == entry.pages.in_use, "turns are counted")?;
        }
        Ok(())
    }
}
