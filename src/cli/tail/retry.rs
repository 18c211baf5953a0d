//! When a failed request is repeated.

use std::time::Duration;

use super::error::{Interrupt, TailError};

/// The first wait, which doubles with each failure.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait, unless the service asks for a longer one.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// The longest wait that the service can ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// How long a command that does not follow waits for the service altogether.
const LONGEST_OUTAGE: Duration = Duration::from_secs(30);

/// A wait before the next attempt.
#[derive(Debug)]
pub(super) struct RetryWait {
    pub delay: Duration,
    /// The message about the outage, once.
    pub notice: Option<String>,
}

/// Decides whether and when a failed request is repeated. A short interruption causes no message.
#[derive(Debug)]
pub(super) struct RetryPolicy {
    follow: bool,
    /// Whether the service has answered at all; before, a wrong address is more likely than an outage.
    has_answered: bool,
    failures: u32,
    waited: Duration,
}

impl RetryPolicy {
    pub(super) fn new(follow: bool) -> Self {
        Self {
            follow,
            has_answered: false,
            failures: 0,
            waited: Duration::ZERO,
        }
    }

    /// Returns the wait before the next attempt.
    ///
    /// # Errors
    /// The cause of the interrupt, when no further attempt is made.
    pub(super) fn after(&mut self, interrupt: Interrupt) -> Result<RetryWait, TailError> {
        let (cause, retry_after) = match interrupt {
            Interrupt::Permanent(error) => return Err(error),
            Interrupt::Temporary { cause, retry_after } => (cause, retry_after),
        };
        let is_unanswered = matches!(cause, TailError::Unanswered { .. });
        if (is_unanswered && !self.has_answered) || (!self.follow && self.waited >= LONGEST_OUTAGE)
        {
            return Err(cause);
        }
        self.has_answered = true;
        self.failures += 1;
        let doubled = FIRST_WAIT.saturating_mul(1 << (self.failures - 1).min(8));
        let delay = match retry_after {
            Some(requested) => requested.min(LONGEST_RETRY_AFTER),
            None => doubled.min(LONGEST_WAIT),
        };
        self.waited += delay;
        let notice = (self.failures == 2).then(|| format!("{cause}; trying again"));
        Ok(RetryWait { delay, notice })
    }

    /// Records that a page of the journal was read. It completes the attempt, unless a subscription follows.
    pub(super) fn record_page(&mut self) {
        self.has_answered = true;
        if !self.follow {
            self.succeed();
        }
    }

    /// Records a completed attempt. Returns the message about the end of the outage, if one was reported.
    pub(super) fn succeed(&mut self) -> Option<&'static str> {
        let was_reported = self.failures >= 2;
        self.has_answered = true;
        self.failures = 0;
        self.waited = Duration::ZERO;
        was_reported.then_some("the service answers again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unanswered() -> Interrupt {
        Interrupt::Temporary {
            cause: TailError::Unanswered {
                url: "http://host".to_owned(),
                source: ureq::Error::HostNotFound,
            },
            retry_after: None,
        }
    }

    #[test]
    fn service_that_never_answered_is_not_waited_for() {
        for follow in [false, true] {
            let error = RetryPolicy::new(follow).after(unanswered()).unwrap_err();
            assert!(matches!(error, TailError::Unanswered { .. }));
        }
    }

    #[test]
    fn follower_waits_without_end_and_reports_an_outage_once() {
        let mut retry = RetryPolicy::new(true);
        assert_eq!(retry.succeed(), None);
        let waits: Vec<_> = (0..9).map(|_| retry.after(unanswered()).unwrap()).collect();
        let delays = waits.iter().map(|wait| wait.delay.as_millis() as u64);
        assert_eq!(
            delays.collect::<Vec<_>>(),
            [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]
        );
        let notices: Vec<_> = waits.into_iter().filter_map(|wait| wait.notice).collect();
        assert_eq!(notices.len(), 1);
        assert!(notices[0].ends_with("trying again"), "{notices:?}");
        assert_eq!(retry.succeed(), Some("the service answers again"));
        let wait = retry.after(Interrupt::lost("cut")).unwrap();
        assert_eq!(
            (wait.delay, wait.notice),
            (Duration::from_millis(100), None)
        );
        assert_eq!(retry.succeed(), None);
        for _ in 0..100 {
            retry.after(unanswered()).unwrap();
        }
    }

    #[test]
    fn reader_of_the_journal_waits_as_long_as_the_service_asks_and_half_a_minute_at_most() {
        let mut retry = RetryPolicy::new(false);
        let limited = || Interrupt::Temporary {
            cause: TailError::Refused("RATE_LIMITED: slow down".to_owned()),
            retry_after: Some(Duration::from_secs(1)),
        };
        for _ in 0..30 {
            assert_eq!(
                retry.after(limited()).unwrap().delay,
                Duration::from_secs(1)
            );
        }
        let error = retry.after(limited()).unwrap_err().to_string();
        assert_eq!(error, "the service answers RATE_LIMITED: slow down");
        retry.record_page();
        assert!(retry.after(limited()).is_ok());
    }

    #[test]
    fn follower_that_can_read_but_not_subscribe_waits_longer_each_time() {
        let mut retry = RetryPolicy::new(true);
        for delay in [100, 200, 400] {
            retry.record_page();
            let wait = retry.after(unanswered()).unwrap();
            assert_eq!(wait.delay, Duration::from_millis(delay));
        }
    }

    #[test]
    fn permanent_refusal_is_not_repeated() {
        let mut retry = RetryPolicy::new(true);
        assert!(retry.after(TailError::AccessDenied.into()).is_err());
    }
}
