//! The context of the API's handlers: the service's parts that they call.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_web::{HttpRequest, web};

use crate::{
    access::{
        limits::Limits, origins::OriginPolicy, proxies::TrustedProxies, readiness::Readiness,
    },
    auth::Authenticator,
    contract::admission::{Admission, MutationGate, SourceAdmission},
    domain::{EventKind, Mutation, MutationAnswer, Principal, SourceId, UserId, VaultId},
    journal::Journal,
    vault::{VaultError, Vaults},
};

use super::error::{ApiError, access_denied};

/// The parts of the service that the handlers and middleware use.
#[derive(Clone)]
pub struct Api {
    /// Identifies the caller of a request.
    pub authenticator: Authenticator,
    /// Executes mutations.
    pub vaults: Vaults,
    /// Decides which origins may send requests.
    pub origins: OriginPolicy,
    /// The proxies whose forwarding headers are trusted.
    pub proxies: TrustedProxies,
    /// Limits the mutations and reads of each user.
    pub limits: Limits,
    /// The largest accepted body in bytes (`server.max_body`). A reload may change it.
    pub max_body: Arc<AtomicUsize>,
    /// Whether the service is draining.
    pub readiness: Readiness,
}

impl Api {
    /// Returns the context that the routes of this request were configured with.
    pub(super) fn from_request(request: &HttpRequest) -> web::Data<Self> {
        request
            .app_data::<web::Data<Self>>()
            .expect("routes are configured together with their Api")
            .clone()
    }

    pub(super) fn journal(&self) -> &Journal {
        self.vaults.journal()
    }

    pub(super) fn max_body(&self) -> usize {
        self.max_body.load(Ordering::Relaxed)
    }

    /// Checks that mutations are accepted, and counts one against the limit of the user.
    ///
    /// # Errors
    /// `UNAVAILABLE` while the service drains, or the exceeded limit.
    pub(super) fn check_mutation(&self, user: &UserId) -> Result<(), ApiError> {
        self.check_draining()?;
        Ok(self.limits.check_mutation(user)?)
    }

    fn check_draining(&self) -> Result<(), ApiError> {
        match self.readiness.is_draining() {
            true => Err(VaultError::Unavailable.into()),
            false => Ok(()),
        }
    }

    fn gate(&self) -> MutationGate<'_> {
        MutationGate {
            vaults: &self.vaults,
            limits: &self.limits,
        }
    }

    /// Checks that the caller is a member of the vault of a mutation. Handlers call this before they look at anything else
    /// in the request.
    ///
    /// # Errors
    /// `ACCESS_DENIED`, an exceeded limit, or `UNAVAILABLE` while the service drains.
    pub(super) async fn admit_to_vault(
        &self,
        by: &Principal,
        vault: &VaultId,
        kind: EventKind,
    ) -> Result<Admission, ApiError> {
        self.check_draining()?;
        Ok(self.gate().admit_to_vault(&by.id, vault, kind).await?)
    }

    /// Returns the parsed parameters of a read. A caller who is not a member does not learn what is wrong with them.
    ///
    /// # Errors
    /// The error of the parameters, or `ACCESS_DENIED`.
    pub(super) async fn for_member<T>(
        &self,
        user: &UserId,
        vault: &VaultId,
        parameters: Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        match parameters {
            Err(_) if !self.vaults.is_member(vault, user).await? => Err(access_denied()),
            parameters => parameters,
        }
    }

    /// Checks that the caller is a member of the vault of a source. Handlers call this first.
    ///
    /// # Errors
    /// `NOT_FOUND`, an exceeded limit, or `UNAVAILABLE` while the service drains.
    pub(super) async fn admit_to_source(
        &self,
        by: &Principal,
        source: &SourceId,
        kind: EventKind,
    ) -> Result<SourceAdmission, ApiError> {
        self.check_draining()?;
        Ok(self.gate().admit_to_source(&by.id, source, kind).await?)
    }

    /// Submits an admitted mutation to its vault and awaits the answer.
    ///
    /// # Errors
    /// The limit that is exceeded, the refusal of the vault or its failure.
    pub(super) async fn submit(
        &self,
        vault: &VaultId,
        mutation: Mutation,
        admission: Admission,
    ) -> Result<MutationAnswer, ApiError> {
        self.gate().count(&mutation.by.id, admission)?;
        Ok(self.vaults.open(vault).submit(mutation).await?)
    }
}
