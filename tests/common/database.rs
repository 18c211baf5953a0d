//! A database for one test: a SQLite file in a temporary directory or, if `TEST_POSTGRES_URL` names a server,
//! a new database on that server. The same tests run on both.

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use vaultcast::domain::VaultId;

/// The variable that names the PostgreSQL server; without it tests run on SQLite.
const SERVER_VARIABLE: &str = "TEST_POSTGRES_URL";

/// A database that no other test uses. A SQLite file is deleted with the test.
pub struct TestDatabase {
    /// The value of `database.url`.
    pub url: String,
    /// The directory of the SQLite file.
    pub directory: TempDir,
}

impl TestDatabase {
    /// Creates an empty database.
    pub async fn create() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = match std::env::var(SERVER_VARIABLE) {
            Ok(server) => create_on(&server).await,
            Err(_) => format!("sqlite://{}/vaultcast.db", directory.path().display()),
        };
        Self { url, directory }
    }

    /// Whether the database is on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    /// Executes SQL statements on a connection of its own.
    pub async fn execute(&self, sql: &str) {
        let connection = Database::connect(&self.url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Ends all other connections to the database. PostgreSQL only.
    pub async fn disconnect_all(&self) {
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    }

    /// Sets whether the database is read-only, and ends all connections so that the setting applies to them. PostgreSQL
    /// only.
    pub async fn set_read_only(&self, is_read_only: bool) {
        let name = self.url.rsplit('/').next().unwrap();
        let alter =
            format!("ALTER DATABASE {name} SET default_transaction_read_only = {is_read_only}");
        self.execute(&format!("BEGIN READ WRITE; {alter}; COMMIT"))
            .await;
        self.disconnect_all().await;
    }
}

async fn create_on(server: &str) -> String {
    let connection = Database::connect(server)
        .await
        .unwrap_or_else(|error| panic!("{SERVER_VARIABLE}={server}: {error}"));
    let name = format!("test_{}", VaultId::generate());
    connection
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("the database is created");
    connection.close().await.expect("the connection closes");
    let (base, _) = server.rsplit_once('/').expect("a URL with a database name");
    format!("{base}/{name}")
}
