//! Admits mutations: membership first, then the rate of the user.
//!
//! A caller who is not a member must not learn whether a vault exists. So membership is checked before the queue, the actor
//! and the rate. The cost of a check must not depend on the vault either: each check counts as one mutation and, above that
//! rate, as one read.

use crate::{
    access::limits::{Limits, RateLimited},
    domain::{EventKind, Refusal, SourceId, UserId, VaultId},
    journal::{JournalError, report},
    vault::Vaults,
};

use super::problem::Problem;

/// Admits mutations that arrive over HTTP or a socket.
#[derive(Clone, Copy)]
pub struct MutationGate<'a> {
    pub vaults: &'a Vaults,
    pub limits: &'a Limits,
}

/// The proof that a caller is a member of the vault of a mutation.
#[derive(Debug)]
#[must_use]
pub struct Admission(MutationRate);

/// Whether a mutation was counted against the rate of its user.
#[derive(Debug)]
enum MutationRate {
    Counted,
    Uncounted,
}

/// An admitted mutation of a source.
#[derive(Debug)]
pub struct SourceAdmission {
    /// The vault of the source.
    pub vault: VaultId,
    pub admission: Admission,
}

impl MutationGate<'_> {
    /// Admits a mutation of a vault if that needs no query.
    pub fn admit_known_member(&self, user: &UserId, vault: &VaultId) -> Option<Admission> {
        let is_member = self.vaults.is_known_member(vault, user);
        is_member.then_some(Admission(MutationRate::Uncounted))
    }

    /// Admits a mutation of a vault. `kind` is the event that it would become.
    ///
    /// # Errors
    /// `ACCESS_DENIED` if the user is not a member; an exceeded rate, or a failure of the database.
    pub async fn admit_to_vault(
        &self,
        user: &UserId,
        vault: &VaultId,
        kind: EventKind,
    ) -> Result<Admission, Problem> {
        if let Some(admission) = self.admit_known_member(user, vault) {
            return Ok(admission);
        }
        let rate = self.count_check(user)?;
        let is_member = self.vaults.is_member(vault, user).await;
        if !is_member.map_err(|error| failed(error, user))? {
            return Err(self.refuse(kind, Refusal::AccessDenied));
        }
        self.check(rate, user)?;
        Ok(Admission(MutationRate::Counted))
    }

    /// Admits a mutation of a source. `kind` is the event that it would become.
    ///
    /// # Errors
    /// `NOT_FOUND` if there is no such source, or if the user is not a member of its vault; an exceeded rate, or a failure
    /// of the database.
    pub async fn admit_to_source(
        &self,
        user: &UserId,
        source: &SourceId,
        kind: EventKind,
    ) -> Result<SourceAdmission, Problem> {
        let rate = self.count_check(user)?;
        let vault = self.vaults.journal().vault_of_source(source, user).await;
        let vault = vault.map_err(|error| failed(error, user))?;
        let vault = vault.ok_or_else(|| self.refuse(kind, Refusal::NotFound("Source")))?;
        self.check(rate, user)?;
        Ok(SourceAdmission {
            vault,
            admission: Admission(MutationRate::Counted),
        })
    }

    /// Counts an admitted mutation against the rate of its user, unless it was counted already.
    ///
    /// # Errors
    /// The exceeded rate.
    pub fn count(&self, user: &UserId, Admission(rate): Admission) -> Result<(), RateLimited> {
        match rate {
            MutationRate::Counted => Ok(()),
            MutationRate::Uncounted => self.limits.check_mutation(user),
        }
    }

    /// Counts a refused mutation in the metrics and returns its problem.
    fn refuse(&self, kind: EventKind, refusal: Refusal) -> Problem {
        self.vaults.record_refusal(kind, refusal.clone());
        refusal.into()
    }

    /// Counts a membership check. Returns the refusal of the mutation rate, which is for members only. A check above
    /// that rate counts as a read, so that the queries of a user who is not a member are bounded.
    ///
    /// # Errors
    /// The exceeded read rate.
    fn count_check(&self, user: &UserId) -> Result<Result<(), RateLimited>, RateLimited> {
        let rate = self.limits.try_mutation(user);
        if rate.is_err() {
            self.limits.check_read(user)?;
        }
        Ok(rate)
    }

    /// Returns the refusal of a member over the mutation rate, and counts it in the metrics.
    fn check(&self, rate: Result<(), RateLimited>, user: &UserId) -> Result<(), RateLimited> {
        rate.map_err(|refusal| self.limits.count_refusal(refusal, user))
    }
}

fn failed(error: JournalError, user: &UserId) -> Problem {
    report!(error, user.id = %user, "membership could not be looked up");
    error.into()
}
