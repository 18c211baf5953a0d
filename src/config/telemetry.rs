//! The section `telemetry`: the level and the format of the log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::field::read_string;

/// The default level: `info` for the service, `warn` for its libraries.
const DEFAULT_LEVEL: &str = "warn,vaultcast=info";

/// The level and the format of the log.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TelemetryConfig {
    /// The format of a line.
    #[serde(deserialize_with = "read_string")]
    pub log_format: LogFormat,
    /// The level of logged lines; the variable `RUST_LOG` overrides it.
    #[serde(deserialize_with = "read_string")]
    pub log_level: LogLevel,
}

/// The format of a log line. Each format writes an event as one line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// `Pretty` on a terminal, `Plain` elsewhere.
    #[default]
    Auto,
    /// Short lines in colour, for a terminal.
    Pretty,
    /// Full lines without colour, for files and `grep`.
    Plain,
    /// One JSON object per line, for programs.
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "pretty" => Ok(Self::Pretty),
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            _ => Err(r#""auto", "pretty", "plain" or "json""#),
        }
    }
}

/// A level for all targets, or one per target, in the syntax of [`EnvFilter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(String);

/// The log target of the HTTP parser.
const HTTP_PARSER: &str = "actix_http";

impl LogLevel {
    /// Returns the filter for this level. The lines of actix-http are dropped unless its target is named: it logs an
    /// error for each malformed request, so any client could fill the log.
    pub fn filter(&self) -> EnvFilter {
        let parsed = EnvFilter::builder().parse(&self.0);
        let filter = parsed.expect("the constructor has parsed the level");
        if self.0.contains(HTTP_PARSER) {
            return filter;
        }
        let silent = format!("{HTTP_PARSER}=off");
        filter.add_directive(silent.parse().expect("a constant directive is valid"))
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self(DEFAULT_LEVEL.to_owned())
    }
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `EnvFilter` interprets a single word that is not a level as a target: `verbose` would silence all real targets.
        let is_valid_part = |part: &str| part.contains(['=', '[']) || is_level(part);
        let is_valid = text.contains('[') || text.split(',').all(is_valid_part);
        if is_valid && EnvFilter::builder().parse(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                r#""error", "warn", "info", "debug", "trace" or "off", or one level per target, such as "warn,vaultcast=debug""#,
            )
        }
    }
}

fn is_level(text: &str) -> bool {
    !text.is_empty() && text.parse::<LevelFilter>().is_ok()
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for LogLevel {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn level_applies_to_all_targets_or_to_each_target() {
        for text in [
            "info",
            "WARN",
            "off",
            "warn,vaultcast=info",
            "vaultcast::journal=trace",
            "info,vaultcast[http]=trace",
        ] {
            assert_eq!(text.parse(), Ok(LogLevel(text.to_owned())));
            assert!(!LogLevel(text.to_owned()).filter().to_string().is_empty());
        }
    }

    #[test]
    fn unknown_level_is_rejected_and_not_taken_for_a_target() {
        for text in [
            "",
            "verbose",
            "warning",
            "info,",
            "vaultcast=loud",
            "info;debug",
        ] {
            assert!(text.parse::<LogLevel>().is_err(), "{text}");
        }
    }
}
