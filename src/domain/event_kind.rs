//! The table of event kinds: one row for each kind of event that a vault can have.
//!
//! [`EventKind`] and [`EventData`] follow from the table. To add a kind, add a row; the compiler then reports the other places;
//! `CONTRIBUTING.md` lists the places. The name is stored in the database and sent to clients, so the name of
//! an existing row must never change.

use super::{
    ids::SourceId, member::Member, role::Action, source::Source, state_change::StateChange,
    time::Timestamp,
};

macro_rules! event_kinds {
    ($(
        #[doc = $meaning:literal]
        $kind:ident $(($data:ty))?, $name:literal, $metric_label:literal, $action:ident;
    )*) => {
        /// The kind of an event, without its data.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $(#[doc = $meaning] $kind,)*
        }

        /// The data of an event: what changed.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum EventData {
            $(#[doc = $meaning] $kind $(($data))?,)*
        }

        impl EventKind {
            /// Every kind, in the order of the table.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$kind),*];

            /// Returns the event's name on the wire and in the database.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// Returns what an event of this kind means.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$kind => $meaning.trim_ascii(),)*
                }
            }

            /// Returns the value of the metric label `kind` for mutations that become this event.
            pub fn metric_label(self) -> &'static str {
                match self {
                    $(Self::$kind => $metric_label,)*
                }
            }

            /// Returns the action that the role of the author must permit.
            pub fn required_action(self) -> Action {
                match self {
                    $(Self::$kind => Action::$action,)*
                }
            }
        }

        impl EventData {
            /// Returns the kind of the event.
            pub fn kind(&self) -> EventKind {
                match self {
                    $(Self::$kind { .. } => EventKind::$kind,)*
                }
            }
        }
    };
}

event_kinds! {
    // kind (its data)          name on the wire   metric label       action required of its author
    /// A source was created.
    SourceCreated(Source),      "source:created",  "source_created",  ChangeSources;
    /// A source has new fields.
    SourceUpdated(Source),      "source:updated",  "source_updated",  ChangeSources;
    /// A source was deleted.
    SourceDeleted(SourceId),    "source:deleted",  "source_deleted",  ChangeSources;
    /// A user became a member.
    MemberAdded(Member),        "member:added",    "member_added",    Manage;
    /// A member has a new role.
    MemberUpdated(Member),      "member:updated",  "member_updated",  Manage;
    /// A member was removed; the event has the member's last role.
    MemberRemoved(Member),      "member:removed",  "member_removed",  Manage;
    /// The vault has a new name.
    VaultUpdated(VaultUpdate),  "vault:updated",   "vault_updated",   Manage;
    /// The vault was deleted.
    VaultDeleted,               "vault:deleted",   "vault_deleted",   Manage;
}

/// The fields of a vault that an update changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultUpdate {
    pub name: String,
}

impl EventKind {
    /// Returns the kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl EventData {
    /// Returns what an event with this data, accepted at `timestamp`, changes in a [`Vault`](super::Vault).
    pub fn state_change(&self, timestamp: Timestamp) -> StateChange {
        match self {
            Self::SourceCreated(_) | Self::SourceUpdated(_) | Self::SourceDeleted(_) => {
                StateChange::Unchanged
            }
            Self::MemberAdded(member) => StateChange::MemberAdded {
                user: member.user.id.clone(),
                membership: member.membership,
            },
            Self::MemberUpdated(member) => StateChange::RoleChanged {
                user: member.user.id.clone(),
                role: member.membership.role,
            },
            Self::MemberRemoved(member) => StateChange::MemberRemoved {
                user: member.user.id.clone(),
            },
            Self::VaultUpdated(update) => StateChange::VaultRenamed {
                name: update.name.clone(),
                updated_at: timestamp,
            },
            Self::VaultDeleted => StateChange::VaultDeleted,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_is_documented_in_the_api_page() {
        let page = include_str!("../../docs/api.md");
        let (_, events) = page.split_once("### Events from the server").unwrap();
        for kind in EventKind::ALL {
            let name = format!("`{}`", kind.name());
            assert!(events.contains(&name), "docs/api.md does not list {name}");
        }
    }

    #[test]
    fn every_kind_is_parsed_from_its_own_name() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.name()), Some(kind));
        }
        assert_eq!(EventKind::parse("vault:created"), None);
    }

    #[test]
    fn metric_labels_are_the_names_with_an_underscore() {
        let labels: HashSet<_> = EventKind::ALL.map(EventKind::metric_label).into();
        assert_eq!(labels.len(), EventKind::ALL.len());
        for kind in EventKind::ALL {
            assert_eq!(kind.metric_label(), kind.name().replace(':', "_"));
        }
    }
}
