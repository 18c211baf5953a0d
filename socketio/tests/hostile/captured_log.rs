//! Captures the log lines of one thread.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

/// The captured lines. A clone shares them.
#[derive(Clone, Default)]
pub struct AttackLog(Arc<Mutex<Vec<String>>>);

impl AttackLog {
    /// Returns the lines since the last call.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: Subscriber> Layer<S> for AttackLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let most_verbose = if target.starts_with("actix_socketio") {
            Level::DEBUG
        } else {
            Level::INFO
        };
        if *level <= most_verbose {
            let mut line = format!("{level} {target}");
            event.record(
                &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                    let _ = write!(line, " {field}={value:?}");
                },
            );
            self.0.lock().unwrap().push(line);
        }
    }
}
