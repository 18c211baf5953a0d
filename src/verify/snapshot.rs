//! Reads a whole database from one snapshot, on a read-only connection. Other programs may write to the database meanwhile.

use std::{collections::HashMap, time::Duration};

use entity::{epoch, event, head, idempotency_key, member, source, vault};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait,
    FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use crate::journal::{MigrationStatus, SessionSettings, begin_read, connect_once, migration_steps};

use super::{
    answers::{self, AnswerContext},
    error::VerifyError,
};

/// How many rows one query returns.
const PAGE: u64 = 500;

/// How long to wait for a lock of another client or for the connection.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A consistent view of a database.
pub(super) struct Snapshot {
    connection: DatabaseConnection,
    txn: DatabaseTransaction,
}

/// A row of `vaults` with the vault's head, which may be missing in a damaged database.
pub(super) struct VaultWithHead {
    pub row: vault::Model,
    pub head: Option<i64>,
}

impl Snapshot {
    /// Opens an existing database.
    ///
    /// # Errors
    /// When it does not answer, is not a vaultcast database, or has other migrations than this program.
    pub(super) async fn open(url: &str, schema: Option<&str>) -> Result<Self, VerifyError> {
        let settings = SessionSettings::for_journal(schema);
        let connection = connect_once(url, TIMEOUT, Some(settings), |sqlite| {
            sqlite.read_only(true).pragma("query_only", "ON")
        })
        .await?;
        let txn = begin_read(&connection).await?;
        let snapshot = Self { connection, txn };
        snapshot.check_migrations().await?;
        Ok(snapshot)
    }

    /// Ends the transaction and closes the connection.
    ///
    /// # Errors
    /// When the connection fails.
    pub(super) async fn close(self) -> Result<(), DbErr> {
        self.txn.rollback().await?;
        self.connection.close().await
    }

    async fn check_migrations(&self) -> Result<(), VerifyError> {
        let steps = migration_steps(&self.txn).await?;
        let has = |status| steps.iter().find(|step| step.status == status);
        if has(MigrationStatus::Applied).is_none() {
            return Err(VerifyError::NotVaultcast);
        }
        if let Some(newer) = has(MigrationStatus::Unknown) {
            return Err(VerifyError::Newer(newer.name.clone()));
        }
        match has(MigrationStatus::Pending) {
            Some(pending) => Err(VerifyError::Pending(pending.name.clone())),
            None => Ok(()),
        }
    }

    /// Returns a page of vaults in the order of their ids, starting after the id `after`.
    pub(super) async fn vaults(&self, after: &str) -> Result<Vec<VaultWithHead>, DbErr> {
        let rows = vault::Entity::find()
            .filter(vault::Column::Id.gt(after))
            .order_by_asc(vault::Column::Id)
            .limit(PAGE)
            .all(&self.txn)
            .await?;
        self.with_heads(rows).await
    }

    /// Returns one vault.
    pub(super) async fn vault(&self, id: &str) -> Result<Option<VaultWithHead>, DbErr> {
        let row = vault::Entity::find_by_id(id).one(&self.txn).await?;
        let found = self.with_heads(row.into_iter().collect()).await?;
        Ok(found.into_iter().next())
    }

    async fn with_heads(&self, rows: Vec<vault::Model>) -> Result<Vec<VaultWithHead>, DbErr> {
        let ids = rows.iter().map(|row| row.id.clone());
        let heads: HashMap<_, _> = head::Entity::find()
            .filter(head::Column::VaultId.is_in(ids))
            .all(&self.txn)
            .await?
            .into_iter()
            .map(|row| (row.vault_id, row.head))
            .collect();
        let with_head = |row: vault::Model| {
            let head = heads.get(&row.id).copied();
            VaultWithHead { row, head }
        };
        Ok(rows.into_iter().map(with_head).collect())
    }

    /// Returns a page of a vault's events, oldest first, after the seq `after` or from the start.
    pub(super) async fn events(
        &self,
        vault: &str,
        after: Option<i64>,
    ) -> Result<Vec<event::Model>, DbErr> {
        let mut events = event::Entity::find().filter(event::Column::VaultId.eq(vault));
        if let Some(after) = after {
            events = events.filter(event::Column::Seq.gt(after));
        }
        let events = events.order_by_asc(event::Column::Seq).limit(PAGE);
        events.all(&self.txn).await
    }

    /// Returns a page of a vault's sources in the order of `created_seq`, which is unique, after the seq `after`.
    pub(super) async fn sources(
        &self,
        vault: &str,
        after: Option<i64>,
    ) -> Result<Vec<source::Model>, DbErr> {
        let mut sources = source::Entity::find().filter(source::Column::VaultId.eq(vault));
        if let Some(after) = after {
            sources = sources.filter(source::Column::CreatedSeq.gt(after));
        }
        let sources = sources.order_by_asc(source::Column::CreatedSeq).limit(PAGE);
        sources.all(&self.txn).await
    }

    /// Returns a page of a vault's members in the order of their user ids, starting after the id `after`.
    pub(super) async fn members(
        &self,
        vault: &str,
        after: &str,
    ) -> Result<Vec<member::Model>, DbErr> {
        member::Entity::find()
            .filter(member::Column::VaultId.eq(vault))
            .filter(member::Column::UserId.gt(after))
            .order_by_asc(member::Column::UserId)
            .limit(PAGE)
            .all(&self.txn)
            .await
    }

    /// Returns the ids of vaults that a table has rows of, but that have no row in `vaults`.
    pub(super) async fn vaults_without_row(
        &self,
        table: &'static str,
    ) -> Result<Vec<String>, DbErr> {
        #[derive(FromQueryResult)]
        struct VaultIdRow {
            vault_id: String,
        }
        let sql = format!(
            "SELECT DISTINCT vault_id FROM {table} t WHERE NOT EXISTS \
             (SELECT 1 FROM vaults v WHERE v.id = t.vault_id) ORDER BY vault_id"
        );
        let statement = Statement::from_string(self.txn.get_database_backend(), sql);
        let found = VaultIdRow::find_by_statement(statement)
            .all(&self.txn)
            .await?;
        Ok(found.into_iter().map(|row| row.vault_id).collect())
    }

    /// Returns the number of rows in `epoch`.
    pub(super) async fn epoch_rows(&self) -> Result<u64, DbErr> {
        epoch::Entity::find().count(&self.txn).await
    }

    /// Returns a page of remembered answers in the order of their keys, starting after the row `after`.
    pub(super) async fn answers(
        &self,
        after: Option<&idempotency_key::Model>,
    ) -> Result<Vec<idempotency_key::Model>, DbErr> {
        let (user, path, key) = after.map_or(("", "", ""), |row| {
            (&row.user_id[..], &row.path[..], &row.key[..])
        });
        let sql = format!(
            "SELECT * FROM idempotency_keys WHERE (user_id, path, key) > ($1, $2, $3) \
             ORDER BY user_id, path, key LIMIT {PAGE}"
        );
        let values = [user.into(), path.into(), key.into()];
        let backend = self.txn.get_database_backend();
        let statement = Statement::from_sql_and_values(backend, sql, values);
        idempotency_key::Model::find_by_statement(statement)
            .all(&self.txn)
            .await
    }

    /// Returns the rows that these answers refer to.
    pub(super) async fn answer_context(
        &self,
        rows: &[idempotency_key::Model],
    ) -> Result<AnswerContext, DbErr> {
        let mut context = AnswerContext::default();
        for row in rows {
            let Some(id) = answers::vault_of_answer(row) else {
                continue;
            };
            if !context.vaults.contains_key(&id)
                && let Some(vault) = self.vault(&id).await?
            {
                let vault_id = id.clone();
                let head = vault.head.map(|head| head::Model { vault_id, head });
                context.heads.extend(head.map(|head| (id.clone(), head)));
                context.vaults.insert(id.clone(), vault.row);
            }
            let key = (id, row.seq);
            if let Some(event) = event::Entity::find_by_id(key.clone())
                .one(&self.txn)
                .await?
            {
                context.events.insert(key, event);
            }
        }
        Ok(context)
    }
}
