//! Names of things: ids as types of their own, sequence numbers, and who somebody is.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// Whether a text is an id as `interface.md` has it: `^c[a-z0-9]{8,31}$`, the shape of a cuid.
fn is_cuid(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('c') else {
        return false;
    };
    (8..=31).contains(&rest.len())
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
            /// Takes a text that has the shape of an id; `None` for any other.
            pub fn parse(text: &str) -> Option<Self> {
                is_cuid(text).then(|| Self(text.into()))
            }

            /// A new id. They grow with time, which keeps the database's indexes compact.
            pub fn generate() -> Self {
                Self(cuid::cuid1().into())
            }

            /// The id from a row of the database, where only ids are.
            pub fn from_row(text: String) -> Self {
                Self(text.into())
            }

            /// The id as text.
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
    /// A vault's id.
    VaultId
);
cuid_id!(
    /// A source's id.
    SourceId
);
cuid_id!(
    /// A membership's own id.
    MembershipId
);

/// A user's id, as the application beside us gave it: 1 to 128 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Takes 1 to 128 visible ASCII characters; `None` for anything else.
    pub fn new(text: impl Into<Arc<str>>) -> Option<Self> {
        let text = text.into();
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        (visible && (1..=128).contains(&text.len())).then_some(Self(text))
    }

    /// The id from a row of the database, where only ids are.
    pub fn from_row(text: String) -> Self {
        Self(text.into())
    }

    /// The id as text.
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

/// A place in a vault's order. The first event has 1; a new vault stands at 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Where a new vault stands.
    pub const ZERO: Self = Self(0);

    /// The place right after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// As the database keeps it.
    pub fn to_row(self) -> i64 {
        i64::try_from(self.0).expect("a vault has fewer than 2^63 events")
    }

    /// From a row of the database, where no number is negative.
    pub fn from_row(row: i64) -> Self {
        Self(u64::try_from(row).expect("the database keeps no negative sequence number"))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One place in a vault's audience. A socket that leaves and joins again gets another one, so that what
/// was on its way to the first is not taken for the second's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriberId(pub u64);

/// Who asks, as a valid session says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The user's id.
    pub id: UserId,
    /// The user's display name, where the session carries one.
    pub name: Option<String>,
    /// The user's email, where the session carries one.
    pub email: Option<String>,
}

impl Principal {
    /// How others see the user: by name, else by email, else by id.
    pub fn display_name(&self) -> &str {
        display_name(&self.id, self.name.as_deref(), self.email.as_deref())
    }
}

/// A user as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The user's id.
    pub id: UserId,
    /// The name of the latest session that had one.
    pub name: Option<String>,
    /// The email of the latest session that had one.
    pub email: Option<String>,
}

impl User {
    /// How others see the user: by name, else by email, else by id.
    pub fn display_name(&self) -> &str {
        display_name(&self.id, self.name.as_deref(), self.email.as_deref())
    }
}

fn display_name<'a>(id: &'a UserId, name: Option<&'a str>, email: Option<&'a str>) -> &'a str {
    let said = |text: &&str| !text.is_empty();
    name.filter(said)
        .or(email.filter(said))
        .unwrap_or(id.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_c_and_8_to_31_lower_case_letters_or_digits() {
        let of = |n: usize| format!("c{}", "a".repeat(n));
        assert!(VaultId::parse(&of(7)).is_none());
        assert!(VaultId::parse(&of(8)).is_some());
        assert!(VaultId::parse(&of(31)).is_some());
        assert!(VaultId::parse(&of(32)).is_none());
        assert!(VaultId::parse("d12345678").is_none());
        assert!(VaultId::parse("cABCDEFGH").is_none());
        assert!(VaultId::parse("c1234567é").is_none());
        assert!(VaultId::parse(VaultId::generate().as_str()).is_some());
    }

    #[test]
    fn a_user_id_is_1_to_128_visible_ascii_characters() {
        assert!(UserId::new("").is_none());
        assert!(UserId::new("a b").is_none());
        assert!(UserId::new("ünal").is_none());
        assert!(UserId::new("x".repeat(128)).is_some());
        assert!(UserId::new("x".repeat(129)).is_none());
    }

    #[test]
    fn who_has_no_name_is_shown_by_email_else_by_id() {
        let mut ana = Principal {
            id: UserId::new("u1").unwrap(),
            name: Some("Ana".into()),
            email: Some("ana@example.com".into()),
        };
        assert_eq!(ana.display_name(), "Ana");
        ana.name = Some(String::new());
        assert_eq!(ana.display_name(), "ana@example.com");
        ana.email = None;
        assert_eq!(ana.display_name(), "u1");
    }
}
