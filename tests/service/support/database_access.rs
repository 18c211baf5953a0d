//! Access to the service's database, outside the service.

use sea_orm::{ConnectionTrait, Database, DatabaseTransaction, TransactionTrait};

use crate::common::service::TestService;

/// Locks every vault of the service in the database. Mutations wait until the returned transaction ends.
pub async fn lock_vault_heads(service: &TestService) -> DatabaseTransaction {
    let database = Database::connect(&service.database.url).await.unwrap();
    let transaction = database.begin().await.unwrap();
    transaction
        .execute_unprepared("UPDATE vault_heads SET head = head")
        .await
        .unwrap();
    transaction
}

/// Keeps the service from writing to its database, while it can read: another process holds SQLite's lock, or the PostgreSQL
/// database is read-only.
pub enum WriteBarrier {
    Sqlite(DatabaseTransaction),
    Postgres,
}

impl WriteBarrier {
    pub async fn raise(service: &TestService) -> Self {
        if service.database.is_postgres() {
            service.database.set_read_only(true).await;
            Self::Postgres
        } else {
            Self::Sqlite(lock_vault_heads(service).await)
        }
    }

    pub async fn lift(self, service: &TestService) {
        match self {
            Self::Sqlite(lock) => lock.rollback().await.unwrap(),
            Self::Postgres => service.database.set_read_only(false).await,
        }
    }
}
