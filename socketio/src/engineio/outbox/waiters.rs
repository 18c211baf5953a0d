//! Tasks that wait until an outbox has room.

use futures_util::FutureExt;
use tokio::sync::oneshot;

/// The tasks that wait for room in one outbox.
#[derive(Default)]
pub(super) struct CapacityWaiters(Vec<CapacityWaiter>);

/// A task that waits until the outbox holds at most `max_frames`.
struct CapacityWaiter {
    max_frames: usize,
    notify: oneshot::Sender<()>,
}

impl CapacityWaiters {
    /// Adds a waiter. The future completes at a notification, and when the outbox is dropped.
    pub(super) fn add(&mut self, max_frames: usize) -> impl Future<Output = ()> + use<> {
        let (notify, notified) = oneshot::channel();
        // Cancelled waiters must not accumulate.
        self.0.retain(|waiter| !waiter.notify.is_closed());
        self.0.push(CapacityWaiter { max_frames, notify });
        notified.map(|_notified_or_dropped| ())
    }

    /// Notifies the waiters for which `frames` are few enough.
    pub(super) fn notify(&mut self, frames: usize) {
        self.notify_if(|waiter| frames <= waiter.max_frames);
    }

    /// Notifies all waiters.
    pub(super) fn notify_all(&mut self) {
        self.notify_if(|_| true);
    }

    fn notify_if(&mut self, is_ready: impl Fn(&CapacityWaiter) -> bool) {
        if self.0.is_empty() {
            return;
        }
        for waiter in self.0.extract_if(.., |waiter| is_ready(waiter)) {
            let _cancelled = waiter.notify.send(());
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
