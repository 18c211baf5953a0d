//! The task that runs [`Namespace::connect`](crate::Namespace::connect) for one CONNECT.

use futures_util::{FutureExt, future::LocalBoxFuture};
use tokio::task::{JoinHandle, unconstrained};

use crate::{
    engineio::{CloseReason, SessionSocket},
    error::ConnectRefusal,
    handler::SocketHandler,
};

pub(super) type ConnectResult = Result<Box<dyn SocketHandler>, ConnectRefusal>;

/// A running call of `Namespace::connect`. Dropping it cancels the call.
pub(super) struct ConnectTask(JoinHandle<ConnectResult>);

/// Wakes the session when it is dropped, which is when the task returns, panics or is cancelled.
struct WakeOnDrop(SessionSocket);

impl ConnectTask {
    /// Runs `connect` on this thread and wakes `session` when it has ended.
    pub(super) fn spawn(
        connect: LocalBoxFuture<'static, ConnectResult>,
        session: SessionSocket,
    ) -> Self {
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
            Err(error) => {
                // The panic hook has logged the location and the message.
                tracing::warn!(%error, "namespace panicked during a CONNECT");
                Some(Err(ConnectRefusal::Close(CloseReason::Fault)))
            }
        }
    }
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
