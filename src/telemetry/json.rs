//! The JSON log format: one flat object per line, which log collectors index without configuration.
//!
//! `timestamp`, `level`, `target` and `message` come first, then the fields of the event and of its spans, by their dotted
//! names. If a name occurs twice, the innermost value is written.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::{JsonFields, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// Formats events as JSON objects. Needs fields formatted by [`JsonFields`].
pub(super) struct JsonFormat;

impl<S> FormatEvent<S, JsonFields> for JsonFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, JsonFields>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        // An event of the `log` crate carries its true origin in its fields.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());

        let mut own = String::new();
        context.format_fields(Writer::new(&mut own), event)?;
        let mut fields = parse_fields(&own);
        let message = fields.remove("message").unwrap_or_default();
        let spans = context.event_scope().into_iter().flatten();
        for span in spans {
            if let Some(formatted) = span.extensions().get::<FormattedFields<JsonFields>>() {
                for (name, value) in parse_fields(formatted) {
                    fields.entry(name).or_insert(value);
                }
            }
        }

        let head = [
            ("timestamp", Value::from(time)),
            ("level", metadata.level().as_str().into()),
            ("target", metadata.target().into()),
            ("message", message),
        ];
        let head = head.iter().map(|(name, value)| (*name, value));
        // A field with the name of a leading key would be a duplicate key.
        let is_unique = |name: &str| !head.clone().any(|(known, _)| known == name);
        let more = fields.iter().map(|(name, value)| (name.as_str(), value));
        for (position, (name, value)) in head
            .clone()
            .chain(more.filter(|(name, _)| is_unique(name)))
            .enumerate()
        {
            let separator = if position == 0 { '{' } else { ',' };
            write!(writer, "{separator}{}:{value}", Value::from(name))?;
        }
        writeln!(writer, "}}")
    }
}

/// Parses the formatted fields of an event or a span.
fn parse_fields(fields: &str) -> Map<String, Value> {
    // The text of a span without fields is empty.
    serde_json::from_str(fields).unwrap_or_default()
}
