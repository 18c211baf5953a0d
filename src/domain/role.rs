//! Roles, and the one table of what each permits.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a member is in a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything.
    Owner,
    /// Reads, and changes sources.
    Contributor,
    /// Reads and listens.
    Viewer,
}

/// What somebody wants to do with a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// See the vault, its members, sources and events, and be told of new ones.
    Read,
    /// Create, update or delete a source.
    ChangeSources,
    /// Rename or delete the vault; add, change or remove members.
    Manage,
}

impl Role {
    /// Every role, the mightiest first.
    pub const ALL: [Self; 3] = [Self::Owner, Self::Contributor, Self::Viewer];

    /// Whether this role may do that.
    pub fn permits(self, action: Action) -> bool {
        match (self, action) {
            (Self::Owner, _) | (_, Action::Read) => true,
            (Self::Contributor, Action::ChangeSources) => true,
            (Self::Contributor, Action::Manage) => false,
            (Self::Viewer, Action::ChangeSources | Action::Manage) => false,
        }
    }

    /// The role's name, in the database and on the wire.
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
    fn each_role_permits_what_the_next_does_and_more() {
        let may = |role: Role| {
            [Action::Read, Action::ChangeSources, Action::Manage].map(|action| role.permits(action))
        };
        assert_eq!(may(Role::Viewer), [true, false, false]);
        assert_eq!(may(Role::Contributor), [true, true, false]);
        assert_eq!(may(Role::Owner), [true, true, true]);
    }

    #[test]
    fn a_role_is_read_back_from_its_name() {
        for role in Role::ALL {
            assert_eq!(role.as_str().parse(), Ok(role));
        }
        assert_eq!("admin".parse::<Role>(), Err(()));
    }
}
