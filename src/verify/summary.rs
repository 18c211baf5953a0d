//! What a proof came to, in one line.

use std::fmt;

use super::contradiction::counted;

/// How far a vault could be proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From its first event on.
    Whole,
    /// From this event on: those before it were trimmed, and what they did is taken as given.
    From(i64),
    /// It was deleted, and its journal has gone.
    Buried,
    /// It contradicts itself so often.
    Contradicted(u64),
}

/// One vault that was looked at.
#[derive(Clone, Debug)]
pub struct Summary {
    pub vault: String,
    pub name: String,
    pub is_deleted: bool,
    pub head: Option<i64>,
    /// The first event that is kept, and the last.
    pub kept: Option<(i64, i64)>,
    pub events: u64,
    pub members: u64,
    pub sources: u64,
    pub reach: Reach,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whatever is in a name, the line stays one.
        write!(f, "vault {} {:?}", self.vault, self.name)?;
        if self.is_deleted {
            f.write_str(", deleted")?;
        }
        match self.kept {
            Some((first, last)) => write!(f, ": events {first} to {last}")?,
            None => f.write_str(": no events")?,
        }
        match self.head {
            Some(head) => write!(f, ", head {head}")?,
            None => f.write_str(", no head")?,
        }
        let (members, sources) = (self.members, self.sources);
        write!(
            f,
            ", {}, {}: ",
            counted(members, "member"),
            counted(sources, "source")
        )?;
        match self.reach {
            Reach::Whole => f.write_str("proven whole"),
            Reach::From(seq) => write!(f, "proven from seq {seq} (trimmed)"),
            Reach::Buried => f.write_str("nothing left to prove"),
            Reach::Contradicted(count) => f.write_str(&counted(count, "contradiction")),
        }
    }
}

/// All that was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub vaults: u64,
    pub events: u64,
    /// Remembered answers.
    pub answers: u64,
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, {}, {}",
            counted(self.vaults, "vault"),
            counted(self.events, "event"),
            counted(self.answers, "remembered answer")
        )
    }
}
