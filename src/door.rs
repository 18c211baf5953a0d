//! Who comes in: which connections are accepted and how, and which requests may open a socket's session.

use std::{any::Any, time::Duration};

use actix_web::rt::net::TcpStream;
use tracing::warn;

use crate::{
    api::ApiError,
    engineio::{OpenRequest, Pass},
    limits::Limits,
    proxies::Proxies,
    readiness::Readiness,
    seldom::Seldom,
    vault::VaultError,
};

/// What fails for one connection fails for the next.
static FAILURES: Seldom = Seldom::new();

/// Who may open a session.
#[derive(Clone)]
pub struct Door {
    pub readiness: Readiness,
    pub limits: Limits,
    pub proxies: Proxies,
}

impl Door {
    /// Nobody while the service drains, and not more than there may be.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `LIMIT_EXCEEDED`.
    pub fn admit(&self, request: &OpenRequest) -> Result<Pass, actix_web::Error> {
        if self.readiness.is_draining() {
            return Err(ApiError::from(VaultError::Unavailable).into());
        }
        let peer = request.peer.map(|peer| peer.ip());
        let client = peer.map(|peer| self.proxies.client(peer, &request.headers()));
        let places = self.limits.socket(client).map_err(ApiError::from)?;
        Ok(Box::new(places))
    }
}

/// Has the kernel end the connection of a peer that has read nothing for a while: nothing else does.
pub fn give_up_unread(connection: &dyn Any, after: Duration) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>() {
        let socket = socket2::SockRef::from(stream);
        if let Err(error) = socket.set_tcp_user_timeout(Some(after))
            && let Some(unsaid) = FAILURES.now()
        {
            warn!(%error, unsaid, "TCP_USER_TIMEOUT could not be set");
        }
    }
}
