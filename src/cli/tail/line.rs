//! An event as a line for people: number, time, event, author, and what it is about.

use std::fmt;

use serde_json::Value;

use super::{printable::Printable, tailed_event::TailedEvent};
use crate::domain::EventKind;

/// An event, displayed as one line. Texts of users contain no control characters in it.
pub(super) struct EventLine<'a>(pub &'a TailedEvent);

impl fmt::Display for EventLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(event) = self;
        let payload = event.payload();
        let time = Printable(text(&payload, "/timestamp")).to_string();
        let name = Printable(&event.event).to_string();
        let author = Printable(text(&payload, "/actor/userName")).to_string();
        let subject = subject(&event.event, &payload);
        let line = format!(
            "{:>6}  {time:24}  {name:14}  {author:20}  {}",
            event.seq.0,
            Printable(&subject)
        );
        f.write_str(line.trim_end())
    }
}

/// Returns what an event is about. For an event of a newer service, this is the rest of its payload.
fn subject(event: &str, payload: &Value) -> String {
    let text = |path| text(payload, path);
    match EventKind::parse(event) {
        Some(EventKind::SourceCreated | EventKind::SourceUpdated) => {
            format!("{}  {}", text("/source/id"), text("/source/title"))
        }
        Some(EventKind::SourceDeleted) => text("/sourceId").to_owned(),
        Some(EventKind::MemberAdded | EventKind::MemberUpdated | EventKind::MemberRemoved) => {
            format!(
                "{} as {} ({})",
                text("/member/userName"),
                text("/member/role"),
                text("/member/userId")
            )
        }
        Some(EventKind::VaultUpdated) => text("/vault/name").to_owned(),
        Some(EventKind::VaultDeleted) => String::new(),
        None => {
            let mut rest = payload.clone();
            if let Value::Object(fields) = &mut rest {
                for shown in ["actor", "seq", "timestamp", "vaultId"] {
                    fields.remove(shown);
                }
            }
            rest.to_string()
        }
    }
}

/// Returns the text at a path of the payload; empty when there is none.
fn text<'a>(payload: &'a Value, path: &str) -> &'a str {
    let value = payload.pointer(path).and_then(Value::as_str);
    value.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::printable::is_unsafe, *};

    /// Returns the line of an event by Ana. `payload` has what the event is about.
    fn line(seq: u64, event: &str, mut payload: Value) -> String {
        payload["vaultId"] = json!("cphysics01");
        payload["actor"] = json!({ "userId": "u1", "userName": "Ana", "role": "owner" });
        payload["timestamp"] = json!("2026-02-15T10:00:00.000Z");
        payload["seq"] = json!(seq);
        let event = json!({ "seq": seq, "event": event, "payload": payload });
        EventLine(&serde_json::from_str(&event.to_string()).unwrap()).to_string()
    }

    #[test]
    fn each_kind_says_what_it_is_about_in_aligned_columns() {
        let source = json!({ "source": { "id": "cpaper0001", "title": "A paper" } });
        let member = json!({ "member": { "userId": "u2", "userName": "Ben", "role": "viewer" } });
        let vault = json!({ "vault": { "id": "cphysics01", "name": "Physics" } });
        let deleted = json!({ "sourceId": "cpaper0001" });
        let rest = |kind| match kind {
            EventKind::SourceCreated | EventKind::SourceUpdated => {
                (source.clone(), "cpaper0001  A paper")
            }
            EventKind::SourceDeleted => (deleted.clone(), "cpaper0001"),
            EventKind::MemberAdded | EventKind::MemberUpdated | EventKind::MemberRemoved => {
                (member.clone(), "Ben as viewer (u2)")
            }
            EventKind::VaultUpdated => (vault.clone(), "Physics"),
            EventKind::VaultDeleted => (json!({}), ""),
        };
        for kind in EventKind::ALL {
            let (payload, subject) = rest(kind);
            let name = kind.name();
            let expected = format!(
                "     7  2026-02-15T10:00:00.000Z  {name:14}  Ana                   {subject}"
            );
            assert_eq!(line(7, name, payload), expected.trim_end());
        }
    }

    #[test]
    fn event_of_a_newer_service_is_printed_with_its_payload() {
        let printed = line(12, "source:moved", json!({ "to": "cother0001" }));
        let expected = r#"    12  2026-02-15T10:00:00.000Z  source:moved    Ana                   {"to":"cother0001"}"#;
        assert_eq!(printed, expected);
        let bare = r#"{"seq":1,"event":"new","payload":[1]}"#;
        let printed = EventLine(&serde_json::from_str(bare).unwrap()).to_string();
        assert_eq!(
            printed.split_whitespace().collect::<Vec<_>>(),
            ["1", "new", "[1]"]
        );
    }

    #[test]
    fn characters_that_control_the_terminal_are_escaped_everywhere() {
        let hostile = "\u{1b}[2J\n\r\t\u{7f}\u{9b}31m\u{202e}\u{2028}\u{2066}";
        let source = json!({ "id": "cpaper0001", "title": hostile });
        let member = json!({ "userId": "u2", "userName": hostile, "role": "viewer" });
        let payload = json!({ "source": source, "member": member, "vault": { "name": hostile }, "other": hostile });
        let names = EventKind::ALL.map(EventKind::name);
        for event in names.into_iter().chain([hostile]) {
            let printed = line(1, event, payload.clone());
            assert!(!printed.chars().any(is_unsafe), "{printed:?}");
        }
        let printed = line(1, "source:created", payload);
        let escaped = r"\u{1b}[2J\u{a}\u{d}\u{9}\u{7f}\u{9b}31m\u{202e}\u{2028}\u{2066}";
        assert!(printed.ends_with(escaped), "{printed}");
    }
}
