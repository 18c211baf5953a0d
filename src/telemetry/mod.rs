//! The log: which lines there are, and how they are written.
//!
//! It begins when the configuration has been read; what is wrong with that is one plain line, which needs no log. Which
//! lines there are can be changed while the service runs ([`Handle::apply`]); how they are written cannot. Every event is
//! one line, a panic too (`panics.rs`).

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

use crate::config::{LogFormat, Telemetry};

mod json;
mod panics;

use json::Json;

/// On a terminal nobody needs to be told the date.
const TIME_OF_DAY: &str = "%H:%M:%S%.3f";

/// Begins to log, for as long as the process lives.
///
/// # Panics
/// When the process logs already.
pub fn init(telemetry: &Telemetry) -> Handle {
    let (filter, handle) = reload::Layer::new(telemetry.log_level.filter());
    tracing_subscriber::registry()
        .with(filter)
        .with(lines(telemetry.log_format))
        .init();
    panics::log_them();
    Handle(handle)
}

/// What can be changed of a log that has begun.
#[derive(Clone, Debug)]
pub struct Handle(reload::Handle<EnvFilter, Registry>);

impl Handle {
    /// Logs from now on the lines that `telemetry.log_level` names. `telemetry.log_format` stays as it was at the start.
    pub fn apply(&self, telemetry: &Telemetry) {
        let reloaded = self.0.reload(telemetry.log_level.filter());
        reloaded.expect("the log lives as long as the process");
        // Libraries that use `log` look at a level of its own before they say anything.
        log::set_max_level(LevelFilter::current().as_log());
    }
}

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>;

fn lines(format: LogFormat) -> Box<dyn Layer<Filtered> + Send + Sync> {
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
            .event_format(Json)
            .boxed(),
    }
}
