//! Ties the lifetime of a task to a guard: dropping the guard cancels the task's work, on whatever thread it runs.
//!
//! A session holds one guard for each task that waits for its client: the websocket reader, a websocket that requests an
//! upgrade, the request that posts packets. None of these tasks outlives the session.

use std::{convert::Infallible, future::poll_fn, pin::Pin, task::Poll};

use tokio::sync::oneshot;

/// Cancels the work of a [`GuardedTask`] when dropped.
pub(super) struct TaskGuard(oneshot::Sender<Infallible>);

/// The task's side of a [`TaskGuard`].
pub(super) struct GuardedTask(oneshot::Receiver<Infallible>);

/// Creates a guard and the task's side of it.
pub(super) fn task_guard() -> (TaskGuard, GuardedTask) {
    let (guard, task) = oneshot::channel();
    (TaskGuard(guard), GuardedTask(task))
}

impl TaskGuard {
    /// Returns whether the task still exists.
    pub(super) fn is_attached(&self) -> bool {
        !self.0.is_closed()
    }
}

impl GuardedTask {
    /// Returns the output of `work`, or `None` if the guard was dropped first. The caller owns the work, because a future that
    /// was moved into another one would take its memory twice.
    pub(super) async fn run<T>(
        &mut self,
        mut work: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Pin::new(&mut self.0).poll(cx).map(|_guard_dropped| None),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, pin::pin};

    use super::*;

    #[actix_web::test]
    async fn dropping_the_guard_cancels_the_work() {
        let (guard, mut task) = task_guard();
        assert_eq!(task.run(pin!(async { 7 })).await, Some(7));
        assert!(guard.is_attached());
        drop(guard);
        assert_eq!(task.run(pin!(pending::<()>())).await, None);
    }

    #[test]
    fn guard_detects_that_its_task_ended() {
        let (guard, task) = task_guard();
        drop(task);
        assert!(!guard.is_attached());
    }
}
