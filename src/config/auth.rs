//! The section `auth`: how user sessions are verified.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::database_url::DatabaseUrl;
use super::external_names::{Audience, ClaimPath, ColumnName, CookieName, TableName};
use super::field::{
    DAY_MS, read_duration, read_nonempty_string_list, read_optional_string, read_string,
    read_string_array, write_duration, write_optional,
};

/// How user sessions are verified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuthConfig {
    /// How a credential is verified.
    #[serde(deserialize_with = "read_string")]
    pub strategy: AuthStrategy,
    /// The accepted kinds of token; cookies of other kinds are passed over.
    #[serde(deserialize_with = "read_nonempty_string_list")]
    pub accept: Vec<TokenKind>,
    /// The names of the session cookie. The first cookie of an accepted kind is used.
    #[serde(deserialize_with = "read_nonempty_string_list")]
    pub cookies: Vec<CookieName>,
    /// The claims that may hold the user id. The first claim that is a string is used.
    #[serde(deserialize_with = "read_nonempty_string_list")]
    pub id_claims: Vec<ClaimPath>,
    /// The audience that a signed token must have; `None` accepts any.
    #[serde(
        serialize_with = "write_optional",
        deserialize_with = "read_optional_string"
    )]
    pub jwt_audience: Option<Audience>,
    /// The database that holds the sessions, with [`AuthStrategy::Database`]; `None` for the database of the service.
    #[serde(
        serialize_with = "write_optional",
        deserialize_with = "read_optional_string"
    )]
    pub database_url: Option<DatabaseUrl>,
    /// How long the result of a session lookup is cached; zero looks it up for each request.
    #[serde(
        serialize_with = "write_duration",
        deserialize_with = "read_duration::<0, DAY_MS, _>"
    )]
    pub recheck: Duration,
    /// The table of sessions.
    #[serde(deserialize_with = "read_string")]
    pub session_table: TableName,
    /// The columns of the table of sessions: token, user id, expiry.
    #[serde(deserialize_with = "read_string_array")]
    pub session_columns: [ColumnName; 3],
    /// The table of users.
    #[serde(deserialize_with = "read_string")]
    pub user_table: TableName,
    /// The columns of the table of users: id, name, email.
    #[serde(deserialize_with = "read_string_array")]
    pub user_columns: [ColumnName; 3],
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            strategy: AuthStrategy::Jwt,
            accept: vec![TokenKind::Authjs, TokenKind::NextAuth, TokenKind::Jwt],
            cookies: [
                "__Secure-authjs.session-token",
                "authjs.session-token",
                "__Secure-next-auth.session-token",
                "next-auth.session-token",
            ]
            .map(built_in)
            .to_vec(),
            id_claims: ["id", "sub"].map(built_in).to_vec(),
            jwt_audience: None,
            database_url: None,
            recheck: Duration::from_secs(60),
            session_table: built_in("Session"),
            session_columns: ["sessionToken", "userId", "expires"].map(built_in),
            user_table: built_in("User"),
            user_columns: ["id", "name", "email"].map(built_in),
        }
    }
}

/// Parses a name that is part of the defaults.
fn built_in<T: FromStr<Err = &'static str>>(name: &str) -> T {
    name.parse().expect("a built-in name is valid")
}

/// How a credential is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthStrategy {
    /// By the shared secret, which encrypted or signed the token.
    Jwt,
    /// By a row in the table of sessions.
    Database,
}

impl FromStr for AuthStrategy {
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
