//! The service's database: what it has already, and the transactions of the import.
//!
//! A vault and its head are written in the last transaction of the vault, so no process sees a part of it.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use entity::{event, head, member, source, user, vault};
use sea_orm::{
    AccessMode, ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement, TransactionTrait,
    sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use serde::Deserialize;

use crate::{
    config::{DatabaseConfig, DatabaseUrl, Synchronous},
    domain::{Role, Seq, User, UserId, VaultId, event::Actor},
    journal::{MigrationStatus, SessionSettings, connect_once, migration_steps},
};

use super::{
    batch::{ImportBatch, ImportBatchError},
    error::ImportError,
    service_rows::IMPORT_ACTOR,
};

/// How long to wait for the connection or for a lock of another client.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The key of PostgreSQL's advisory lock that only one import holds ("vc-impor" in ASCII).
const IMPORT_LOCK: i64 = 0x7663_2d69_6d70_6f72;

/// How many sequence numbers of an unfinished vault are deleted in one transaction.
const DELETED_SEQS: i64 = 20_000;

/// The service's database. One that does not exist yet, or has no tables, has no rows.
pub(super) struct ServiceDatabase {
    url: DatabaseUrl,
    connection: Option<DatabaseConnection>,
}

/// What an import may do with a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum VaultStatus {
    /// It can be created.
    Absent,
    /// Nothing but imports has changed it: rows can be added.
    ImportedOnly { head: Seq },
    /// Users have changed it through the service.
    Changed,
    /// It was deleted through the service.
    Deleted,
}

impl ServiceDatabase {
    /// Connects to the database for a dry run, which changes nothing and makes no SQLite file.
    ///
    /// # Errors
    /// When it does not answer, or was migrated by a newer version.
    pub(super) async fn open_to_read(config: &DatabaseConfig) -> Result<Self, ImportError> {
        Self::open(config, AccessMode::ReadOnly).await
    }

    async fn open(config: &DatabaseConfig, mode: AccessMode) -> Result<Self, ImportError> {
        let url = config.url.clone();
        let mut this = Self {
            url,
            connection: None,
        };
        if config.url.sqlite_file().is_some_and(|file| !file.exists()) {
            return Ok(this);
        }
        let connection = connect(config, mode)
            .await
            .map_err(|error| this.error(error))?;
        let steps = migration_steps(&connection).await;
        let steps = steps.map_err(|error| this.error(error))?;
        let has = |status| steps.iter().find(|step| step.status == status);
        if let Some(newer) = has(MigrationStatus::Unknown) {
            return Err(ImportError::Newer {
                url: this.url.to_string(),
                migration: newer.name.clone(),
            });
        }
        if has(MigrationStatus::Applied).is_some() {
            this.connection = Some(connection);
        }
        Ok(this)
    }

    /// Connects to a migrated database, and keeps other imports out of it.
    ///
    /// # Errors
    /// When it does not answer, or another import is running.
    pub(super) async fn open_to_write(config: &DatabaseConfig) -> Result<Self, ImportError> {
        let this = Self::open(config, AccessMode::ReadWrite).await?;
        let Some(connection) = &this.connection else {
            return Ok(this);
        };
        // Imports into a SQLite file are kept apart by the lock file, like services.
        if connection.get_database_backend() == DbBackend::Postgres {
            // The connection, and the lock with it, lives as long as the import.
            let sql = format!("SELECT pg_try_advisory_lock({IMPORT_LOCK})");
            let statement = Statement::from_string(DbBackend::Postgres, sql);
            let row = connection.query_one_raw(statement).await;
            let is_locked =
                row.and_then(|row| row.map_or(Ok(false), |row| row.try_get_by_index(0)));
            if !is_locked.map_err(|error| this.error(error))? {
                return Err(ImportError::AlreadyRunning(this.url.to_string()));
            }
        }
        Ok(this)
    }

    /// Deletes the sources of vaults that an interrupted import has not finished.
    pub(super) async fn delete_unfinished(&self) -> Result<(), ImportError> {
        let Some(db) = &self.connection else {
            return Ok(());
        };
        let delete = async {
            let sql = "SELECT vault_id, MAX(created_seq) FROM sources s WHERE NOT EXISTS \
                 (SELECT 1 FROM vaults v WHERE v.id = s.vault_id) GROUP BY vault_id";
            let unfinished = Statement::from_string(db.get_database_backend(), sql);
            for row in db.query_all_raw(unfinished).await? {
                let (vault, last): (String, i64) =
                    (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
                let mut through = 0;
                while through < last {
                    through += DELETED_SEQS;
                    source::Entity::delete_many()
                        .filter(source::Column::VaultId.eq(&vault))
                        .filter(source::Column::CreatedSeq.lte(through))
                        .exec(db)
                        .await?;
                }
            }
            Ok(())
        };
        delete.await.map_err(|error| self.error(error))
    }

    /// Writes a batch in one transaction.
    pub(super) async fn write(&self, batch: ImportBatch) -> Result<(), ImportError> {
        let Some(db) = &self.connection else {
            return Ok(());
        };
        let txn = db.begin().await.map_err(|error| self.error(error))?;
        match batch.write(&txn).await {
            Ok(()) => txn.commit().await.map_err(|error| self.error(error)),
            Err(ImportBatchError::HeadMoved(vault)) => Err(ImportError::VaultChanged(vault)),
            Err(ImportBatchError::Database(error)) => Err(self.error(error)),
        }
    }

    /// Closes the connection. On SQLite this checkpoints the WAL into the database file.
    pub(super) async fn close(self) -> Result<(), ImportError> {
        let Self { url, connection } = self;
        let Some(connection) = connection else {
            return Ok(());
        };
        let closed = connection.close().await;
        closed.map_err(|error| ImportError::Service {
            url: url.to_string(),
            source: error.into(),
        })
    }

    /// Returns what the import may do with a vault.
    pub(super) async fn vault_status(&self, id: &VaultId) -> Result<VaultStatus, ImportError> {
        let Some(db) = &self.connection else {
            return Ok(VaultStatus::Absent);
        };
        self.query(async {
            let id = id.as_str();
            let Some(row) = vault::Entity::find_by_id(id).one(db).await? else {
                return Ok(VaultStatus::Absent);
            };
            if row.deleted_at.is_some() {
                return Ok(VaultStatus::Deleted);
            }
            let Some(row) = head::Entity::find_by_id(id).one(db).await? else {
                return Ok(VaultStatus::Changed);
            };
            let key = (id.to_owned(), row.head);
            // The newest event is never trimmed.
            let last = event::Entity::find_by_id(key).one(db).await?;
            let is_of_import =
                match last.map_or(EventOrigin::Service, |event| origin(&event.payload)) {
                    EventOrigin::Import => true,
                    EventOrigin::Named { user } => {
                        let user = user::Entity::find_by_id(user.to_string()).one(db).await?;
                        user.is_none_or(|user| user.name.as_deref() != Some(IMPORT_ACTOR))
                    }
                    EventOrigin::Service => false,
                };
            Ok(match is_of_import {
                true => VaultStatus::ImportedOnly {
                    head: Seq::from_row(row.head),
                },
                false => VaultStatus::Changed,
            })
        })
        .await
    }

    /// Returns the users of these ids that the service knows.
    pub(super) async fn users(
        &self,
        ids: Vec<String>,
    ) -> Result<HashMap<String, User>, ImportError> {
        let Some(db) = &self.connection else {
            return Ok(HashMap::new());
        };
        self.query(async {
            let found = user::Entity::find().filter(user::Column::Id.is_in(ids));
            let user = |row: user::Model| {
                let (name, email) = (row.name, row.email);
                let id = UserId::from_row(row.id.clone());
                (row.id, User { id, name, email })
            };
            Ok(found.all(db).await?.into_iter().map(user).collect())
        })
        .await
    }

    /// Returns the ids of a vault's users.
    pub(super) async fn member_users(
        &self,
        vault: &VaultId,
    ) -> Result<HashSet<String>, ImportError> {
        let Some(db) = &self.connection else {
            return Ok(HashSet::new());
        };
        self.query(async {
            let users: Vec<String> = member::Entity::find()
                .select_only()
                .column(member::Column::UserId)
                .filter(member::Column::VaultId.eq(vault.as_str()))
                .into_tuple()
                .all(db)
                .await?;
            Ok(users.into_iter().collect())
        })
        .await
    }

    /// Returns the owner of a vault who has been a member for longest.
    pub(super) async fn first_owner(&self, vault: &VaultId) -> Result<Option<UserId>, ImportError> {
        let Some(db) = &self.connection else {
            return Ok(None);
        };
        self.query(async {
            let owner = member::Entity::find()
                .filter(member::Column::VaultId.eq(vault.as_str()))
                .filter(member::Column::Role.eq(Role::Owner.as_str()))
                .order_by_asc(member::Column::CreatedAt)
                .order_by_asc(member::Column::Id)
                .one(db)
                .await?;
            Ok(owner.map(|row| UserId::from_row(row.user_id)))
        })
        .await
    }

    /// Returns those of the membership ids that exist.
    pub(super) async fn memberships(
        &self,
        ids: Vec<String>,
    ) -> Result<HashSet<String>, ImportError> {
        let Some(db) = &self.connection else {
            return Ok(HashSet::new());
        };
        self.query(async {
            let mut found = HashSet::new();
            for ids in ids.chunks(1000) {
                let existing: Vec<String> = member::Entity::find()
                    .select_only()
                    .column(member::Column::Id)
                    .filter(member::Column::Id.is_in(ids))
                    .into_tuple()
                    .all(db)
                    .await?;
                found.extend(existing);
            }
            Ok(found)
        })
        .await
    }

    /// Returns the vaults of those of the sources that exist, by the ids of the sources.
    pub(super) async fn source_vaults(
        &self,
        ids: Vec<String>,
    ) -> Result<HashMap<String, String>, ImportError> {
        let Some(db) = &self.connection else {
            return Ok(HashMap::new());
        };
        self.query(async {
            let found: Vec<(String, String)> = source::Entity::find()
                .select_only()
                .columns([source::Column::Id, source::Column::VaultId])
                .filter(source::Column::Id.is_in(ids))
                .into_tuple()
                .all(db)
                .await?;
            Ok(found.into_iter().collect())
        })
        .await
    }

    async fn query<T>(
        &self,
        query: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, ImportError> {
        query.await.map_err(|error| self.error(error))
    }

    fn error(&self, error: DbErr) -> ImportError {
        ImportError::Service {
            url: self.url.to_string(),
            source: error.into(),
        }
    }
}

/// What has made an event.
#[derive(Debug, PartialEq, Eq)]
enum EventOrigin {
    /// An import.
    Import,
    /// An import of an earlier version, which set no mark, in the name of this user; or the user, if that is the user's own name.
    Named { user: UserId },
    /// A mutation.
    Service,
}

/// Returns what has made the event.
fn origin(payload: &str) -> EventOrigin {
    #[derive(Deserialize)]
    struct ActedEvent {
        actor: Actor,
        #[serde(default)]
        imported: bool,
    }
    match serde_json::from_str::<ActedEvent>(payload) {
        Ok(event) if event.imported => EventOrigin::Import,
        Ok(event) if event.actor.user_name == IMPORT_ACTOR => EventOrigin::Named {
            user: event.actor.user_id,
        },
        Ok(_) | Err(_) => EventOrigin::Service,
    }
}

async fn connect(config: &DatabaseConfig, mode: AccessMode) -> Result<DatabaseConnection, DbErr> {
    let synchronous = match config.synchronous {
        Synchronous::Full => SqliteSynchronous::Full,
        Synchronous::Normal => SqliteSynchronous::Normal,
    };
    let settings = SessionSettings::for_journal(config.url.schema());
    let of_mode = move |sqlite: SqliteConnectOptions| match mode {
        AccessMode::ReadOnly => sqlite.read_only(true),
        AccessMode::ReadWrite => sqlite.synchronous(synchronous),
    };
    connect_once(config.url.driver_url(), TIMEOUT, Some(settings), of_mode).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_of_an_import_is_known_by_its_mark() {
        let event = |name: &str, rest: &str| {
            let actor = format!(r#"{{"userId":"ana","userName":"{name}","role":"owner"}}"#);
            origin(&format!(r#"{{"actor":{actor},"seq":1{rest}}}"#))
        };
        assert_eq!(event("Ana", r#","imported":true"#), EventOrigin::Import);
        let user = UserId::new("ana").unwrap();
        assert_eq!(event(IMPORT_ACTOR, ""), EventOrigin::Named { user });
        assert_eq!(event("Ana", ""), EventOrigin::Service);
        assert_eq!(origin("{}"), EventOrigin::Service);
    }
}
