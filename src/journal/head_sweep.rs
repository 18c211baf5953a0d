//! The query of a sweep: which vaults have other heads than this node knows, the epoch, and the time. PostgreSQL only, because a
//! SQLite file belongs to one process.

use std::fmt::Write;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

use crate::domain::{Seq, Timestamp, VaultHead, VaultId};

use super::{database, error::JournalError, handle::Journal};

/// Ids and heads are passed as two texts with commas: arrays would need a further feature of the driver, and one parameter for
/// each vault would make a text of its own for each number of vaults.
const QUERY: &str = "\
    SELECT known.id AS id, heads.head AS head, known.head AS known \
    FROM unnest(string_to_array($1, ','), string_to_array($2, ',')::bigint[]) AS known(id, head) \
    LEFT JOIN vault_heads heads ON heads.vault_id = known.id \
    WHERE heads.head IS DISTINCT FROM known.head \
    UNION ALL SELECT value, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, NULL \
    FROM epoch WHERE id = 1";

/// The heads that differ from those that a node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct JournalHeads {
    pub epoch: String,
    /// The journal's heads of the vaults for which an older one was given.
    pub changed: Vec<VaultHead>,
    /// The vaults for which a newer head was given than the journal has, and those that it does not have: another database was
    /// put back, unless the vault was loaded again since its head was given.
    pub rewound: Vec<VaultId>,
}

impl Journal {
    /// Returns which of these heads are not the journal's, and the epoch, by one query. Also reads the clock of the database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn changed_heads(&self, known: &[VaultHead]) -> Result<JournalHeads, JournalError> {
        let (mut ids, mut heads) = (String::new(), String::new());
        for (position, VaultHead { vault, head }) in known.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            // Writing to a string does not fail.
            let _ = write!(ids, "{comma}{vault}");
            let _ = write!(heads, "{comma}{}", head.0);
        }
        // On a connection that no join uses: a burst of joins must not delay events whose hints were lost.
        let probe = &self.database().probe;
        let swept = probe.run(|db| async move { sweep(&db, ids, heads).await });
        let SweptHeads { heads, at } = swept.await?;
        self.clock.record(at);
        Ok(heads)
    }
}

/// What a sweep has read.
struct SweptHeads {
    heads: JournalHeads,
    /// The time of the database.
    at: Timestamp,
}

async fn sweep(db: &DatabaseConnection, ids: String, heads: String) -> Result<SweptHeads, DbErr> {
    let values = [ids.into(), heads.into()];
    let query = Statement::from_sql_and_values(DbBackend::Postgres, QUERY, values);
    let mut found = JournalHeads::default();
    let mut at = None;
    for row in db.query_all_raw(query).await? {
        let id: String = row.try_get("", "id")?;
        let head: Option<i64> = row.try_get("", "head")?;
        let known: Option<i64> = row.try_get("", "known")?;
        match (known, head) {
            (Some(known), Some(head)) if head > known => found.changed.push(VaultHead {
                vault: VaultId::from_row(id),
                head: Seq::from_row(head),
            }),
            (Some(_), _) => found.rewound.push(VaultId::from_row(id)),
            (None, time) => {
                found.epoch = id;
                at = time.map(Timestamp);
            }
        }
    }
    // Without an epoch, the database is being put back.
    let at = at.ok_or_else(database::no_epoch)?;
    Ok(SweptHeads { heads: found, at })
}
