//! A line as JSON: one flat object, which is what those who collect logs can search without being told how.
//!
//! `timestamp`, `level`, `target` and `message` come first, then the fields of the event and those of the spans around it,
//! by their dotted names. A name that comes twice is told once, as the innermost has it.

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

/// The format. It takes the fields as [`JsonFields`] writes them.
pub(super) struct Json;

impl<S> FormatEvent<S, JsonFields> for Json
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
        // A line of a library that uses `log` has its true origin among its fields.
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());

        let mut own = String::new();
        context.format_fields(Writer::new(&mut own), event)?;
        let mut fields = parsed(&own);
        let message = fields.remove("message").unwrap_or_default();
        let spans = context.event_scope().into_iter().flatten();
        for span in spans {
            if let Some(around) = span.extensions().get::<FormattedFields<JsonFields>>() {
                for (name, value) in parsed(around) {
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
        // Whatever calls itself so among the fields would be a second one.
        let is_new = |name: &str| !head.clone().any(|(known, _)| known == name);
        let more = fields.iter().map(|(name, value)| (name.as_str(), value));
        for (place, (name, value)) in head
            .clone()
            .chain(more.filter(|(name, _)| is_new(name)))
            .enumerate()
        {
            let before = if place == 0 { '{' } else { ',' };
            write!(writer, "{before}{}:{value}", Value::from(name))?;
        }
        writeln!(writer, "}}")
    }
}

/// The fields of an event or a span, as they were written down.
fn parsed(fields: &str) -> Map<String, Value> {
    // A span without fields has an empty text.
    serde_json::from_str(fields).unwrap_or_default()
}
