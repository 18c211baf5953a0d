//! Identifiers: ids of vaults, sources, memberships and users, sequence numbers, and users themselves.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The number of lower case letters and digits after the `c` of a cuid.
pub const CUID_TAIL: RangeInclusive<usize> = 8..=31;

/// The number of characters of a user's id.
pub const USER_ID_LENGTH: RangeInclusive<usize> = 1..=128;

use super::text::trim;

/// Returns whether a text has the form of a cuid, `^c[a-z0-9]{8,31}$`.
fn is_cuid(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('c') else {
        return false;
    };
    CUID_TAIL.contains(&rest.len())
        && rest
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

macro_rules! cuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses a text that has the form of a cuid.
            pub fn parse(text: &str) -> Option<Self> {
                is_cuid(text).then(|| Self(text.into()))
            }

            /// Creates a new id. Ids grow with time, which keeps the database's indexes compact.
            pub fn generate() -> Self {
                Self(cuid::cuid1().into())
            }

            /// Creates the id from a column that contains only valid ids.
            pub fn from_row(text: String) -> Self {
                Self(text.into())
            }

            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

cuid_id!(
    /// The id of a vault.
    VaultId
);
cuid_id!(
    /// The id of a source.
    SourceId
);
cuid_id!(
    /// The id of a membership.
    MembershipId
);

/// The id of a user, assigned by the application that signs users in: 1 to 128 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Creates an id from 1 to 128 visible ASCII characters; returns `None` for any other text.
    pub fn new(text: impl Into<Arc<str>>) -> Option<Self> {
        let text = text.into();
        let is_visible = text.bytes().all(|b| b.is_ascii_graphic());
        (is_visible && USER_ID_LENGTH.contains(&text.len())).then_some(Self(text))
    }

    /// Creates the id from a column that contains only valid ids.
    pub fn from_row(text: String) -> Self {
        Self(text.into())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of an event in the order of its vault. The first event has 1; the head of a new vault is 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The head of a new vault.
    pub const ZERO: Self = Self(0);

    /// Returns the next number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// Returns the number as the database stores it.
    pub fn to_row(self) -> i64 {
        i64::try_from(self.0).expect("a vault has fewer than 2^63 events")
    }

    /// Creates the number from a column that contains no negative values.
    pub fn from_row(row: i64) -> Self {
        Self(u64::try_from(row).expect("stored sequence numbers are not negative"))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The id of one subscription of a vault. A socket that leaves and joins again gets a new id, so messages that are
/// still in flight for the old subscription are not taken for the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(pub u64);

/// The user of a valid user session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    pub id: UserId,
    /// The display name, if the session has one.
    pub name: Option<String>,
    /// The email, if the session has one.
    pub email: Option<String>,
}

impl Principal {
    /// Returns this principal with the name and email of `other` where its own are absent.
    pub fn or(self, other: Self) -> Self {
        Self {
            id: self.id,
            name: self.name.or(other.name),
            email: self.email.or(other.email),
        }
    }

    /// Returns the name, else the email, else the id.
    pub fn display_name(&self) -> &str {
        display_name(&self.id, self.name.as_deref(), self.email.as_deref())
    }
}

/// A user as recorded in the database.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub struct User {
    pub id: UserId,
    /// The name from the latest session that had one.
    #[schema(required)]
    pub name: Option<String>,
    /// The email from the latest session that had one.
    #[schema(required)]
    pub email: Option<String>,
}

impl User {
    /// Returns the name, else the email, else the id.
    pub fn display_name(&self) -> &str {
        display_name(&self.id, self.name.as_deref(), self.email.as_deref())
    }
}

fn display_name<'a>(id: &'a UserId, name: Option<&'a str>, email: Option<&'a str>) -> &'a str {
    let is_present = |text: &&str| !trim(text).is_empty();
    name.filter(is_present)
        .or(email.filter(is_present))
        .unwrap_or(id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuid_is_a_c_and_8_to_31_lower_case_letters_or_digits() {
        let id = |length: usize| format!("c{}", "a".repeat(length));
        assert!(VaultId::parse(&id(7)).is_none());
        assert!(VaultId::parse(&id(8)).is_some());
        assert!(VaultId::parse(&id(31)).is_some());
        assert!(VaultId::parse(&id(32)).is_none());
        assert!(VaultId::parse("d12345678").is_none());
        assert!(VaultId::parse("cABCDEFGH").is_none());
        assert!(VaultId::parse("c1234567é").is_none());
        assert!(VaultId::parse(VaultId::generate().as_str()).is_some());
    }

    #[test]
    fn user_id_is_1_to_128_visible_ascii_characters() {
        assert!(UserId::new("").is_none());
        assert!(UserId::new("a b").is_none());
        assert!(UserId::new("ünal").is_none());
        assert!(UserId::new("x".repeat(128)).is_some());
        assert!(UserId::new("x".repeat(129)).is_none());
    }

    #[test]
    fn user_without_name_is_shown_by_email_else_by_id() {
        let mut ana = Principal {
            id: UserId::new("u1").unwrap(),
            name: Some("Ana".into()),
            email: Some("ana@example.com".into()),
        };
        assert_eq!(ana.display_name(), "Ana");
        for blank in ["", " ", "\u{feff}\u{3000}"] {
            ana.name = Some(blank.to_owned());
            assert_eq!(ana.display_name(), "ana@example.com");
        }
        ana.email = Some("\n".to_owned());
        assert_eq!(ana.display_name(), "u1");
    }
}
