//! Why a database cannot be used.

use sea_orm::{DbErr, RuntimeErr, sqlx};
use thiserror::Error;

/// Why a database cannot be used. Each message says what to do.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// The database does not answer, or rejects a statement.
    #[error(transparent)]
    Driver(DbErr),
    /// The server refuses connections or does not answer. The driver repeats its attempts and keeps no cause.
    #[error(
        "no connection within 5 s: check host and port, and whether the server runs and has free connections"
    )]
    NoConnection,
    /// The database cannot store every character.
    #[error(
        "the database {database:?} has the encoding {encoding}, which cannot store every text: create one with \
         CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding { database: String, encoding: String },
    /// Migrations are pending, and the database is a standby or was made read-only.
    #[error(
        "the database {database:?} is read-only (a standby, or default_transaction_read_only), and has pending migrations: \
         name its primary server, or make it writable"
    )]
    ReadOnly { database: String },
    /// The schema of the URL does not exist, and the user lacks the permission to create it.
    #[error(
        "the schema {schema:?} does not exist, and the user {user:?} may not create it: \
         run CREATE SCHEMA {schema:?} AUTHORIZATION {user:?} as the owner of the database"
    )]
    MissingSchema { schema: String, user: String },
    /// No schema of the search path exists.
    #[error(
        "no schema of the search path of the user {user:?} exists: add ?schema=vaultcast to the URL"
    )]
    NoSchema { user: String },
    /// The user lacks the permission to create tables.
    #[error(
        "the user {user:?} may not create tables in the schema {schema:?}: run GRANT CREATE ON SCHEMA {schema:?} TO {user:?} \
         as its owner, or name a schema of its own with ?schema=NAME"
    )]
    NoPermission { schema: String, user: String },
    /// The schema of the URL has no tables, and those of an earlier version are where that version made them.
    #[error(
        "the tables of an earlier version, which ignored ?schema=, are in the schema {found:?}, and {wanted:?} has none: name \
         ?schema={found} in the URL to use them, or run \"vaultcast migrate up\" to make new ones in {wanted:?}"
    )]
    TablesElsewhere { found: String, wanted: String },
    /// Other tables have the names of vaultcast's.
    #[error(
        "it contains {} of another application: {fix}",
        names.join(", ")
    )]
    ForeignRelations {
        /// The tables, indexes, views and types.
        names: Vec<String>,
        /// What to do.
        fix: &'static str,
    },
}

impl From<DbErr> for DatabaseError {
    fn from(error: DbErr) -> Self {
        match &error {
            DbErr::Conn(RuntimeErr::SqlxError(cause))
                if matches!(**cause, sqlx::Error::PoolTimedOut) =>
            {
                Self::NoConnection
            }
            _ => Self::Driver(error),
        }
    }
}
