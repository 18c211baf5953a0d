//! Who comes in: which requests may open a socket's session.

use crate::{
    api::ApiError,
    engineio::{OpenRequest, Pass},
    limits::Limits,
    proxies::Proxies,
    readiness::Readiness,
    vault::VaultError,
};

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
