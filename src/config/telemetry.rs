//! What is logged, and how it is written.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::values::text;

/// What is logged where nobody says otherwise: our own news, and the troubles of others.
const LOGGED: &str = "warn,vaultcast=info";

/// What is logged, and how it is written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    /// How a line is written.
    #[serde(deserialize_with = "text")]
    pub log_format: LogFormat,
    /// Which lines there are; `RUST_LOG` overrides it.
    #[serde(deserialize_with = "text")]
    pub log_level: LogLevel,
}

/// How a line of the log is written. Every event is one line in each of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people on a terminal, plain elsewhere.
    #[default]
    Auto,
    /// For people: short, and in colour.
    Pretty,
    /// For people and `grep`.
    Plain,
    /// For programs: an object on each line.
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

/// A level for all, or one for each target: what [`EnvFilter`] understands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(String);

/// What reads requests, by the name that it logs under.
const HTTP_PARSER: &str = "actix_http";

impl LogLevel {
    /// The filter that lets those lines pass. What actix-http says of requests that are none, a line of level error for each,
    /// is let pass only where it is asked for: whoever can reach the port could fill the log with it.
    pub fn filter(&self) -> EnvFilter {
        let parsed = EnvFilter::builder().parse(&self.0);
        let filter = parsed.expect("it was parsed when it was read");
        if self.0.contains(HTTP_PARSER) {
            return filter;
        }
        let silent = format!("{HTTP_PARSER}=off");
        filter.add_directive(silent.parse().expect("it is a directive"))
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self(LOGGED.to_owned())
    }
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A single word that is no level would be taken for a target, of which everything is logged: `verbose` would
        // turn off all there is.
        let is_sound = |part: &str| part.contains(['=', '[']) || is_level(part);
        let is_sound = text.contains('[') || text.split(',').all(is_sound);
        if is_sound && EnvFilter::builder().parse(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                r#""error", "warn", "info", "debug", "trace" or "off", or such for each target, as in "warn,vaultcast=debug""#,
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
    fn a_level_is_for_all_or_for_each_target() {
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
    fn a_word_that_is_no_level_is_not_taken_for_a_target() {
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
