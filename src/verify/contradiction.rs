//! What can be wrong with a database, each kind by its name, told so that whoever reads it finds the row.

use std::fmt;

use chrono::{DateTime, SecondsFormat};
use thiserror::Error;

use crate::domain::Role;

/// How many contradictions are told of; the others are counted.
const TOLD: usize = 10;

/// Two things in the database of which one must be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Contradiction {
    // How the journal stands.
    #[error("there is no row in vault_heads")]
    NoHead,
    #[error("{table} has rows of it, but vaults has none")]
    NoVault { table: &'static str },
    #[error("the head says {head}, but no event is there: the newest is never trimmed")]
    NoEvents { head: i64 },
    #[error("the head says {head}, but the journal ends at {last}")]
    HeadAhead { head: i64, last: i64 },
    #[error("the head says {head}, but the journal goes on to {last}")]
    HeadBehind { head: i64, last: i64 },
    #[error("an event has the number {seq}, but the first is 1")]
    BeforeTheFirst { seq: i64 },
    #[error("event {expected} is missing: {found} comes next")]
    Gap { expected: i64, found: i64 },

    // What an event says.
    #[error("event {seq} is of the unknown kind {kind:?}")]
    UnknownKind { seq: i64, kind: String },
    #[error("event {seq} is no {kind}: {why}")]
    Unreadable {
        seq: i64,
        kind: &'static str,
        why: String,
    },
    #[error("event {seq} says {field} {found}, expected {expected}")]
    Event {
        seq: i64,
        field: &'static str,
        found: String,
        expected: String,
    },

    // What may follow what.
    #[error("event {seq} ({kind}) is about {what}, which is not there at that place")]
    NotThere {
        seq: i64,
        kind: &'static str,
        what: Thing,
    },
    #[error("event {seq} ({kind}) adds {what}, which is there already at that place")]
    AlreadyThere {
        seq: i64,
        kind: &'static str,
        what: Thing,
    },
    #[error("event {seq} is by user {user}, who is no member at that place")]
    Stranger { seq: i64, user: String },
    #[error("event {seq} says that user {user} is {found}, but he is {expected} at that place")]
    Role {
        seq: i64,
        user: String,
        found: Role,
        expected: Role,
    },
    #[error("event {seq} ({kind}) is by user {user}, whose role of {role} does not permit it")]
    NotPermitted {
        seq: i64,
        kind: &'static str,
        user: String,
        role: Role,
    },
    #[error("event {seq} takes the last owner, user {user}")]
    LastOwner { seq: i64, user: String },
    #[error("event {seq} comes after the vault was deleted")]
    AfterTheEnd { seq: i64 },

    // What the rows say.
    #[error("{what} has no row, but the journal has it there since event {seq}")]
    NoRow { what: Thing, seq: i64 },
    #[error("{what} has a row, but the journal does not have it there")]
    SpareRow { what: Thing },
    #[error("{what} has {field} {found}, expected {expected}")]
    Row {
        what: Thing,
        field: &'static str,
        found: String,
        expected: String,
    },
    #[error("no member is an owner")]
    NoOwner,

    // What belongs to no vault.
    #[error("epoch has {rows} rows, expected one")]
    Epoch { rows: u64 },
    #[error("the answer to {path}, kept for user {user}, cannot be read: {why}")]
    UnreadableAnswer {
        path: String,
        user: String,
        why: String,
    },
    #[error(
        "the answer to {path}, kept for user {user}, says {field} {found}, expected {expected}"
    )]
    Answer {
        path: String,
        user: String,
        field: &'static str,
        found: String,
        expected: String,
    },
}

/// What a contradiction is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Thing {
    Vault,
    Source(String),
    Member(String),
}

impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("the vault"),
            Self::Source(id) => write!(f, "source {id}"),
            Self::Member(user) => write!(f, "member {user}"),
        }
    }
}

/// A contradiction, and in which vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// None for what belongs to no vault.
    pub vault: Option<String>,
    pub contradiction: Contradiction,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.vault {
            Some(vault) => write!(f, "vault {vault}: {}", self.contradiction),
            None => self.contradiction.fmt(f),
        }
    }
}

/// The first contradictions, and how many there are.
#[derive(Debug, Default)]
pub struct Findings {
    first: Vec<Finding>,
    count: u64,
}

impl Findings {
    /// One more.
    pub fn add(&mut self, vault: Option<&str>, contradiction: Contradiction) {
        self.count += 1;
        if self.first.len() < TOLD {
            self.first.push(Finding {
                vault: vault.map(str::to_owned),
                contradiction,
            });
        }
    }

    /// The first of them.
    pub fn first(&self) -> &[Finding] {
        &self.first
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", counted(self.count, "contradiction"))?;
        for finding in &self.first {
            write!(f, "\n  {finding}")?;
        }
        match self.count - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// So many of something.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// A time as the contract spells it; any number may stand in a damaged row.
pub(super) fn time(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).map_or_else(
        || millis.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}
