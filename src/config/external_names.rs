//! Names that another application defines: of its cookies, claims, tables and columns.
//!
//! A value of these types has a checked form. Names of tables and columns become part of a query, so that only
//! characters are accepted that cannot end a quoted SQL identifier.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Defines the type of a name with a checked form.
macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $is_valid:expr, $accepted:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// Returns the name as written in the configuration.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if $is_valid(text) { Ok(Self(text.to_owned())) } else { Err($accepted) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }
    };
}

name_type!(
    /// The name of a cookie, without the suffix of a chunk.
    CookieName,
    |text: &str| !text.is_empty() && text.bytes().all(is_cookie_byte),
    "the name of a cookie"
);

name_type!(
    /// The name of a claim, or the path of a nested one: `user.id`.
    ClaimPath,
    |text: &str| text.split('.').all(|name| !name.is_empty()),
    r#"the name of a claim, or a path such as "user.id""#
);

name_type!(
    /// The audience of a signed token.
    Audience,
    |text: &str| !text.is_empty(),
    "the name of an audience"
);

name_type!(
    /// The name of a table, optionally with its schema: `auth.Session`.
    TableName,
    |text: &str| text.split('.').count() <= 2 && text.split('.').all(is_sql_name),
    r#"the name of a table, or of a schema and a table such as "auth.Session""#
);

name_type!(
    /// The name of a column.
    ColumnName,
    is_sql_name,
    "the name of a column"
);

/// Returns whether a cookie name may contain the byte (a `token` of RFC 9110).
fn is_cookie_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_sql_name(text: &str) -> bool {
    let is_valid = |char: char| char.is_alphanumeric() || "_$-".contains(char);
    (1..=63).contains(&text.len()) && text.chars().all(is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_name_with_a_quote_or_separator_is_rejected() {
        for text in ["", "a\"b", "a'b", "a;b", "a b", "a\0b", "a\\b", "a(b"] {
            assert!(text.parse::<ColumnName>().is_err(), "{text:?}");
            assert!(text.parse::<TableName>().is_err(), "{text:?}");
        }
        for text in ["Session", "auth.Session", "next_auth-2", "Sitzungsmöbel"] {
            assert_eq!(
                text.parse::<TableName>().map(|name| name.0).as_deref(),
                Ok(text)
            );
        }
        for text in ["a.b.c", ".Session", "auth.", "."] {
            assert!(text.parse::<TableName>().is_err(), "{text:?}");
        }
        assert!("auth.userId".parse::<ColumnName>().is_err());
    }

    #[test]
    fn cookie_name_is_a_valid_header_token() {
        for text in ["", "my sid", "sid=", "sid;", "sid,", "\"sid\"", "sïd"] {
            assert!(text.parse::<CookieName>().is_err(), "{text:?}");
        }
        assert!("__Host-my.sid".parse::<CookieName>().is_ok());
    }
}
