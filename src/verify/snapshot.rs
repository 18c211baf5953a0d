//! One look at a whole database that somebody else may be writing to: a connection that cannot write, and one
//! transaction in which nothing moves.

use std::{collections::HashMap, time::Duration};

use entity::{epoch, event, head, idempotency_key, member, source, vault};
use migration::{Migrator, MigratorTrait, SchemaManager};
use sea_orm::{
    ColumnTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection,
    DatabaseTransaction, DbErr, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Statement,
};

use crate::journal::begin_read;

use super::{
    VerifyError,
    answers::{self, Ground},
};

/// How many rows are read at once.
const PAGE: u64 = 500;

/// How long somebody else's lock and a connection are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database as it stood at one moment.
pub(super) struct Snapshot {
    connection: DatabaseConnection,
    txn: DatabaseTransaction,
}

impl Snapshot {
    /// Looks at a database, which has to be there and to be of this program's making.
    ///
    /// # Errors
    /// When it does not answer, or another program or version made it.
    pub(super) async fn of(url: &str) -> Result<Self, VerifyError> {
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_timeout(PATIENCE)
            // All of it is one transaction on one connection, however long that takes.
            .idle_timeout(None)
            .max_lifetime(None)
            .sqlx_logging(false)
            .map_sqlx_sqlite_opts(|sqlite| {
                let sqlite = sqlite.create_if_missing(false).read_only(true);
                sqlite.busy_timeout(PATIENCE).pragma("query_only", "ON")
            });
        let connection = Database::connect(options).await?;
        let txn = begin_read(&connection).await?;
        let snapshot = Self { connection, txn };
        snapshot.is_ours().await?;
        Ok(snapshot)
    }

    /// Lets go of it.
    ///
    /// # Errors
    /// When the connection fails.
    pub(super) async fn close(self) -> Result<(), DbErr> {
        self.txn.rollback().await?;
        self.connection.close().await
    }

    async fn is_ours(&self) -> Result<(), VerifyError> {
        #[derive(FromQueryResult)]
        struct Applied {
            version: String,
        }
        let table = Migrator::migration_table_name().to_string();
        let schema = SchemaManager::new(&self.txn);
        if !schema.has_table(&table).await? {
            return Err(VerifyError::NotOurs);
        }
        let sql = format!("SELECT version FROM {table} ORDER BY version");
        let statement = Statement::from_string(self.txn.get_database_backend(), sql);
        let applied = Applied::find_by_statement(statement).all(&self.txn).await?;
        let applied: Vec<_> = applied.into_iter().map(|row| row.version).collect();
        let known: Vec<_> = Migrator::migrations()
            .iter()
            .map(|one| one.name().to_owned())
            .collect();
        if !applied.iter().any(|name| known.contains(name)) {
            return Err(VerifyError::NotOurs);
        }
        if let Some(name) = applied.into_iter().find(|name| !known.contains(name)) {
            return Err(VerifyError::Newer(name));
        }
        match Migrator::get_pending_migrations_read_only(&self.txn)
            .await?
            .first()
        {
            Some(pending) => Err(VerifyError::Pending(pending.name().to_owned())),
            None => Ok(()),
        }
    }

    /// A page of vaults with their heads, by id, after one.
    pub(super) async fn vaults(
        &self,
        after: &str,
    ) -> Result<Vec<(vault::Model, Option<i64>)>, DbErr> {
        let rows = vault::Entity::find()
            .filter(vault::Column::Id.gt(after))
            .order_by_asc(vault::Column::Id)
            .limit(PAGE)
            .all(&self.txn)
            .await?;
        self.with_heads(rows).await
    }

    /// One vault with its head.
    pub(super) async fn vault(
        &self,
        id: &str,
    ) -> Result<Option<(vault::Model, Option<i64>)>, DbErr> {
        let row = vault::Entity::find_by_id(id).one(&self.txn).await?;
        let found = self.with_heads(row.into_iter().collect()).await?;
        Ok(found.into_iter().next())
    }

    async fn with_heads(
        &self,
        rows: Vec<vault::Model>,
    ) -> Result<Vec<(vault::Model, Option<i64>)>, DbErr> {
        let ids = rows.iter().map(|row| row.id.clone());
        let heads: HashMap<_, _> = head::Entity::find()
            .filter(head::Column::VaultId.is_in(ids))
            .all(&self.txn)
            .await?
            .into_iter()
            .map(|row| (row.vault_id, row.head))
            .collect();
        let with = |row: vault::Model| {
            let head = heads.get(&row.id).copied();
            (row, head)
        };
        Ok(rows.into_iter().map(with).collect())
    }

    /// A page of a vault's events, oldest first; after a place, or from the very first.
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

    /// A page of a vault's sources, in the order of their creation, of which no two have the same.
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

    /// A page of a vault's members, by user, after one.
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

    /// Vaults that a table has rows of, but that have none of their own.
    pub(super) async fn strangers(&self, table: &'static str) -> Result<Vec<String>, DbErr> {
        #[derive(FromQueryResult)]
        struct Stranger {
            vault_id: String,
        }
        let sql = format!(
            "SELECT DISTINCT vault_id FROM {table} t WHERE NOT EXISTS \
             (SELECT 1 FROM vaults v WHERE v.id = t.vault_id) ORDER BY vault_id"
        );
        let statement = Statement::from_string(self.txn.get_database_backend(), sql);
        let found = Stranger::find_by_statement(statement)
            .all(&self.txn)
            .await?;
        Ok(found.into_iter().map(|row| row.vault_id).collect())
    }

    /// How many rows the epoch has.
    pub(super) async fn epochs(&self) -> Result<u64, DbErr> {
        epoch::Entity::find().count(&self.txn).await
    }

    /// A page of remembered answers, after one.
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

    /// What is there of that which some answers are about.
    pub(super) async fn ground(&self, rows: &[idempotency_key::Model]) -> Result<Ground, DbErr> {
        let mut ground = Ground::default();
        for row in rows {
            let Some(id) = answers::about(row) else {
                continue;
            };
            if !ground.vaults.contains_key(&id)
                && let Some((vault, head)) = self.vault(&id).await?
            {
                let vault_id = id.clone();
                let head = head.map(|head| head::Model { vault_id, head });
                ground.heads.extend(head.map(|head| (id.clone(), head)));
                ground.vaults.insert(id.clone(), vault);
            }
            let place = (id, row.seq);
            if let Some(event) = event::Entity::find_by_id(place.clone())
                .one(&self.txn)
                .await?
            {
                ground.events.insert(place, event);
            }
        }
        Ok(ground)
    }
}
