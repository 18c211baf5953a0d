//! Closes a socket whose task has panicked. Otherwise its client would answer pings but receive nothing from the task.

use actix_socketio::{Socket, engineio::CloseReason};

/// Closes the transport of a socket if a panic drops the guard. The client reconnects.
pub(super) struct PanicGuard(Socket);

impl PanicGuard {
    pub(super) fn new(socket: &Socket) -> Self {
        Self(socket.clone())
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.close(CloseReason::Fault);
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_socketio::engineio::{EngineConfig, SessionSocket};

    use super::*;

    #[actix::test]
    async fn a_panic_of_a_task_closes_its_socket_and_its_normal_end_does_not() {
        let socket = Socket::connected("/", SessionSocket::detached(EngineConfig::default()));
        let guard = PanicGuard::new(&socket);
        actix::spawn(async move { drop(guard) }).await.unwrap();
        assert!(socket.is_connected());
        let guard = PanicGuard::new(&socket);
        let task = actix::spawn(async move {
            let _guard = guard;
            panic!("this task panics on purpose");
        });
        assert!(task.await.unwrap_err().is_panic());
        assert!(!socket.is_connected());
    }
}
