//! How often something panicked. None of it ends the service: a request, a socket or a vault does, and is answered,
//! closed or opened again. But each of them is a fault of ours, and should be zero.

use std::{
    panic,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::metrics::Metrics;

/// Panics belong to the process, whatever service in it they happened in.
static PANICS: AtomicU64 = AtomicU64::new(0);

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
