//! All vaults of this node.

use std::sync::Arc;

use actix::ArbiterHandle;

use crate::{
    domain::{Epoch, EventKind, MutationAnswer, Refusal, UserId, VaultHead, VaultId},
    journal::{Journal, JournalError, MutationError, NewVault, report},
};

use super::{
    directory::Directory,
    error::VaultError,
    handle::VaultHandle,
    head_listener::HeadListener,
    history_listener::HistoryListener,
    members_snapshot::KnownMembership,
    memory_check,
    metrics::{VAULT_CREATED, VaultMetrics},
    options::VaultOptions,
    stats::{VaultStats, VaultTotals},
};

/// All vaults of this node. Cheap to clone; requires a running actix system.
#[derive(Clone)]
pub struct Vaults(Arc<Directory>);

impl Vaults {
    /// Returns the vaults of a journal and starts their threads.
    pub fn new(journal: Journal, options: VaultOptions, metrics: VaultMetrics) -> Self {
        let directory = Directory::new(journal, options, metrics);
        memory_check::start(&directory);
        Self(directory)
    }

    /// Returns a handle to the vault with this id, whether it exists or not. A vault that does not exist answers like
    /// one of which the caller is not a member.
    pub fn open(&self, id: &VaultId) -> VaultHandle {
        VaultHandle::new(id.clone(), self.0.clone())
    }

    /// Returns whether this node knows without a query that the user is a member. `false` does not mean that the user is
    /// none.
    pub fn is_known_member(&self, id: &VaultId, user: &UserId) -> bool {
        self.0.known_membership(id, user) == KnownMembership::Member
    }

    /// Returns whether a user is a member of a vault. Takes no slot of the vault's queue, and starts no actor. Reads the
    /// database only if the answer is not known in memory.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_member(&self, id: &VaultId, user: &UserId) -> Result<bool, JournalError> {
        match self.0.known_membership(id, user) {
            KnownMembership::Member => Ok(true),
            KnownMembership::NotMember => Ok(false),
            KnownMembership::Unknown => self.journal().is_member(id, user).await,
        }
    }

    /// Counts a mutation that was refused before it reached its vault.
    pub fn record_refusal(&self, kind: EventKind, refusal: Refusal) {
        let result = Err(refusal.into());
        self.0.metrics().record_result(kind.metric_label(), &result);
    }

    /// Creates a vault with the head 0.
    ///
    /// # Errors
    /// When its idempotency key was used for another request, or the database does not answer.
    pub async fn create(&self, new: NewVault) -> Result<MutationAnswer, VaultError> {
        if self.0.is_draining() {
            return Err(VaultError::Unavailable);
        }
        let created = self.journal().create_vault(new).await;
        let created = created.map_err(|error| {
            if let MutationError::Failed(error) = &error {
                report!(error, "vault could not be created");
            }
            error.into()
        });
        self.0.metrics().record_result(VAULT_CREATED, &created);
        created
    }

    /// Changes the bounds of all vaults. Mutations that are already queued keep their slots, and the number of threads
    /// stays the same.
    pub fn reconfigure(&self, options: VaultOptions) {
        self.0.reconfigure(options);
    }

    /// Returns how many mutations may wait for one vault.
    pub fn queue_capacity(&self) -> usize {
        self.0.queue_capacity()
    }

    /// Returns the memory that the events and members of all loaded vaults take, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.0.held_bytes()
    }

    /// Returns the totals over all loaded vaults.
    pub fn totals(&self) -> VaultTotals {
        self.0.totals()
    }

    /// Returns the statistics of each loaded vault, in no particular order.
    pub fn stats(&self) -> Vec<VaultStats> {
        self.0.stats()
    }

    /// Sets the receiver of the heads that commits of this node move. It can be set once.
    pub fn set_head_listener(&self, listener: Arc<dyn HeadListener>) {
        self.0.set_head_listener(listener);
    }

    /// Returns the vaults that have subscribers on this node, in no particular order, with the heads that these have reached.
    pub fn subscribed(&self) -> Vec<VaultHead> {
        self.0.subscribed()
    }

    /// Reports that the journal of a vault has reached this head, by a commit of another node or by one whose outcome was
    /// unknown here. A vault that is loaded and has subscribers reads and publishes the missed events.
    pub fn remote_head(&self, journal: &VaultHead) {
        self.0.remote_head(journal);
    }

    /// Reports that the journal of a vault had a lower head than the vault. The vault compares them again, and loads its journal
    /// again if that is so.
    pub fn head_went_back(&self, id: &VaultId) {
        self.0.head_went_back(id);
    }

    /// Works with another epoch from now on, because the database has one. All vaults are loaded again, and every live
    /// subscription ends.
    pub fn replace_epoch(&self, epoch: Epoch) {
        self.0.replace_epoch(epoch);
    }

    /// Sets the receiver of the report that positions of clients are unknown. It can be set once.
    pub fn set_history_listener(&self, listener: Arc<dyn HistoryListener>) {
        self.0.set_history_listener(listener);
    }

    /// Returns whether a vault is loaded and has not reached this head of its journal.
    pub fn is_behind(&self, journal: &VaultHead) -> bool {
        self.0.is_behind(journal)
    }

    /// Returns the threads of the vault actors. [`VaultStats::arbiter`] is an index into them.
    pub fn threads(&self) -> &[ArbiterHandle] {
        self.0.threads()
    }

    /// Refuses new mutations, and returns when all queued ones are answered.
    pub async fn drain(&self) {
        self.0.drain().await;
    }

    /// Returns the journal, for reads.
    pub fn journal(&self) -> &Journal {
        self.0.journal()
    }
}
