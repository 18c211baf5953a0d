//! Whose sessions count: the keys of `auth`, and the names of other people's things in them.
//!
//! Names of tables and columns become part of a query, so their form is narrow: what cannot be quoted is no name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};

use super::DatabaseUrl;
use super::values::{DAY, duration, optional_text, or_empty, so_many, some_texts, spelled, text};

/// Whose sessions count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// How a session is checked.
    #[serde(deserialize_with = "text")]
    pub strategy: Strategy,
    /// The kinds of token that are taken, with [`Strategy::Jwt`].
    #[serde(deserialize_with = "some_texts")]
    pub accept: Vec<TokenKind>,
    /// The session's cookie; the first that is there decides.
    #[serde(deserialize_with = "some_texts")]
    pub cookies: Vec<CookieName>,
    /// Where a token names its user; the first that is a text does.
    #[serde(deserialize_with = "some_texts")]
    pub id_claims: Vec<ClaimPath>,
    /// Whom signed tokens are for, where that matters.
    #[serde(serialize_with = "or_empty", deserialize_with = "optional_text")]
    pub jwt_audience: Option<Audience>,
    /// Where sessions are looked up, with [`Strategy::Database`]; none for the service's own database.
    #[serde(serialize_with = "or_empty", deserialize_with = "optional_text")]
    pub database_url: Option<DatabaseUrl>,
    /// How long a session that was looked up is believed; zero asks every time.
    #[serde(serialize_with = "spelled", deserialize_with = "duration::<0, DAY, _>")]
    pub recheck: Duration,
    /// The table of sessions.
    #[serde(deserialize_with = "text")]
    pub session_table: TableName,
    /// Its columns: the token, the user's id, the end.
    #[serde(deserialize_with = "so_many")]
    pub session_columns: [ColumnName; 3],
    /// The table of users.
    #[serde(deserialize_with = "text")]
    pub user_table: TableName,
    /// Its columns: the id, the name, the email.
    #[serde(deserialize_with = "so_many")]
    pub user_columns: [ColumnName; 3],
}

impl Default for Auth {
    fn default() -> Self {
        let column = |name: &str| ColumnName(name.to_owned());
        let table = |name: &str| TableName(name.to_owned());
        let cookie = |name: &str| CookieName(name.to_owned());
        Self {
            strategy: Strategy::Jwt,
            accept: vec![TokenKind::Authjs, TokenKind::NextAuth, TokenKind::Jwt],
            cookies: vec![
                cookie("__Secure-authjs.session-token"),
                cookie("authjs.session-token"),
                cookie("__Secure-next-auth.session-token"),
                cookie("next-auth.session-token"),
            ],
            id_claims: vec![ClaimPath("id".to_owned()), ClaimPath("sub".to_owned())],
            jwt_audience: None,
            database_url: None,
            recheck: Duration::from_secs(60),
            session_table: table("Session"),
            session_columns: ["sessionToken", "userId", "expires"].map(column),
            user_table: table("User"),
            user_columns: ["id", "name", "email"].map(column),
        }
    }
}

/// How a session is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// The token proves itself by the shared secret.
    Jwt,
    /// The token is looked up in the table of sessions.
    Database,
}

impl FromStr for Strategy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "jwt" => Ok(Self::Jwt),
            "database" => Ok(Self::Database),
            _ => Err(r#""jwt" or "database""#),
        }
    }
}

/// A kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// The encrypted session of Auth.js 5.
    Authjs,
    /// The encrypted session of NextAuth 4.
    NextAuth,
    /// A signed HS256 JWT.
    Jwt,
}

impl FromStr for TokenKind {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "authjs" => Ok(Self::Authjs),
            "next-auth" => Ok(Self::NextAuth),
            "jwt" => Ok(Self::Jwt),
            _ => Err(r#""authjs", "next-auth" or "jwt""#),
        }
    }
}

/// A name of something that is not ours, in a form that was checked.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $fits:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The name as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if $fits(text) { Ok(Self(text.to_owned())) } else { Err($allowed) }
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

name!(
    /// The name of a cookie, without the number of a chunk.
    CookieName,
    |text: &str| !text.is_empty() && text.bytes().all(is_cookie_byte),
    "the name of a cookie"
);

name!(
    /// A claim, or one inside another: `user.id`.
    ClaimPath,
    |text: &str| text.split('.').all(|name| !name.is_empty()),
    r#"the name of a claim, or a path such as "user.id""#
);

name!(
    /// Whom a signed token is for.
    Audience,
    |text: &str| !text.is_empty(),
    "the name of an audience"
);

name!(
    /// A table, with its schema where that is not the usual one: `auth.Session`.
    TableName,
    |text: &str| text.split('.').count() <= 2 && text.split('.').all(is_sql_name),
    r#"the name of a table, or of a schema and a table such as "auth.Session""#
);

name!(
    /// A column of a table.
    ColumnName,
    is_sql_name,
    "the name of a column"
);

/// The bytes of a token in the sense of HTTP.
fn is_cookie_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_sql_name(text: &str) -> bool {
    let fits = |char: char| char.is_alphanumeric() || "_$-".contains(char);
    (1..=63).contains(&text.len()) && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_quoted_name_is_no_name() {
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
    fn a_cookie_has_a_name_that_a_header_can_carry() {
        for text in ["", "my sid", "sid=", "sid;", "sid,", "\"sid\"", "sïd"] {
            assert!(text.parse::<CookieName>().is_err(), "{text:?}");
        }
        assert!("__Host-my.sid".parse::<CookieName>().is_ok());
    }
}
