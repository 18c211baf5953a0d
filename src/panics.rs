//! How often something panicked. None of it ends the service: a request, a socket or a vault does, and is answered,
//! closed or opened again. But each of them is a fault of ours, and should be zero.

use std::{
    cell::RefCell,
    panic,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::metrics::Metrics;

/// Panics belong to the process, whatever service in it they happened in.
static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The vault that this thread is about, or nothing.
    static VAULT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// A thread is about a vault until this is dropped.
pub struct About(());

/// Says which vault this thread is about, so that the line of a panic can name it. On the way of every message of a vault, so
/// it allocates nothing but at first.
pub fn about_vault(id: &str) -> About {
    VAULT.with_borrow_mut(|vault| {
        vault.clear();
        vault.push_str(id);
    });
    About(())
}

/// Which vault this thread is about.
pub fn vault() -> Option<String> {
    let vault = VAULT.with_borrow(String::clone);
    Some(vault).filter(|vault| !vault.is_empty())
}

impl Drop for About {
    fn drop(&mut self) {
        VAULT.with_borrow_mut(String::clear);
    }
}

/// Counts every panic of the process from here on as `panics`; what was done with it before is still done.
pub fn count_them(metrics: &Metrics) {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Relaxed);
            before(info);
        }));
    });
    metrics.read(
        "panics",
        "Panics since the start, of whatever part: each is a fault of the service, and a line of its log.",
        None,
        || vec![(String::new(), PANICS.load(Relaxed) as f64)],
    );
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn whoever_hears_of_a_panic_can_ask_which_vault_it_was_about() {
        let about = about_vault("cphysics01");
        assert_eq!(vault().as_deref(), Some("cphysics01"));
        drop(about);
        assert_eq!(vault(), None);
    }

    #[test]
    fn a_panic_is_about_nothing_any_longer_when_it_is_over() {
        let panics = || {
            let _about = about_vault("cphysics01");
            panic!("on purpose");
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(vault(), None);
    }
}
