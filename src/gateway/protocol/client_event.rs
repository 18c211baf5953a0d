//! The table of the events that a client may send.

/// The name that stands for all other events in logs.
pub(in crate::gateway) const UNKNOWN_EVENT: &str = "unknown";

macro_rules! client_events {
    ($(#[doc = $meaning:literal] $event:ident, $name:literal;)*) => {
        /// An event that a client may send.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::gateway) enum ClientEvent {
            $(#[doc = $meaning] $event,)*
        }

        impl ClientEvent {
            /// Every event, in the order of the table.
            pub(in crate::gateway) const ALL: [Self; [$($name),*].len()] = [$(Self::$event),*];

            /// Returns what the event requests.
            pub(in crate::gateway) fn meaning(self) -> &'static str {
                match self {
                    $(Self::$event => $meaning.trim_ascii(),)*
                }
            }

            /// Returns the name of the event on the wire.
            pub(in crate::gateway) fn name(self) -> &'static str {
                match self {
                    $(Self::$event => $name,)*
                }
            }
        }
    };
}

client_events! {
    // event       name on the wire
    /// Subscribe to a vault.
    Join,          "vault:join";
    /// End the subscription to a vault.
    Leave,         "vault:leave";
    /// Create a source.
    CreateSource,  "source:created";
    /// Change fields of a source.
    UpdateSource,  "source:updated";
    /// Delete a source.
    DeleteSource,  "source:deleted";
}

impl ClientEvent {
    /// Returns the event of this name, or `None` if the contract has none.
    pub(in crate::gateway) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_documented_in_the_api_page() {
        let page = include_str!("../../../docs/api.md");
        let (_, events) = page.split_once("### Events from the client").unwrap();
        let (events, _) = events.split_once("### Events from the server").unwrap();
        for event in ClientEvent::ALL {
            let row = format!("| `{}` |", event.name());
            assert!(events.contains(&row), "docs/api.md has no row {row}");
        }
    }
}
