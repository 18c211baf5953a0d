//! Whether a commit happened that nobody heard the end of: a row of it tells, for a transaction is in the database
//! whole or not at all.

use std::time::{Duration, Instant};

use entity::event;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter};
use tracing::debug;

use crate::domain::VaultId;

use super::{
    lookup,
    record::Record,
    statements::execute,
    writer::{Purpose, Writer},
};

/// For how long, and how long apart, the database is asked. Each question may take as long as a connection is waited for,
/// and meanwhile nobody else writes on this one.
const ASKED_FOR: Duration = Duration::from_secs(10);
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(500);

/// A row that is in the database exactly when its transaction is.
#[derive(Debug)]
pub(super) enum Witness {
    /// An event of a vault.
    Event(VaultId, Record),
    /// A new vault.
    Vault(VaultId),
}

impl Witness {
    /// Whether its transaction was committed; `None` when the database does not answer, or keeps the event of that place no
    /// longer, whoever's it was.
    pub(super) async fn ask(&self, writer: &Writer) -> Option<bool> {
        let begun = Instant::now();
        while begun.elapsed() < ASKED_FOR {
            match self.look(writer).await {
                Ok(found) => return found,
                Err(error) => debug!(%error, "the database does not answer yet"),
            }
            writer.renew().await;
            tokio::time::sleep(BETWEEN_QUESTIONS).await;
        }
        None
    }

    /// Tries to write a row of the same key: should that commit still be under way, the database waits for its end
    /// before it says whether there is one.
    async fn look(&self, writer: &Writer) -> Result<Option<bool>, DbErr> {
        writer.begin(Purpose::Write).await?;
        let found = self.look_in(writer).await;
        writer.rollback().await;
        found
    }

    async fn look_in(&self, txn: &impl ConnectionTrait) -> Result<Option<bool>, DbErr> {
        match self {
            Self::Event(vault, record) => {
                let sql = "INSERT INTO vault_events (vault_id, seq, kind, payload, created_at) \
                     VALUES ($1, $2, '', '', 0) ON CONFLICT (vault_id, seq) DO NOTHING";
                let seq = record.seq.to_row();
                if execute(txn, sql, [vault.as_str().into(), seq.into()]).await? == 1 {
                    let head = lookup::head(txn, vault).await?;
                    return Ok(head.filter(|head| *head < record.seq).map(|_| false));
                }
                // Another process may have written its own event there.
                let ours = event::Entity::find_by_id((vault.to_string(), seq))
                    .filter(event::Column::Payload.eq(record.payload.as_ref()))
                    .one(txn)
                    .await?;
                Ok(Some(ours.is_some()))
            }
            Self::Vault(id) => {
                let sql = "INSERT INTO vault_heads (vault_id, head) VALUES ($1, 0) \
                     ON CONFLICT (vault_id) DO NOTHING";
                Ok(Some(execute(txn, sql, [id.as_str().into()]).await? == 0))
            }
        }
    }
}
