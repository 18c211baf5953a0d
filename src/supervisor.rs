//! What a supervisor such as systemd is told: that the service is ready, and that it is stopping. `NOTIFY_SOCKET` names
//! the socket on which it listens; where nobody has set it, nothing is said. A word that does not arrive is no reason to
//! end: whoever waits for it has a timeout of his own.

use std::{net::SocketAddr, time::Duration};

use sd_notify::NotifyState;
use tracing::warn;

/// How much longer than it may drain the service may take to end.
const MARGIN: Duration = Duration::from_secs(5);

/// Both listeners are open, the main one at this address.
pub fn ready(addr: SocketAddr) {
    let status = format!("serving on {addr}");
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// Nothing new is taken any more; what was taken and the sockets that are open are done with within `grace`. Who has set
/// `server.shutdown_grace` need not know that the supervisor's own patience (`TimeoutStopSec`) may end before.
pub fn stopping(grace: Duration, sockets: usize) {
    let patience = u32::try_from((grace + MARGIN).as_micros()).unwrap_or(u32::MAX);
    let status = format!("draining: letting {sockets} sockets go");
    tell(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(patience),
        NotifyState::Status(&status),
    ]);
}

fn tell(news: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(news) {
        warn!(%error, "NOTIFY_SOCKET is set, but nobody listens there");
    }
}
