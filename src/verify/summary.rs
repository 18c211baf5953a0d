//! One-line summaries of verified vaults and of the whole database.

use std::fmt;

use super::findings::pluralize;

/// How much of a vault was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VerifiedRange {
    /// All events from the first.
    Complete,
    /// The events from this seq. Those before it were trimmed; their effects are taken as given.
    From(i64),
    /// None: the vault was deleted and its journal purged.
    Purged,
    /// The vault has this number of contradictions.
    Contradicted(u64),
}

/// The seqs of the first and the last event that the journal contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSpan {
    pub first: i64,
    pub last: i64,
}

/// The result for one vault.
#[derive(Clone, Debug)]
pub struct VaultSummary {
    pub vault: String,
    pub name: String,
    pub is_deleted: bool,
    pub head: Option<i64>,
    pub span: Option<EventSpan>,
    pub events: u64,
    pub members: u64,
    pub sources: u64,
    pub verified: VerifiedRange,
}

impl fmt::Display for VaultSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Debug format escapes line breaks in the name.
        write!(f, "vault {} {:?}", self.vault, self.name)?;
        if self.is_deleted {
            f.write_str(", deleted")?;
        }
        match self.span {
            Some(EventSpan { first, last }) => write!(f, ": events {first} to {last}")?,
            None => f.write_str(": no events")?,
        }
        match self.head {
            Some(head) => write!(f, ", head {head}")?,
            None => f.write_str(", no head")?,
        }
        let members = pluralize(self.members, "member");
        let sources = pluralize(self.sources, "source");
        write!(f, ", {members}, {sources}: ")?;
        match self.verified {
            VerifiedRange::Complete => f.write_str("verified from the first event"),
            VerifiedRange::From(seq) => write!(f, "verified from seq {seq} (trimmed)"),
            VerifiedRange::Purged => f.write_str("purged, nothing to verify"),
            VerifiedRange::Contradicted(count) => f.write_str(&pluralize(count, "contradiction")),
        }
    }
}

/// The numbers of verified objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerifyTotals {
    pub vaults: u64,
    pub events: u64,
    /// Remembered answers.
    pub answers: u64,
}

impl fmt::Display for VerifyTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}",
            pluralize(self.vaults, "vault"),
            pluralize(self.events, "event"),
            pluralize(self.answers, "remembered answer")
        )
    }
}
