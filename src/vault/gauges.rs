//! Gauges of loaded vaults, which are computed when the metrics are read.

use crate::telemetry::metrics::MetricsRegistry;

use super::{stats::VaultTotals, vaults::Vaults};

/// Registers the gauges of loaded vaults.
pub fn register_gauges(registry: &MetricsRegistry, vaults: &Vaults) {
    let register = |name, help, value: fn(VaultTotals) -> f64| {
        let vaults = vaults.clone();
        let values = move || vec![(String::new(), value(vaults.totals()))];
        registry.register_callback(name, help, None, values);
    };
    let held = vaults.clone();
    registry.register_callback(
        "vaults_memory_bytes",
        "Memory of the kept events and the members of all loaded vaults (actors.vault_memory).",
        None,
        move || vec![(String::new(), held.held_bytes() as f64)],
    );
    register("vaults", "Running vault actors.", |totals| {
        totals.vaults as f64
    });
    register(
        "subscribers",
        "Subscriptions: one socket in five vaults counts five times.",
        |totals| totals.subscribers as f64,
    );
    register(
        "vault_queue_mutations",
        "Queued mutations of all vaults.",
        |totals| totals.waiting as f64,
    );
    register(
        "vault_queue_deepest_mutations",
        "Queued mutations of the vault with the most.",
        |totals| totals.deepest as f64,
    );
    register(
        "vault_oldest_wait_seconds",
        "Longest wait of a mutation that is still queued.",
        |totals| totals.oldest_wait.as_secs_f64(),
    );
}
