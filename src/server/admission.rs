//! Admission of Engine.IO handshakes: refused while the service drains, and above the limits of sockets. Of an admitted
//! request, the session keeps only the credentials.

use std::sync::Arc;

use crate::{
    access::{limits::Limits, proxies::TrustedProxies, readiness::Readiness},
    api::ApiError,
    auth::credential_part,
    config::CookieName,
    vault::VaultError,
};
use actix_socketio::engineio::{OpenRequest, SessionPermit};

/// Decides which handshakes are admitted.
#[derive(Clone)]
pub struct HandshakeAdmission {
    pub readiness: Readiness,
    pub limits: Limits,
    pub proxies: TrustedProxies,
    /// The names of the session cookie.
    pub cookies: Arc<[CookieName]>,
}

impl HandshakeAdmission {
    /// Admits a handshake and returns its permit, which the session holds until it ends.
    ///
    /// # Errors
    /// `UNAVAILABLE`, `LIMIT_EXCEEDED`.
    pub fn admit(&self, request: &OpenRequest) -> Result<SessionPermit, actix_web::Error> {
        if self.readiness.is_draining() {
            return Err(ApiError::from(VaultError::Unavailable).into());
        }
        let peer = request.peer.map(|peer| peer.ip());
        let client = peer.map(|peer| match self.proxies.trusts(peer) {
            true => self.proxies.client_address(peer, &request.headers()),
            false => peer,
        });
        let permit = self.limits.acquire_socket(client).map_err(ApiError::from)?;
        Ok(Box::new(permit))
    }

    /// Removes everything but the credentials from an admitted request: a session keeps it before its client is
    /// authenticated.
    pub fn trim(&self, request: &mut OpenRequest) {
        request.query = Box::default();
        request.retain_headers(|name, value| credential_part(name, value, &self.cookies));
    }
}
