//! A database of a test's own: a SQLite file in a temporary directory, or, where `TEST_POSTGRES_URL` names a server,
//! a new database there. The same tests run on both.

use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use vaultcast::domain::VaultId;

/// The server that tests make their databases on, if they are to run on PostgreSQL.
const SERVER: &str = "TEST_POSTGRES_URL";

/// A database that nobody else uses. It goes with the test, or with the server.
pub struct TestDatabase {
    /// As `database.url` has it.
    pub url: String,
    /// Where the SQLite file is.
    pub directory: TempDir,
}

impl TestDatabase {
    /// An empty database.
    pub async fn fresh() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let url = match std::env::var(SERVER) {
            Ok(server) => fresh_on(&server).await,
            Err(_) => format!("sqlite://{}/vaultcast.db", directory.path().display()),
        };
        Self { url, directory }
    }

    /// Whether it is on PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }
}

async fn fresh_on(server: &str) -> String {
    let connection = Database::connect(server)
        .await
        .unwrap_or_else(|error| panic!("{SERVER}={server}: {error}"));
    let name = format!("test_{}", VaultId::generate());
    connection
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("a database of the test's own");
    connection.close().await.expect("an end in order");
    let (base, _) = server.rsplit_once('/').expect("an URL with a database");
    format!("{base}/{name}")
}
