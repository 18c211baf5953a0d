//! Rows that cannot be taken, by reason.

use std::{collections::BTreeMap, fmt};

use super::application_table::ApplicationTable;

/// How many rows are named for one reason.
const NAMED_ROWS: usize = 10;

/// The longest name of a row in a report, in characters.
const MAX_NAME_CHARS: usize = 80;

/// Why a row cannot be taken. Columns have the names that the configuration gives them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RefusalReason {
    /// The id has a form that the contract does not allow.
    NotCuid { column: String },
    /// The id of a user has a form that the contract does not allow.
    NotUserId { column: String },
    /// The role is none of the contract's.
    UnknownRole { column: String },
    /// The value is not as the API would accept it.
    InvalidValue { column: String, message: String },
    /// The value is no time between 1970 and 9999.
    NotTime { column: String },
    /// The bytes are not UTF-8.
    NotText { column: String },
    /// The vault is not in the application's table.
    MissingVault,
    /// The vault was refused, and with it everything that belongs to it.
    RefusedVault,
    /// The vault has no member who may become its owner.
    NoOwner,
    /// An earlier row has the same id.
    DuplicateId,
    /// An earlier row has the same vault and user.
    DuplicateMembership,
    /// Another vault has a row with the same id.
    IdTaken,
    /// The row is not in the vault, which was deleted through the service.
    DeletedVault,
    /// The row is not in the vault, which users have changed through the service since the last import.
    ChangedVault,
}

impl fmt::Display for RefusalReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCuid { column } => write!(
                f,
                "{column} is not a cuid (c and 8 to 31 lower case letters or digits)"
            ),
            Self::NotUserId { column } => {
                write!(f, "{column} is not 1 to 128 visible ASCII characters")
            }
            Self::UnknownRole { column } => {
                write!(f, "{column} is not owner, contributor or viewer")
            }
            Self::InvalidValue { column, message } => write!(f, "{column} {message}"),
            Self::NotTime { column } => write!(f, "{column} is not a time before the year 10000"),
            Self::NotText { column } => write!(f, "{column} is not text in UTF-8"),
            Self::MissingVault => f.write_str("the vault does not exist"),
            Self::RefusedVault => f.write_str("the vault was refused"),
            Self::NoOwner => {
                f.write_str("the vault has no owner among the members that can be taken")
            }
            Self::DuplicateId => f.write_str("an earlier row has the same id"),
            Self::DuplicateMembership => f.write_str("an earlier row has the same vault and user"),
            Self::IdTaken => f.write_str("the id belongs to a row of another vault"),
            Self::DeletedVault => f.write_str("the vault was deleted through the service"),
            Self::ChangedVault => f.write_str(
                "new since the last import, but users have changed the vault through the service",
            ),
        }
    }
}

/// A row that cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRefusal {
    pub table: ApplicationTable,
    pub reason: RefusalReason,
    /// The id of the row, or what stands in its place, and the value that is wrong.
    pub row: String,
}

/// Counts of refused rows by table and reason, and the first rows of each.
#[derive(Debug, Default)]
pub struct RowRefusals {
    by_reason: BTreeMap<(ApplicationTable, RefusalReason), ReasonRows>,
}

#[derive(Debug, Default)]
struct ReasonRows {
    count: u64,
    /// The first ones.
    named: Vec<String>,
}

impl RowRefusals {
    /// Adds a row.
    pub(super) fn add(&mut self, refusal: RowRefusal) {
        let RowRefusal { table, reason, row } = refusal;
        let rows = self.by_reason.entry((table, reason)).or_default();
        rows.count += 1;
        if rows.named.len() < NAMED_ROWS {
            rows.named.push(printable(&row));
        }
    }

    /// Returns the number of refused rows of a table.
    pub fn of_table(&self, table: ApplicationTable) -> u64 {
        let rows = self.by_reason.iter();
        let rows = rows.filter(|((of, _), _)| *of == table);
        rows.map(|(_, rows)| rows.count).sum()
    }

    /// Returns the number of all refused rows.
    pub fn count(&self) -> u64 {
        self.by_reason.values().map(|rows| rows.count).sum()
    }
}

/// One line for each reason, followed by the first rows.
impl fmt::Display for RowRefusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((table, reason), ReasonRows { count, named }) in &self.by_reason {
            writeln!(f, "refused {count} of the {}: {reason}", table.plural())?;
            for row in named {
                writeln!(f, "  {row}")?;
            }
            let more = count - named.len() as u64;
            if more > 0 {
                writeln!(f, "  and {more} more")?;
            }
        }
        Ok(())
    }
}

/// Returns the name of a row in one line, without control characters, and not too long.
fn printable(row: &str) -> String {
    let mut chars = row.chars();
    let mut text: String = chars
        .by_ref()
        .take(MAX_NAME_CHARS)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(row: String) -> RowRefusal {
        let column = "id".to_owned();
        RowRefusal {
            table: ApplicationTable::Sources,
            reason: RefusalReason::NotCuid { column },
            row,
        }
    }

    #[test]
    fn first_ten_rows_of_a_reason_are_named_and_the_others_counted() {
        let mut refusals = RowRefusals::default();
        for n in 1..=12 {
            refusals.add(refusal(format!("row-{n}")));
        }
        let text = refusals.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 12);
        assert_eq!(
            lines[0],
            "refused 12 of the sources: id is not a cuid (c and 8 to 31 lower case letters or digits)"
        );
        assert_eq!(
            (lines[1], lines[10], lines[11]),
            ("  row-1", "  row-10", "  and 2 more")
        );
        assert_eq!(
            (
                refusals.count(),
                refusals.of_table(ApplicationTable::Vaults)
            ),
            (12, 0)
        );
    }

    #[test]
    fn name_of_a_row_is_one_short_line() {
        assert_eq!(printable("a\nb\u{1b}[2J"), "a\u{fffd}b\u{fffd}[2J");
        assert_eq!(printable(&"ü".repeat(100)).chars().count(), 81);
    }
}
