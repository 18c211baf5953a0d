//! Updates and deletes existing rows of a vault.

use sea_orm::{DbErr, Value};

use crate::domain::{Membership, RowChanges, Source, SourceId, Timestamp, UserId, VaultId};

use super::{
    pending_rows::{VaultChanges, text},
    sql_executor::SqlExecutor,
    statements::execute,
};

/// Writes the changes of a batch to rows that existed before it.
///
/// # Errors
/// When the database rejects a statement, or a row to be changed does not exist.
pub(super) async fn write(txn: &impl SqlExecutor, changes: VaultChanges) -> Result<(), DbErr> {
    let VaultChanges { vault, rows, at } = changes;
    let RowChanges {
        sources_changed,
        members_changed,
        renamed,
        deleted,
        ..
    } = rows;
    let expected = sources_changed.len() + members_changed.len();
    let mut affected = 0;
    for (id, source) in sources_changed {
        affected += match source {
            Some(source) => update_source(txn, &vault.id, &id, source).await?,
            None => {
                let sql = "DELETE FROM sources WHERE id = $1 AND vault_id = $2";
                execute(txn, sql, [text(&id), text(&vault.id)]).await?
            }
        };
    }
    for (user, membership) in members_changed {
        affected += match membership {
            Some(membership) => update_member(txn, &vault.id, &user, membership, at).await?,
            None => {
                let sql = "DELETE FROM vault_users WHERE vault_id = $1 AND user_id = $2";
                execute(txn, sql, [text(&vault.id), text(&user)]).await?
            }
        };
    }
    if affected != expected as u64 {
        // The rows differ from what the batch was decided on: another program writes to the tables.
        let vault = &vault.id;
        return Err(DbErr::Custom(format!(
            "vault {vault}: {affected} of {expected} rows to change were found"
        )));
    }
    if renamed {
        let values = [
            vault.name.as_ref().into(),
            vault.updated_at.0.into(),
            text(&vault.id),
        ];
        let sql = "UPDATE vaults SET name = $1, updated_at = $2 WHERE id = $3";
        execute(txn, sql, values).await?;
    }
    if deleted {
        // The tombstone keeps its head and journal; all other rows are deleted.
        let sql = "UPDATE vaults SET deleted_at = $1 WHERE id = $2";
        execute(txn, sql, [at.0.into(), text(&vault.id)]).await?;
        let id = || [text(&vault.id)];
        execute(txn, "DELETE FROM sources WHERE vault_id = $1", id()).await?;
        execute(txn, "DELETE FROM vault_users WHERE vault_id = $1", id()).await?;
    }
    Ok(())
}

async fn update_source(
    txn: &impl SqlExecutor,
    vault: &VaultId,
    id: &SourceId,
    source: Source,
) -> Result<u64, DbErr> {
    let values: [Value; 9] = [
        source.title.into(),
        source.file_url.into(),
        source.file_key.into(),
        file_size(source.file_size).into(),
        source.mime_type.into(),
        source.seq.to_row().into(),
        source.updated_at.0.into(),
        text(id),
        text(vault),
    ];
    let sql = "UPDATE sources SET title = $1, file_url = $2, file_key = $3, file_size = $4, \
         mime_type = $5, seq = $6, updated_at = $7 WHERE id = $8 AND vault_id = $9";
    execute(txn, sql, values).await
}

async fn update_member(
    txn: &impl SqlExecutor,
    vault: &VaultId,
    user: &UserId,
    membership: Membership,
    at: Timestamp,
) -> Result<u64, DbErr> {
    let values = [
        membership.role.as_str().into(),
        membership.created_at.0.into(),
        at.0.into(),
        text(vault),
        text(user),
    ];
    let sql = "UPDATE vault_users SET role = $1, created_at = $2, updated_at = $3 \
         WHERE vault_id = $4 AND user_id = $5";
    execute(txn, sql, values).await
}

/// Converts a file size to its column.
pub(super) fn file_size(bytes: Option<u64>) -> Option<i64> {
    bytes.and_then(|bytes| i64::try_from(bytes).ok())
}
