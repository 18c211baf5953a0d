//! Notifies systemd, or another supervisor with the same protocol, that the service is ready and that it is stopping.
//!
//! The supervisor names its socket in `NOTIFY_SOCKET`. Without it nothing is sent. A notification that fails is logged; the
//! supervisor has its own timeout.

use std::{net::SocketAddr, time::Duration};

use sd_notify::NotifyState;
use tracing::warn;

/// Time that the process may take beyond `server.shutdown_grace` before the supervisor kills it.
const MARGIN: Duration = Duration::from_secs(5);

/// Notifies that both listeners are open; the main one is bound to `addr`.
pub fn ready(addr: SocketAddr) {
    let status = format!("serving on {addr}");
    notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Notifies that the service drains and ends within `grace`. The supervisor's own `TimeoutStopSec` may be shorter, so it is
/// extended.
pub fn stopping(grace: Duration, sockets: usize) {
    let timeout = u32::try_from((grace + MARGIN).as_micros()).unwrap_or(u32::MAX);
    let status = format!("draining: closing {sockets} sockets");
    notify(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(timeout),
        NotifyState::Status(&status),
    ]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "NOTIFY_SOCKET is set, but the notification failed");
    }
}
