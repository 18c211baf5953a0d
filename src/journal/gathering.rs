//! Whether it pays to wait a moment before a transaction: whoever was just answered is about to ask again, and what
//! comes a moment too late waits for a whole transaction. Under load this makes one of two that would take turns.
//!
//! It pays as long as they do come. Where a wait was in vain, the next ones are left out.

/// After a wait that was in vain, so many are left out.
const LEFT_OUT: u32 = 32;

/// Decides before each transaction whether to wait for more, and for how many.
#[derive(Debug, Default)]
pub struct Gathering {
    awaited: usize,
    left_out: u32,
}

impl Gathering {
    /// A transaction has ended: so many were answered, and so many wait already; the next one takes `most`.
    pub fn begin(&mut self, answered: usize, waiting: usize, most: usize) {
        self.left_out = self.left_out.saturating_sub(1);
        self.awaited = match self.left_out {
            0 => (answered + waiting).min(most),
            _ => 0,
        };
    }

    /// Whether nobody is waited for, when so many wait.
    pub fn is_complete(&self, waiting: usize) -> bool {
        waiting >= self.awaited
    }

    /// Nobody else has come in time.
    pub fn give_up(&mut self) {
        (self.awaited, self.left_out) = (0, LEFT_OUT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_that_take_turns_become_one() {
        let mut gathering = Gathering::default();
        gathering.begin(4, 4, 100);
        assert!(!gathering.is_complete(4));
        assert!(!gathering.is_complete(7));
        assert!(gathering.is_complete(8));
        gathering.begin(8, 0, 100);
        assert!(gathering.is_complete(8) && !gathering.is_complete(7));
    }

    #[test]
    fn nobody_is_waited_for_beyond_what_a_transaction_takes() {
        let mut gathering = Gathering::default();
        assert!(gathering.is_complete(0));
        gathering.begin(200, 100, 256);
        assert!(gathering.is_complete(256));
    }

    #[test]
    fn after_a_wait_in_vain_nobody_is_waited_for_for_a_while() {
        let mut gathering = Gathering::default();
        gathering.begin(1, 1, 100);
        gathering.give_up();
        assert!(gathering.is_complete(1));
        for _ in 1..LEFT_OUT {
            gathering.begin(1, 1, 100);
            assert!(gathering.is_complete(1));
        }
        gathering.begin(1, 1, 100);
        assert!(!gathering.is_complete(1));
    }
}
