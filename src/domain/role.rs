//! Roles of members and the actions that each role permits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The role of a member in a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Permits every action.
    Owner,
    /// Permits to read and to change sources.
    Contributor,
    /// Permits to read.
    Viewer,
}

/// An action on a vault that needs permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read the vault, its members, sources and events, and subscribe to new events.
    Read,
    /// Create, update or delete a source.
    ChangeSources,
    /// Rename or delete the vault; add, change or remove members.
    Manage,
}

impl Role {
    /// Every role, the most powerful first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Contributor, Self::Viewer];

    /// Returns whether the role permits the action.
    pub fn permits(self, action: Action) -> bool {
        match (self, action) {
            (Self::Owner, _) | (_, Action::Read) => true,
            (Self::Contributor, Action::ChangeSources) => true,
            (Self::Contributor, Action::Manage) => false,
            (Self::Viewer, Action::ChangeSources | Action::Manage) => false,
        }
    }

    /// Returns the name of the role in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Contributor => "contributor",
            Self::Viewer => "viewer",
        }
    }
}

impl FromStr for Role {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == name)
            .ok_or(())
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_permits_more_than_the_next() {
        let permissions = |role: Role| {
            [Action::Read, Action::ChangeSources, Action::Manage].map(|action| role.permits(action))
        };
        assert_eq!(permissions(Role::Viewer), [true, false, false]);
        assert_eq!(permissions(Role::Contributor), [true, true, false]);
        assert_eq!(permissions(Role::Owner), [true, true, true]);
    }

    #[test]
    fn role_is_parsed_from_its_name() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("admin".parse::<Role>(), Err(()));
    }
}
