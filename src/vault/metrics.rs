//! The metrics of vaults.

use prometheus::{Histogram, IntCounter, IntCounterVec};

use crate::{
    domain::{Mutation, Refusal},
    telemetry::metrics::{
        MailboxFamilies, MailboxMetrics, MetricsRegistry, SECONDS, counter, counters, histogram,
    },
};

use super::error::{MutationResult, VaultError};

/// The label of the creation of a vault, which has no event.
pub(super) const VAULT_CREATED: &str = "vault_created";

/// The counters and histograms of vaults. Clones share them.
#[derive(Clone, Debug)]
pub struct VaultMetrics {
    mutations: IntCounterVec,
    pub(super) mutation_seconds: Histogram,
    pub(super) busy: IntCounter,
    pub(super) opened: IntCounter,
    pub(super) retired: IntCounter,
    pub(super) unloaded_early: IntCounter,
    pub(super) panicked: IntCounter,
    pub(super) fell_behind: IntCounter,
    pub(super) remote_events: IntCounter,
    pub(super) mailbox: MailboxMetrics,
}

impl VaultMetrics {
    /// Creates the metrics and registers them.
    pub fn register(registry: &MetricsRegistry, mailboxes: &MailboxFamilies) -> Self {
        let metrics = Self {
            mailbox: mailboxes.for_actor("vault"),
            ..Self::default()
        };
        registry.register(metrics.mutations.clone());
        registry.register(metrics.mutation_seconds.clone());
        registry.register(metrics.busy.clone());
        registry.register(metrics.opened.clone());
        registry.register(metrics.retired.clone());
        registry.register(metrics.unloaded_early.clone());
        registry.register(metrics.panicked.clone());
        registry.register(metrics.fell_behind.clone());
        registry.register(metrics.remote_events.clone());
        metrics
    }

    /// Counts a mutation that was not queued.
    pub(super) fn record_rejected(&self, mutation: &Mutation, error: &VaultError) {
        let kind = mutation.command.event_kind().metric_label();
        self.record_result(kind, &Err(error.clone()));
    }

    /// Counts the result of a mutation.
    pub(super) fn record_result(&self, kind: &str, result: &MutationResult) {
        let outcome = result.as_ref().map_or_else(error_label, |_| "committed");
        self.mutations.with_label_values(&[kind, outcome]).inc();
    }
}

impl Default for VaultMetrics {
    fn default() -> Self {
        Self {
            mutations: counters(
                "mutations_total",
                "Mutations by kind and outcome.",
                &["kind", "outcome"],
            ),
            mutation_seconds: histogram(
                "mutation_seconds",
                "Time from queueing a mutation to its answer.",
                SECONDS,
            ),
            busy: counter(
                "vault_busy_total",
                "Mutations refused with VAULT_BUSY because the vault's queue was full (actors.vault_mailbox).",
            ),
            opened: counter("vaults_opened_total", "Vault actors started."),
            retired: counter(
                "vaults_retired_total",
                "Vault actors that ended because they were idle (actors.vault_idle) or found no vault.",
            ),
            unloaded_early: counter(
                "vaults_unloaded_early_total",
                "Vaults without subscribers that were unloaded because all vaults held too much memory (actors.vault_memory).",
            ),
            panicked: counter(
                "vault_actor_panics_total",
                "Vault actors that panicked, a fault of the service. The next request starts a new actor, which loads the vault from the journal.",
            ),
            fell_behind: counter(
                "relay_fell_behind_total",
                "Number of times that a relay had no room for an event of a vault (actors.relay_mailbox) and resumed later.",
            ),
            remote_events: counter(
                "remote_events_total",
                "Events read because of a hint or a sweep, mostly those of other nodes.",
            ),
            mailbox: MailboxMetrics::default(),
        }
    }
}

fn error_label(error: &VaultError) -> &'static str {
    match error {
        VaultError::Refused(refusal) => match refusal {
            Refusal::AccessDenied => "access_denied",
            Refusal::InsufficientPermissions => "insufficient_permissions",
            Refusal::NotFound(_) => "not_found",
            Refusal::Conflict(_) => "conflict",
            Refusal::LastOwner => "last_owner",
            Refusal::PreconditionFailed => "precondition_failed",
            Refusal::IdempotencyMismatch => "idempotency_mismatch",
        },
        VaultError::Busy => "vault_busy",
        VaultError::Unavailable => "unavailable",
        VaultError::Unknown => "unknown",
        VaultError::Fault => "internal",
    }
}
