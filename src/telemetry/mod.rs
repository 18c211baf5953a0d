//! Telemetry: the log, metrics and panics.
//!
//! The log starts when the configuration has been read; an error before that is one plain line. The log level can change
//! while the service runs ([`LogHandle::apply`]); the format cannot. Every event is one line, and so is a panic.

use std::io::{IsTerminal, stderr};

use tracing_log::{AsLog, log};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::LevelFilter,
    fmt::{self, format::JsonFields, time::ChronoUtc},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use crate::config::{LogFormat, TelemetryConfig};

pub mod history;
pub mod metrics;
pub mod panics;
pub mod snapshot;
pub mod throttle;
pub mod untrusted;

mod bucket_counts;
mod json;
mod panic_log;

use json::JsonFormat;

/// Time format on a terminal, where the date is not needed.
const TIME_OF_DAY: &str = "%H:%M:%S%.3f";

/// Starts the log of the process.
///
/// # Panics
/// When it was started before.
pub fn init(telemetry: &TelemetryConfig) -> LogHandle {
    let (filter, handle) = reload::Layer::new(telemetry.log_level.filter());
    tracing_subscriber::registry()
        .with(filter)
        .with(lines(telemetry.log_format))
        .init();
    panic_log::install();
    LogHandle(handle)
}

/// Changes the log level of the running process.
#[derive(Clone, Debug)]
pub struct LogHandle(reload::Handle<EnvFilter, Registry>);

impl LogHandle {
    /// Applies `telemetry.log_level`. `telemetry.log_format` stays as it was at the start.
    pub fn apply(&self, telemetry: &TelemetryConfig) {
        let reloaded = self.0.reload(telemetry.log_level.filter());
        reloaded.expect("the log exists as long as the process");
        // The `log` crate, used by libraries, has a maximum level of its own.
        log::set_max_level(LevelFilter::current().as_log());
    }
}

type FilteredRegistry =
    tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>;

fn lines(format: LogFormat) -> Box<dyn Layer<FilteredRegistry> + Send + Sync> {
    let lines = fmt::layer().with_writer(stderr);
    match format {
        LogFormat::Auto if stderr().is_terminal() => self::lines(LogFormat::Pretty),
        LogFormat::Pretty => lines
            .compact()
            .with_timer(ChronoUtc::new(TIME_OF_DAY.to_owned()))
            .boxed(),
        LogFormat::Auto | LogFormat::Plain => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines
            .fmt_fields(JsonFields::new())
            .event_format(JsonFormat)
            .boxed(),
    }
}
