//! An application with the tables that Prisma made for vaults, and the command that imports them.

use std::process::{Child, Command, Output, Stdio};

use sea_orm::{ConnectionTrait, Statement};
use vaultcast::{config::DatabaseUrl, verify::verify};

use super::application_database::ApplicationDatabase;
use crate::common::database::TestDatabase;

/// The vault that the application has.
pub const VAULT: &str = "cvault0000000000000000001";

/// 2026-02-15T10:00:00.000Z.
const CREATED: i64 = 1_771_149_600_000;

/// An application, and the empty database of a service.
pub struct ImportingApplication {
    pub application: ApplicationDatabase,
    pub service: TestDatabase,
}

impl ImportingApplication {
    /// Creates the tables with the vault `Physics` of the owner `ana` and the viewer `ben`, and the sources `First` and `Second`,
    /// which the table has in the wrong order.
    pub async fn create() -> Self {
        let tables = match std::env::var_os("TEST_POSTGRES_URL") {
            Some(_) => include_str!("prisma/postgres.sql"),
            None => include_str!("prisma/sqlite.sql"),
        };
        let this = Self {
            application: ApplicationDatabase::with_tables(tables).await,
            service: TestDatabase::create().await,
        };
        for (id, name) in [("ana", "'Ana'"), ("ben", "NULL")] {
            this.insert(
                "User",
                r#""id", "name", "email""#,
                &format!("'{id}', {name}, '{id}@example.com'"),
            )
            .await;
        }
        this.insert_vault(VAULT, "Physics").await;
        this.insert_member("cmember000000000000000001", VAULT, "ana", "OWNER")
            .await;
        this.insert_member("cmember000000000000000002", VAULT, "ben", "VIEWER")
            .await;
        this.insert_source("csource000000000000000002", VAULT, "Second", 2)
            .await;
        this.insert_source("csource000000000000000001", VAULT, "First", 1)
            .await;
        this
    }

    /// Inserts a vault that was changed an hour after its creation.
    pub async fn insert_vault(&self, id: &str, name: &str) {
        let (created, updated) = (self.time(CREATED), self.time(CREATED + 3_600_000));
        let columns = r#""id", "name", "createdAt", "updatedAt""#;
        self.insert(
            "Vault",
            columns,
            &format!("'{id}', '{name}', {created}, {updated}"),
        )
        .await;
    }

    pub async fn insert_member(&self, id: &str, vault: &str, user: &str, role: &str) {
        let created = self.time(CREATED);
        let columns = r#""id", "vaultId", "userId", "role", "createdAt", "updatedAt""#;
        let values = format!("'{id}', '{vault}', '{user}', '{role}', {created}, {created}");
        self.insert("VaultUser", columns, &values).await;
    }

    /// Inserts a source that was created a number of minutes after its vault, and changed a minute later.
    pub async fn insert_source(&self, id: &str, vault: &str, title: &str, minutes: i64) {
        let created = CREATED + minutes * 60_000;
        let (created, updated) = (self.time(created), self.time(created + 60_000));
        let columns =
            r#""id", "vaultId", "title", "fileUrl", "fileSize", "createdAt", "updatedAt""#;
        let url = "https://files.example.com/a.pdf";
        let values = format!("'{id}', '{vault}', '{title}', '{url}', 1024, {created}, {updated}");
        self.insert("Source", columns, &values).await;
    }

    /// Inserts many sources of the vault.
    pub async fn insert_sources(&self, count: usize) {
        let created = self.time(CREATED);
        self.application
            .execute(&format!(
                r#"WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
                INSERT INTO "Source" ("id", "vaultId", "title", "fileUrl", "createdAt", "updatedAt")
                SELECT 'cmany' || (100000000 + n), '{VAULT}', 'Title', 'https://files.example.com/a.pdf', {created}, {created}
                FROM numbers"#
            ))
            .await;
    }

    /// Inserts a row into a table of the application.
    pub async fn insert(&self, table: &str, columns: &str, values: &str) {
        let sql = format!(r#"INSERT INTO "{table}" ({columns}) VALUES ({values})"#);
        self.application.execute(&sql).await;
    }

    /// Returns an SQL expression for a time as Prisma stores it.
    fn time(&self, milliseconds: i64) -> String {
        match self.service.is_postgres() {
            true => format!("to_timestamp({milliseconds} / 1000.0) AT TIME ZONE 'UTC'"),
            false => milliseconds.to_string(),
        }
    }

    /// Returns the command with these options.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vaultcast"));
        command
            .args(["import", "--from", &self.application.database.url])
            .args(options)
            .current_dir(self.service.directory.path())
            .env("DATABASE_URL", &self.service.url);
        command
    }

    /// Runs the command to its end.
    pub fn import(&self, options: &[&str]) -> ImportOutcome {
        self.command(options).output().unwrap().into()
    }

    /// Starts the command.
    pub fn start_import(&self) -> Child {
        let mut command = self.command(&[]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    }

    /// Returns the number of rows in a table of the service; 0 if there is no table yet.
    pub async fn count(&self, table: &str) -> i64 {
        if !self.service.is_postgres()
            && !self.service.directory.path().join("vaultcast.db").exists()
        {
            return 0;
        }
        let connection = sea_orm::Database::connect(&self.service.url).await.unwrap();
        let sql = format!("SELECT COUNT(*) FROM {table}");
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let count = match connection.query_one_raw(statement).await {
            Ok(row) => row.unwrap().try_get_by_index(0).unwrap(),
            Err(_) => 0,
        };
        connection.close().await.unwrap();
        count
    }

    /// Asserts that the journal of the service has no contradictions.
    pub async fn assert_verified(&self) {
        let url: DatabaseUrl = self.service.url.parse().unwrap();
        let report = verify(url.driver_url(), None, None, |_| {}).await.unwrap();
        assert_eq!(report.findings.count(), 0, "{}", report.findings);
    }
}

/// What the command printed, and its exit status.
#[derive(Debug)]
pub struct ImportOutcome {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl From<Output> for ImportOutcome {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl ImportOutcome {
    /// Asserts the exit status and returns the printed lines.
    #[track_caller]
    pub fn assert_status(&self, status: i32) -> Vec<&str> {
        assert_eq!(self.status, Some(status), "{self:?}");
        self.stdout.lines().collect()
    }
}
