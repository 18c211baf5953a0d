//! The database of an application that uses NextAuth with database sessions: its tables of users and sessions, and a
//! service that reads them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use vaultcast::config::{AuthConfig, AuthStrategy};

use crate::common::{database::TestDatabase, service::TestService};

/// The database of an application, with its own tables.
pub struct ApplicationDatabase {
    pub database: TestDatabase,
    pub connection: DatabaseConnection,
}

impl ApplicationDatabase {
    /// Creates the tables of Prisma's adapter, with the users `ana` and `ben`.
    pub async fn with_prisma_tables() -> Self {
        let time = match std::env::var_os("TEST_POSTGRES_URL") {
            Some(_) => "TIMESTAMP(3)",
            None => "DATETIME",
        };
        Self::with_tables(&format!(
            r#"CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "name" TEXT, "email" TEXT, "emailVerified" {time}, "image" TEXT);
            CREATE TABLE "Session" ("id" TEXT NOT NULL PRIMARY KEY, "sessionToken" TEXT NOT NULL UNIQUE,
                "userId" TEXT NOT NULL REFERENCES "User" ("id") ON DELETE CASCADE, "expires" {time} NOT NULL);
            INSERT INTO "User" ("id", "name", "email") VALUES ('ana', 'Ana', 'ana@example.com'), ('ben', NULL, NULL)"#
        ))
        .await
    }

    /// Creates a database with these SQL statements. The time zone of a PostgreSQL database is not UTC.
    pub async fn with_tables(sql: &str) -> Self {
        let database = TestDatabase::create().await;
        let mut options = sea_orm::ConnectOptions::new(&database.url);
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.create_if_missing(true));
        let connection = Database::connect(options).await.unwrap();
        let application = Self {
            database,
            connection,
        };
        if application.database.is_postgres() {
            let (_, name) = application.database.url.rsplit_once('/').unwrap();
            let time_zone = format!("ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'");
            application.execute(&time_zone).await;
        }
        application.execute(sql).await;
        application
    }

    /// Executes SQL statements.
    pub async fn execute(&self, sql: &str) {
        self.connection.execute_unprepared(sql).await.unwrap();
    }

    /// Inserts a session of a user that expires in `seconds` seconds.
    pub async fn insert_session(&self, user: &str, token: &str, seconds: i64) {
        let expiry = self.expiry_in(seconds);
        self.execute(&format!(
            r#"INSERT INTO "Session" ("id", "sessionToken", "userId", "expires") VALUES ('id-of-{token}', '{token}', '{user}', {expiry})"#
        ))
        .await;
    }

    /// Sets the expiry of a session to `seconds` seconds from now.
    pub async fn set_expiry(&self, token: &str, seconds: i64) {
        let expiry = self.expiry_in(seconds);
        self.execute(&format!(
            r#"UPDATE "Session" SET "expires" = {expiry} WHERE "sessionToken" = '{token}'"#
        ))
        .await;
    }

    /// Deletes a session, as a sign-out does.
    pub async fn delete_session(&self, token: &str) {
        self.execute(&format!(
            r#"DELETE FROM "Session" WHERE "sessionToken" = '{token}'"#
        ))
        .await;
    }

    /// Starts a service that reads the sessions of this database and caches a lookup for `recheck`.
    pub async fn start_service(&self, recheck: Duration) -> TestService {
        self.start_service_with(recheck, |_| {}).await
    }

    /// Starts a service as [`Self::start_service`] does, with a changed configuration.
    pub async fn start_service_with(
        &self,
        recheck: Duration,
        configure: impl FnOnce(&mut AuthConfig),
    ) -> TestService {
        TestService::start_with(|config| {
            config.auth.strategy = AuthStrategy::Database;
            config.auth.database_url = Some(self.prisma_url().parse().unwrap());
            config.auth.recheck = recheck;
            configure(&mut config.auth);
        })
        .await
    }

    /// Returns the URL in Prisma's form; for PostgreSQL with a parameter that only Prisma knows.
    fn prisma_url(&self) -> String {
        if self.database.is_postgres() {
            format!("{}?schema=public", self.database.url)
        } else {
            self.database.url.clone()
        }
    }

    /// Returns an SQL expression for a time in UTC in Prisma's format, `seconds` seconds from now.
    fn expiry_in(&self, seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expiry = now.as_millis() as i64 + seconds * 1000;
        if self.database.is_postgres() {
            format!("to_timestamp({expiry} / 1000.0) AT TIME ZONE 'UTC'")
        } else {
            expiry.to_string()
        }
    }
}
