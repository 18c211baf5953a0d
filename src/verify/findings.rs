//! Contradictions in a database, with messages that name the affected row.

use std::fmt;

use chrono::{DateTime, SecondsFormat};
use thiserror::Error;

use crate::domain::Role;

/// How many contradictions are listed. The others are only counted.
const MAX_LISTED: usize = 10;

/// Two parts of the database that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Contradiction {
    // The journal as a whole.
    #[error("no row in vault_heads")]
    NoHead,
    #[error("{table} has rows of this vault, but vaults has none")]
    MissingVault { table: &'static str },
    #[error("the head is {head}, but there are no events; the newest event is never trimmed")]
    NoEvents { head: i64 },
    #[error("the head is {head}, but the journal ends at {last}")]
    HeadAhead { head: i64, last: i64 },
    #[error("the head is {head}, but the journal continues to {last}")]
    HeadBehind { head: i64, last: i64 },
    #[error("an event has seq {seq}, but the first seq is 1")]
    SeqBelowFirst { seq: i64 },
    #[error("event {expected} is missing; the next event is {found}")]
    Gap { expected: i64, found: i64 },

    // The content of an event.
    #[error("event {seq} has the unknown kind {kind:?}")]
    UnknownKind { seq: i64, kind: String },
    #[error("event {seq} is not a valid {kind}: {reason}")]
    UnreadableEvent {
        seq: i64,
        kind: &'static str,
        reason: String,
    },
    #[error("event {seq} has {field} {found}, expected {expected}")]
    EventField {
        seq: i64,
        field: &'static str,
        found: String,
        expected: String,
    },

    // An event compared with the events before it.
    #[error("event {seq} ({kind}) refers to {subject}, which does not exist at this seq")]
    NotFound {
        seq: i64,
        kind: &'static str,
        subject: FindingSubject,
    },
    #[error("event {seq} ({kind}) adds {subject}, which already exists at this seq")]
    AlreadyExists {
        seq: i64,
        kind: &'static str,
        subject: FindingSubject,
    },
    #[error("event {seq} has the actor {user}, but this user is not a member at this seq")]
    ActorNotMember { seq: i64, user: String },
    #[error("event {seq} gives the role of user {user} as {found}, expected {expected}")]
    EventRole {
        seq: i64,
        user: String,
        found: Role,
        expected: Role,
    },
    #[error("event {seq} ({kind}) has the actor {user}, whose role {role} does not permit it")]
    NotPermitted {
        seq: i64,
        kind: &'static str,
        user: String,
        role: Role,
    },
    #[error("event {seq} removes the last owner, user {user}")]
    LastOwner { seq: i64, user: String },
    #[error("event {seq} follows the deletion of the vault")]
    AfterDeletion { seq: i64 },

    // Rows compared with the journal.
    #[error("{subject} has no row, but exists in the journal since event {seq}")]
    MissingRow { subject: FindingSubject, seq: i64 },
    #[error("{subject} has a row, but does not exist in the journal")]
    UnexpectedRow { subject: FindingSubject },
    #[error("{subject} has {field} {found}, expected {expected}")]
    RowField {
        subject: FindingSubject,
        field: &'static str,
        found: String,
        expected: String,
    },
    #[error("the vault has no owner")]
    NoOwner,

    // Rows that belong to no vault.
    #[error("epoch has {rows} rows, expected one")]
    Epoch { rows: u64 },
    #[error("the answer to {path} for user {user} cannot be read: {reason}")]
    UnreadableAnswer {
        path: String,
        user: String,
        reason: String,
    },
    #[error("the answer to {path} for user {user} has {field} {found}, expected {expected}")]
    AnswerField {
        path: String,
        user: String,
        field: &'static str,
        found: String,
        expected: String,
    },
}

/// The object that a contradiction refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FindingSubject {
    Vault,
    /// A source, by id.
    Source(String),
    /// A member, by user id.
    Member(String),
}

impl fmt::Display for FindingSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault => f.write_str("the vault"),
            Self::Source(id) => write!(f, "source {id}"),
            Self::Member(user) => write!(f, "member {user}"),
        }
    }
}

/// A contradiction and its vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `None` for rows that belong to no vault.
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

/// The first contradictions, and the number of all.
#[derive(Debug, Default)]
pub struct Findings {
    first: Vec<Finding>,
    count: u64,
}

impl Findings {
    /// Adds a contradiction.
    pub fn add(&mut self, vault: Option<&str>, contradiction: Contradiction) {
        self.count += 1;
        if self.first.len() < MAX_LISTED {
            self.first.push(Finding {
                vault: vault.map(str::to_owned),
                contradiction,
            });
        }
    }

    /// Returns the first contradictions.
    pub fn first(&self) -> &[Finding] {
        &self.first
    }

    /// Returns the number of all contradictions.
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", pluralize(self.count, "contradiction"))?;
        for finding in &self.first {
            write!(f, "\n  {finding}")?;
        }
        match self.count - self.first.len() as u64 {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// Returns a count with its noun in singular or plural.
pub(super) fn pluralize(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Returns a time in the contract's format, or the number itself when it is out of range.
pub(super) fn format_time(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis).map_or_else(
        || millis.to_string(),
        |time| time.to_rfc3339_opts(SecondsFormat::Millis, true),
    )
}
