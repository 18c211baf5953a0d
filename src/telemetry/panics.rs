//! A panic is a line of the log as any other fault: one, with where it was and what the thread was about. Who was
//! waiting for what panicked says by himself what that meant.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    panic::{self, PanicHookInfo},
    thread,
};

use tracing::error;

use crate::panics;

/// Has every panic logged from here on, instead of printed.
pub(super) fn log_them() {
    panic::set_hook(Box::new(log));
}

fn log(info: &PanicHookInfo<'_>) {
    let panicked = info.payload_as_str().unwrap_or("something that is no text");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let thread = thread::current().name().unwrap_or_default().to_owned();
    let vault = panics::vault();
    // Taken with RUST_BACKTRACE=1 alone. As text in quotes it is one line, too.
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => {
            let backtrace = backtrace.to_string();
            error!(
                vault.id = vault,
                thread, location, backtrace, "panicked: {panicked}"
            );
        }
        _ => error!(vault.id = vault, thread, location, "panicked: {panicked}"),
    }
}
