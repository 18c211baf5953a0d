//! Decides whether a short wait before a transaction pays off.
//!
//! A caller that was just answered often sends its next request at once. Without a wait, two
//! groups of callers alternate, and each waits for the transaction of the other. A short wait merges the groups, which raises the
//! throughput under load. When a wait times out without new requests, the following waits are skipped.

/// How many waits are skipped after one that timed out.
const SKIPPED_WAITS: u32 = 32;

/// Decides before each transaction how many requests to wait for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct BatchWindow {
    expected: usize,
    skip_remaining: u32,
}

impl BatchWindow {
    /// Opens the window for the next transaction. The last one answered `answered` requests, `waiting` are queued already,
    /// and the next one takes at most `max_batch`.
    pub fn open(&mut self, answered: usize, waiting: usize, max_batch: usize) {
        self.skip_remaining = self.skip_remaining.saturating_sub(1);
        self.expected = match self.skip_remaining {
            0 => (answered + waiting).min(max_batch),
            _ => 0,
        };
    }

    /// Returns whether `waiting` requests are enough to start the transaction.
    pub fn is_complete(&self, waiting: usize) -> bool {
        waiting >= self.expected
    }

    /// Records that the expected requests did not arrive in time.
    pub fn time_out(&mut self) {
        (self.expected, self.skip_remaining) = (0, SKIPPED_WAITS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_alternating_groups_become_one() {
        let mut window = BatchWindow::default();
        window.open(4, 4, 100);
        assert!(!window.is_complete(4));
        assert!(!window.is_complete(7));
        assert!(window.is_complete(8));
        window.open(8, 0, 100);
        assert!(window.is_complete(8) && !window.is_complete(7));
    }

    #[test]
    fn window_never_expects_more_than_one_transaction_takes() {
        let mut window = BatchWindow::default();
        assert!(window.is_complete(0));
        window.open(200, 100, 256);
        assert!(window.is_complete(256));
    }

    #[test]
    fn waits_are_skipped_after_a_timeout() {
        let mut window = BatchWindow::default();
        window.open(1, 1, 100);
        window.time_out();
        assert!(window.is_complete(1));
        for _ in 1..SKIPPED_WAITS {
            window.open(1, 1, 100);
            assert!(window.is_complete(1));
        }
        window.open(1, 1, 100);
        assert!(!window.is_complete(1));
    }
}
