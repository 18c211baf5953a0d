//! Background tasks that end with their owner.

use tokio::task::JoinHandle;

/// A task of the current worker thread. Dropping it aborts the task.
pub(super) struct ScopedTask(JoinHandle<()>);

impl ScopedTask {
    /// Spawns a task on the current worker thread.
    pub(super) fn spawn(task: impl Future<Output = ()> + 'static) -> Self {
        Self(actix::spawn(task))
    }
}

impl Drop for ScopedTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
