//! Counts panics, and remembers which vault a thread works on, so that the log line of a panic can name it.
//!
//! A panic ends one request, one socket or one vault actor, never the service. Each one is a defect of the service, and the
//! count should be zero.

use std::{
    cell::RefCell,
    panic,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::telemetry::metrics::MetricsRegistry;

/// Panics of the process: a panic hook is process-wide.
static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Id of the vault that this thread works on; empty when there is none.
    static VAULT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Marks this thread as working on a vault until it is dropped.
pub struct VaultScope(());

/// Marks this thread as working on a vault. Runs for every message of a vault, so it reuses the thread's buffer.
pub fn vault_scope(id: &str) -> VaultScope {
    VAULT.with_borrow_mut(|vault| {
        vault.clear();
        vault.push_str(id);
    });
    VaultScope(())
}

/// Returns the id of the vault that this thread works on.
pub fn current_vault() -> Option<String> {
    let vault = VAULT.with_borrow(String::clone);
    Some(vault).filter(|vault| !vault.is_empty())
}

impl Drop for VaultScope {
    fn drop(&mut self) {
        VAULT.with_borrow_mut(String::clear);
    }
}

/// Counts every later panic of the process as the metric `panics`. The panic hook that was set before still runs.
pub fn count_panics(metrics: &MetricsRegistry) {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Relaxed);
            previous(info);
        }));
    });
    metrics.register_callback(
        "panics",
        "Panics since the start, in any part of the service. Each is a defect and has a line in the log.",
        None,
        || vec![(String::new(), PANICS.load(Relaxed) as f64)],
    );
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn current_vault_is_known_within_its_scope() {
        let scope = vault_scope("cphysics01");
        assert_eq!(current_vault().as_deref(), Some("cphysics01"));
        drop(scope);
        assert_eq!(current_vault(), None);
    }

    #[test]
    fn panic_ends_the_scope_of_its_vault() {
        let panics = || {
            let _scope = vault_scope("cphysics01");
            panic!("on purpose");
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(current_vault(), None);
    }
}
