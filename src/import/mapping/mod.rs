//! What the rows of the application become: the checks of each column, without I/O.
//!
//! Texts are checked and trimmed as the API does it. A row has the first problem that is found.

use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::{
    auth::parse_stored_time,
    config::{ColumnName, ImportConfig},
    contract::validation::check,
    domain::{NewSource, Role, SourceId, Timestamp, UserId, VaultId, ids::MembershipId},
};

use super::{
    application_table::ApplicationTable,
    raw_row::{RawRow, RawValue},
    refusal::{RefusalReason, RowRefusal},
};

/// The first millisecond of the year 10000, which ISO 8601 does not write with four digits.
const END_OF_TIME: i64 = 253_402_300_800_000;

/// When a row was made and last changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowTimes {
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A user as it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImportedUser {
    pub id: UserId,
    pub name: Option<String>,
    pub email: Option<String>,
    pub created_at: Timestamp,
}

/// A vault as it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImportedVault {
    pub id: VaultId,
    pub name: String,
    pub times: RowTimes,
}

/// A member as it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImportedMember {
    /// A new id if the application's table has none.
    pub id: MembershipId,
    pub user: UserId,
    pub role: Role,
    pub times: RowTimes,
}

/// A source as it is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImportedSource {
    pub id: SourceId,
    pub content: NewSource,
    pub times: RowTimes,
}

/// Converts the rows of one application.
pub(super) struct Mapping<'a> {
    pub config: &'a ImportConfig,
    /// The time of creation of rows without one.
    pub now: Timestamp,
}

impl Mapping<'_> {
    /// Converts a user. Name and email are cut and dropped as those of sessions are.
    pub(super) fn user(&self, row: &RawRow) -> Result<ImportedUser, RowRefusal> {
        let columns = self.columns(ApplicationTable::Users, row);
        let id = columns.required(0)?;
        let id = UserId::new(id).ok_or_else(|| {
            let column = columns.name(0);
            columns.refuse(RefusalReason::NotUserId { column }, Some(id))
        })?;
        let (name, email) = (columns.optional(1)?, columns.optional(2)?);
        Ok(ImportedUser {
            id,
            name: name.and_then(|text| bounded(text, check::MAX_NAME_CHARS)),
            email: email.and_then(|text| bounded(text, check::MAX_EMAIL_CHARS)),
            created_at: columns.time(3)?.unwrap_or(self.now),
        })
    }

    /// Converts a vault.
    pub(super) fn vault(&self, row: &RawRow) -> Result<ImportedVault, RowRefusal> {
        let columns = self.columns(ApplicationTable::Vaults, row);
        Ok(ImportedVault {
            id: columns.cuid(0, VaultId::parse)?,
            name: columns.checked(1, check::name)?,
            times: columns.times(2, self.now)?,
        })
    }

    /// Converts a member of a vault that is taken.
    pub(super) fn member(&self, row: &RawRow) -> Result<ImportedMember, RowRefusal> {
        let columns = self.columns(ApplicationTable::Members, row);
        let id = match columns.optional(0)? {
            Some(_) => columns.cuid(0, MembershipId::parse)?,
            None => MembershipId::generate(),
        };
        let user = columns.required(2)?;
        let user = UserId::new(user).ok_or_else(|| {
            let column = columns.name(2);
            columns.refuse(RefusalReason::NotUserId { column }, Some(user))
        })?;
        let role = columns.required(3)?;
        // Prisma's enums are usually written in upper case.
        let role = role.to_ascii_lowercase().parse().map_err(|()| {
            let column = columns.name(3);
            columns.refuse(RefusalReason::UnknownRole { column }, Some(role))
        })?;
        let times = columns.times(4, self.now)?;
        Ok(ImportedMember {
            id,
            user,
            role,
            times,
        })
    }

    /// Converts a source of a vault that is taken.
    pub(super) fn source(&self, row: &RawRow) -> Result<ImportedSource, RowRefusal> {
        let columns = self.columns(ApplicationTable::Sources, row);
        let file_size = match columns.optional(5)? {
            Some(text) => {
                let number = serde_json::from_str(text).ok().filter(Value::is_number);
                let checked = check::file_size(&number.unwrap_or(Value::Null));
                Some(checked.map_err(|message| columns.invalid(5, message))?)
            }
            None => None,
        };
        let media_type = columns.optional(6)?.map_or(Value::Null, Value::from);
        Ok(ImportedSource {
            id: columns.cuid(0, SourceId::parse)?,
            content: NewSource {
                title: columns.checked(2, check::title)?,
                file_url: columns.checked(3, check::file_url)?,
                file_key: columns
                    .optional(4)?
                    .map(|_| columns.checked(4, check::file_key))
                    .transpose()?,
                file_size,
                mime_type: check::mime_type(&media_type)
                    .map_err(|message| columns.invalid(6, message))?,
            },
            times: columns.times(7, self.now)?,
        })
    }

    /// Returns the refusal of a row for a reason that does not lie in the row alone.
    pub(super) fn refusal(
        &self,
        table: ApplicationTable,
        row: &RawRow,
        reason: RefusalReason,
    ) -> RowRefusal {
        self.columns(table, row).refuse(reason, None)
    }

    fn columns<'a>(&'a self, table: ApplicationTable, row: &'a RawRow) -> RowColumns<'a> {
        RowColumns {
            table,
            names: table.columns(self.config),
            row,
        }
    }
}

/// The columns of one row, by position.
struct RowColumns<'a> {
    table: ApplicationTable,
    names: &'a [ColumnName],
    row: &'a RawRow,
}

impl<'a> RowColumns<'a> {
    fn name(&self, index: usize) -> String {
        self.names[index].to_string()
    }

    /// Returns the text of a column, `None` for NULL.
    fn optional(&self, index: usize) -> Result<Option<&'a str>, RowRefusal> {
        match &self.row.columns[index] {
            RawValue::Text(text) => Ok(Some(text)),
            RawValue::Null => Ok(None),
            RawValue::NotText => {
                let column = self.name(index);
                Err(self.refuse(RefusalReason::NotText { column }, None))
            }
        }
    }

    /// Returns the text of a column that must not be NULL.
    fn required(&self, index: usize) -> Result<&'a str, RowRefusal> {
        self.optional(index)?
            .ok_or_else(|| self.invalid(index, "is NULL".to_owned()))
    }

    fn cuid<T>(&self, index: usize, parse: fn(&str) -> Option<T>) -> Result<T, RowRefusal> {
        let text = self.required(index)?;
        parse(text).ok_or_else(|| {
            let column = self.name(index);
            self.refuse(RefusalReason::NotCuid { column }, None)
        })
    }

    /// Returns the value that a check of the API accepts.
    fn checked<T>(
        &self,
        index: usize,
        check: impl Fn(&Value) -> Result<T, String>,
    ) -> Result<T, RowRefusal> {
        let text = self.required(index)?;
        check(&Value::from(text)).map_err(|message| self.invalid(index, message))
    }

    /// Returns the times of creation and of the last change, which stand in this column and the next.
    fn times(&self, index: usize, now: Timestamp) -> Result<RowTimes, RowRefusal> {
        let created_at = self.time(index)?.unwrap_or(now);
        let updated_at = self.time(index + 1)?.unwrap_or(created_at);
        Ok(RowTimes {
            created_at,
            updated_at,
        })
    }

    fn time(&self, index: usize) -> Result<Option<Timestamp>, RowRefusal> {
        let Some(text) = self.optional(index)? else {
            return Ok(None);
        };
        let time = parse_stored_time(text).and_then(|time| {
            let since = time.duration_since(UNIX_EPOCH).ok()?;
            i64::try_from(since.as_millis()).ok()
        });
        let time = time.filter(|time| *time < END_OF_TIME).ok_or_else(|| {
            let column = self.name(index);
            self.refuse(RefusalReason::NotTime { column }, Some(text))
        })?;
        Ok(Some(Timestamp(time)))
    }

    fn invalid(&self, index: usize, message: String) -> RowRefusal {
        let column = self.name(index);
        self.refuse(RefusalReason::InvalidValue { column, message }, None)
    }

    /// Returns the refusal of the row, with the value that is wrong if it is worth showing.
    fn refuse(&self, reason: RefusalReason, value: Option<&str>) -> RowRefusal {
        let text = |index: usize| self.row.text(index).unwrap_or("NULL");
        let id = match (self.table, self.row.text(0)) {
            (ApplicationTable::Members, None) => format!("vault {}, user {}", text(1), text(2)),
            (ApplicationTable::Sources, id) => {
                format!("{} (vault {})", id.unwrap_or("NULL"), text(1))
            }
            (_, id) => id.unwrap_or("NULL").to_owned(),
        };
        let row = match value {
            Some(value) if value != id => format!("{id}: {value:?}"),
            Some(_) | None => id,
        };
        RowRefusal {
            table: self.table,
            reason,
            row,
        }
    }
}

/// Returns a text cut to its bound; `None` for one with U+0000, which PostgreSQL cannot store.
fn bounded(text: &str, max_chars: usize) -> Option<String> {
    (!text.contains('\0')).then(|| text.chars().take(max_chars).collect())
}

#[cfg(test)]
mod tests;
