//! Logs each panic as one line of level error, with its location, thread and vault.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{self, PanicHookInfo},
    thread,
};

use tracing::error;

use super::panics;

/// Replaces the default panic hook, which prints, by one that logs.
pub(super) fn install() {
    panic::set_hook(Box::new(log));
}

fn log(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("payload is not text");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current().name().unwrap_or_default().to_owned();
    let vault = panics::current_vault();
    // Captured only with RUST_BACKTRACE=1. As a quoted field it stays on one line.
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => {
            let backtrace = backtrace.to_string();
            error!(
                vault.id = vault,
                thread, location, backtrace, "panicked: {message}"
            );
        }
        _ => error!(vault.id = vault, thread, location, "panicked: {message}"),
    }
}
