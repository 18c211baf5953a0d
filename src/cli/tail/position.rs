//! The position in the journal: which event comes next, and whether the journal is still the one that was printed.

use super::error::{Interrupt, TailError, first_kept};
use crate::domain::Seq;

/// What an event is to the position.
#[derive(Debug, PartialEq)]
pub(super) enum Arrival {
    /// The event after the last one.
    Next,
    /// An event that was passed before.
    Repeated,
    /// A later event: at least one is missing.
    Gap,
}

/// The last event that was printed, or after which printing starts.
#[derive(Debug)]
pub(super) struct TailPosition {
    since: Seq,
    /// Whether nothing requires that the next event is the one after `since`.
    may_skip: bool,
    /// The epoch of the journal; `None` before its first page.
    epoch: Option<String>,
}

impl TailPosition {
    /// Creates the position after the event `since`, or before the first kept event.
    pub(super) fn new(since: Option<Seq>) -> Self {
        Self {
            since: since.unwrap_or(Seq::ZERO),
            may_skip: since.is_none(),
            epoch: None,
        }
    }

    /// Returns the event after which the next one comes.
    pub(super) fn since(&self) -> Seq {
        self.since
    }

    /// Returns the epoch of the journal, if a page of it was read.
    pub(super) fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// Compares the position with a page of the journal, which carries the head and the epoch.
    ///
    /// # Errors
    /// When the journal is another one, or is shorter, than the journal that was printed.
    pub(super) fn check(&mut self, head: Seq, epoch: &str) -> Result<(), TailError> {
        let last = self.since;
        if self.epoch.as_deref().is_some_and(|known| known != epoch) {
            return Err(TailError::EpochChanged { last });
        }
        if last > head {
            return Err(TailError::BeyondHead { since: last, head });
        }
        self.epoch = Some(epoch.to_owned());
        Ok(())
    }

    /// Moves to an event if it comes next.
    pub(super) fn advance(&mut self, seq: Seq) -> Arrival {
        if seq <= self.since {
            Arrival::Repeated
        } else if seq == self.since.next() {
            self.since = seq;
            self.may_skip = false;
            Arrival::Next
        } else {
            Arrival::Gap
        }
    }

    /// Moves behind events that were trimmed, and returns the message about them.
    ///
    /// # Errors
    /// When these events were requested, or when an event before them was printed.
    pub(super) fn skip_trimmed(&mut self, kept_since: Option<Seq>) -> Result<String, TailError> {
        match kept_since {
            Some(kept) if self.may_skip && kept > self.since => {
                self.since = kept;
                Ok(format!(
                    "older events are no longer kept: {}",
                    first_kept(kept_since)
                ))
            }
            _ => Err(TailError::Trimmed {
                since: self.since,
                kept_since,
            }),
        }
    }

    /// Names the cause of a refusal more precisely: a user who read a page was a member with a valid token.
    pub(super) fn explain(&self, interrupt: Interrupt) -> Interrupt {
        match interrupt {
            Interrupt::Permanent(TailError::Unauthorized) if self.epoch.is_some() => {
                TailError::TokenExpired { last: self.since }.into()
            }
            Interrupt::Permanent(TailError::AccessDenied) if self.epoch.is_some() => {
                TailError::AccessLost.into()
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(since: u64) -> TailPosition {
        let mut position = TailPosition::new(Some(Seq(since)));
        position.check(Seq(since), "e1").unwrap();
        position
    }

    #[test]
    fn only_the_next_event_is_printed() {
        let mut position = started(3);
        assert_eq!(position.advance(Seq(3)), Arrival::Repeated);
        assert_eq!(position.advance(Seq(5)), Arrival::Gap);
        assert_eq!(position.advance(Seq(4)), Arrival::Next);
        assert_eq!(position.advance(Seq(4)), Arrival::Repeated);
        assert_eq!(position.advance(Seq(5)), Arrival::Next);
        assert_eq!(position.since(), Seq(5));
    }

    #[test]
    fn trimmed_events_are_skipped_only_if_none_was_requested_or_printed() {
        let kept = Some(Seq(7));
        let mut position = TailPosition::new(None);
        let notice = position.skip_trimmed(kept).unwrap();
        assert_eq!(
            notice,
            "older events are no longer kept: the journal begins with event 8"
        );
        assert_eq!(position.since(), Seq(7));
        assert!(position.skip_trimmed(kept).is_err(), "an endless loop");
        // The journal was trimmed again before its first page was read.
        position.skip_trimmed(Some(Seq(9))).unwrap();
        assert_eq!(position.advance(Seq(10)), Arrival::Next);
        assert!(position.skip_trimmed(Some(Seq(12))).is_err());

        let error = started(3).skip_trimmed(kept).unwrap_err().to_string();
        assert_eq!(
            error,
            "the events after 3 are no longer kept: the journal begins with event 8"
        );
        assert!(TailPosition::new(None).skip_trimmed(None).is_err());
    }

    #[test]
    fn another_epoch_or_a_shorter_journal_ends_the_command() {
        let mut position = started(3);
        position.check(Seq(9), "e1").unwrap();
        let error = position.check(Seq(9), "e2").unwrap_err();
        assert!(matches!(error, TailError::EpochChanged { last: Seq(3) }));
        let error = position.check(Seq(2), "e1").unwrap_err();
        assert!(matches!(error, TailError::BeyondHead { head: Seq(2), .. }));
        let mut new = TailPosition::new(Some(Seq(3)));
        assert!(new.check(Seq(2), "e1").is_err());
    }

    #[test]
    fn refusal_after_the_first_page_names_the_loss() {
        let refused = |position: &TailPosition, error: TailError| {
            let Interrupt::Permanent(error) = position.explain(error.into()) else {
                panic!("a refusal became temporary");
            };
            error
        };
        let new = TailPosition::new(None);
        assert!(matches!(
            refused(&new, TailError::Unauthorized),
            TailError::Unauthorized
        ));
        assert!(matches!(
            refused(&new, TailError::AccessDenied),
            TailError::AccessDenied
        ));
        let old = started(3);
        assert!(matches!(
            refused(&old, TailError::Unauthorized),
            TailError::TokenExpired { last: Seq(3) }
        ));
        assert!(matches!(
            refused(&old, TailError::AccessDenied),
            TailError::AccessLost
        ));
    }
}
