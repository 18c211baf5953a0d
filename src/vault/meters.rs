//! What is counted of vaults.

use prometheus::{Histogram, IntCounter, IntCounterVec};

use crate::{
    domain::{Answer, Command, Mutation, Refusal},
    metrics::{Mailbox, Mailboxes, Metrics, SECONDS, counter, counters, histogram},
};

use super::{Totals, VaultError, Vaults};

/// What is counted of vaults. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Meters {
    mutations: IntCounterVec,
    pub(super) mutation_seconds: Histogram,
    pub(super) busy: IntCounter,
    pub(super) opened: IntCounter,
    pub(super) retired: IntCounter,
    /// Actors that ended by a panic.
    pub(super) panicked: IntCounter,
    /// Sinks that had no room for an event.
    pub(super) fell_behind: IntCounter,
    pub(super) mailbox: Mailbox,
}

impl Meters {
    /// Registers them.
    pub fn register(metrics: &Metrics, mailboxes: &Mailboxes) -> Self {
        let meters = Self {
            mailbox: mailboxes.of("vault"),
            ..Self::default()
        };
        metrics.add(meters.mutations.clone());
        metrics.add(meters.mutation_seconds.clone());
        metrics.add(meters.busy.clone());
        metrics.add(meters.opened.clone());
        metrics.add(meters.retired.clone());
        metrics.add(meters.panicked.clone());
        metrics.add(meters.fell_behind.clone());
        meters
    }

    /// A mutation got no place in its vault's queue.
    pub(super) fn refused(&self, mutation: &Mutation, error: &VaultError) {
        self.mutation(kind_of(&mutation.command), &Err(error.clone()));
    }

    /// What became of a mutation.
    pub(super) fn mutation(&self, kind: &str, outcome: &Result<Answer, VaultError>) {
        let outcome = outcome.as_ref().map_or_else(outcome_of, |_| "committed");
        self.mutations.with_label_values(&[kind, outcome]).inc();
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            mutations: counters(
                "mutations_total",
                "Mutations by kind and by what became of them.",
                &["kind", "outcome"],
            ),
            mutation_seconds: histogram(
                "mutation_seconds",
                "From when a mutation took its place in its vault's queue to its answer.",
                SECONDS,
            ),
            busy: counter(
                "vault_busy_total",
                "Mutations that found their vault's queue full (actors.vault_mailbox): VAULT_BUSY.",
            ),
            opened: counter("vaults_opened_total", "Vault actors that were started."),
            retired: counter(
                "vaults_retired_total",
                "Vault actors that ended because nobody used them (actors.vault_idle), or there was no such vault.",
            ),
            panicked: counter(
                "vault_actor_panics_total",
                "Vault actors that ended by a panic, a fault of the service; whoever names the vault next opens it again from the journal.",
            ),
            fell_behind: counter(
                "relay_fell_behind_total",
                "Times that a worker thread had no room for a vault's event (actors.relay_mailbox) and was told later.",
            ),
            mailbox: Mailbox::default(),
        }
    }
}

/// Registers what is read of live vaults when it is asked for.
pub fn register_gauges(metrics: &Metrics, vaults: &Vaults) {
    let read = |name, help, value: fn(Totals) -> f64| {
        let vaults = vaults.clone();
        let values = move || vec![(String::new(), value(vaults.totals()))];
        metrics.read(name, help, None, values);
    };
    read("vaults", "Vault actors that are alive.", |all| {
        all.vaults as f64
    });
    read(
        "subscribers",
        "Subscriptions of vaults, each a socket in a room.",
        |all| all.subscribers as f64,
    );
    read(
        "vault_queue_mutations",
        "Mutations that wait for their vaults, in all.",
        |all| all.waiting as f64,
    );
    read(
        "vault_queue_deepest_mutations",
        "Mutations that wait for the vault where most do.",
        |all| all.deepest as f64,
    );
    read(
        "vault_oldest_wait_seconds",
        "How long the mutation has waited that waits longest.",
        |all| all.oldest_wait.as_secs_f64(),
    );
}

/// What a command is called.
pub(super) fn kind_of(command: &Command) -> &'static str {
    match command {
        Command::CreateSource { .. } => "source_created",
        Command::UpdateSource { .. } => "source_updated",
        Command::DeleteSource { .. } => "source_deleted",
        Command::AddMember { .. } => "member_added",
        Command::ChangeRole { .. } => "member_updated",
        Command::RemoveMember { .. } => "member_removed",
        Command::Rename { .. } => "vault_updated",
        Command::Delete => "vault_deleted",
    }
}

/// What is told of a new vault, which has no event.
pub(super) const NEW_VAULT: &str = "vault_created";

fn outcome_of(error: &VaultError) -> &'static str {
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
