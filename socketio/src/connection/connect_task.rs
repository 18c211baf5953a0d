//! Runs [`Namespace::connect`](crate::Namespace::connect) for one CONNECT.

use std::{
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind},
};

use futures_util::{FutureExt, future::LocalBoxFuture};
use tokio::task::{JoinHandle, unconstrained};

use crate::{
    engineio::{CloseReason, SessionSocket},
    error::ConnectRefusal,
    handler::SocketHandler,
};

pub(super) type ConnectResult = Result<Box<dyn SocketHandler>, ConnectRefusal>;

/// A call of `Namespace::connect` that has begun.
pub(super) enum ConnectCall {
    /// The namespace has decided without waiting.
    Ended(ConnectResult),
    Waiting(ConnectTask),
}

/// A call of `Namespace::connect` that waits. Dropping it cancels the call.
pub(super) struct ConnectTask(JoinHandle<ConnectResult>);

/// Wakes the session when it is dropped, which is when the task returns, panics or is cancelled.
struct WakeOnDrop(SessionSocket);

impl ConnectCall {
    /// Begins to run `connect` on this thread. If it has to wait, a task continues with it and wakes `session` when it has ended.
    ///
    /// Most namespaces know at once whether a client may connect, and a task for each CONNECT costs more than the rest of the call.
    pub(super) fn start(
        mut connect: LocalBoxFuture<'static, ConnectResult>,
        session: &SessionSocket,
    ) -> Self {
        match catch_unwind(AssertUnwindSafe(|| (&mut connect).now_or_never())) {
            Ok(Some(result)) => Self::Ended(result),
            Ok(None) => Self::Waiting(ConnectTask::spawn(connect, session.clone())),
            Err(_) => Self::Ended(Err(panicked("panic"))),
        }
    }
}

impl ConnectTask {
    /// Runs `connect` on this thread and wakes `session` when it has ended.
    fn spawn(connect: LocalBoxFuture<'static, ConnectResult>, session: SessionSocket) -> Self {
        let wake = WakeOnDrop(session);
        Self(actix_web::rt::spawn(async move {
            let _wake = wake;
            connect.await
        }))
    }

    /// Returns the result once the task has ended. After a panic, the result is a refusal that closes the session.
    pub(super) fn result(&mut self) -> Option<ConnectResult> {
        if !self.0.is_finished() {
            return None;
        }
        // A finished task is ready at once, but tokio reports it as pending when the task budget is spent.
        match unconstrained(&mut self.0).now_or_never()? {
            Ok(result) => Some(result),
            Err(error) => Some(Err(panicked(&error))),
        }
    }
}

/// Logs that a namespace has panicked, and returns the refusal that closes the session.
fn panicked(error: &(impl Display + ?Sized)) -> ConnectRefusal {
    // The panic hook has logged the location and the message.
    tracing::warn!(%error, "namespace panicked during a CONNECT");
    ConnectRefusal::Close(CloseReason::Fault)
}

impl Drop for ConnectTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}
