//! A database that vaultcast shares with an application: its tables are not touched. If two would have the same name, the
//! start is refused, and nothing is left behind.

use futures_util::future::join_all;
use migration::RELATIONS;
use sea_orm::{ConnectionTrait, Database, Statement};
use vaultcast::cli::{self, MigrateStep};

use crate::{
    common::{database::TestDatabase, service::TestService},
    support::refused_start::{config, error_line, start_error},
};

/// Returns the text of each row's only column.
async fn texts(database: &TestDatabase, sql: &str) -> Vec<String> {
    let connection = Database::connect(&database.url).await.unwrap();
    let query = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(query).await.unwrap();
    connection.close().await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect()
}

/// Returns the names of all tables, and of the indexes with a name of their own.
async fn relations(database: &TestDatabase) -> Vec<String> {
    let sql = if database.is_postgres() {
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i') \
         AND relname !~ '(_pkey|_key)$' ORDER BY 1"
    } else {
        "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1"
    };
    texts(database, sql).await
}

async fn create_empty() -> TestDatabase {
    let database = TestDatabase::create().await;
    if !database.is_postgres() {
        std::fs::write(database.directory.path().join("vaultcast.db"), "").unwrap();
    }
    database
}

#[actix_web::test]
async fn list_of_relations_is_complete() {
    let database = TestDatabase::create().await;
    let config = config(&database);
    cli::migrate(&config, MigrateStep::Up).await.unwrap();
    let mut found = relations(&database).await;
    cli::migrate(&config, MigrateStep::Down).await.unwrap();
    // The last migration replaces an index.
    found.extend(relations(&database).await);
    found.retain(|name| name != migration::MIGRATION_TABLE);
    found.sort();
    found.dedup();
    assert_eq!(found, RELATIONS);
}

#[actix_web::test]
async fn tables_of_a_prisma_application_are_not_touched() {
    let database = create_empty().await;
    for table in [
        "User",
        "Vault",
        "VaultUser",
        "Source",
        "Session",
        "Account",
        "_prisma_migrations",
    ] {
        let sql = format!(
            r#"CREATE TABLE "{table}" (id TEXT PRIMARY KEY); INSERT INTO "{table}" VALUES ('one')"#
        );
        database.execute(&sql).await;
    }
    let service = TestService::start_on(database, |_| {}).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    ana.create_source(&vault, "A paper").await;
    for table in ["User", "Vault", "VaultUser", "Source"] {
        let sql = format!(r#"SELECT id FROM "{table}""#);
        assert_eq!(texts(&service.database, &sql).await, ["one"], "{table}");
    }
}

#[actix_web::test]
async fn tables_with_the_same_names_stop_the_start_and_are_named() {
    let database = create_empty().await;
    let setup = "CREATE TABLE users (id TEXT PRIMARY KEY); INSERT INTO users VALUES ('one'); \
         CREATE VIEW sources AS SELECT id FROM users; CREATE INDEX users_email ON users (id)";
    database.execute(setup).await;
    let before = relations(&database).await;
    let mut config = config(&database);
    for line in [
        start_error(&config).await,
        error_line(cli::migrate(&config, MigrateStep::Up).await),
    ] {
        for name in ["table users", "view sources", "index users_email"] {
            assert!(line.contains(name), "{line}");
        }
        assert!(
            line.contains("of another application: give vaultcast"),
            "{line}"
        );
    }
    assert_eq!(relations(&database).await, before);
    if database.is_postgres() {
        config.database.url = format!("{}?schema=vaultcast", database.url)
            .parse()
            .unwrap();
        cli::migrate(&config, MigrateStep::Up).await.unwrap();
        assert_eq!(relations(&database).await, before);
    } else {
        let mode = texts(&database, "PRAGMA journal_mode").await;
        assert_eq!(mode, ["delete"], "the file is unchanged");
    }
    database
        .execute("DROP VIEW sources; DROP TABLE users")
        .await;
    TestService::start_on(database, |_| {}).await.stop().await;
}

#[actix_web::test]
async fn sqlite_file_in_utf16_stores_every_text() {
    let database = create_empty().await;
    if database.is_postgres() {
        return; // `database_that_is_not_utf8_stops_the_start` covers PostgreSQL.
    }
    let encoding = "PRAGMA encoding = 'UTF-16'; CREATE TABLE other (id TEXT)";
    database.execute(encoding).await;
    let mut service = TestService::start_on(database, |_| {}).await;
    let vault = service.user("ana").create_vault().await;
    service
        .user("ana")
        .create_source(&vault, "Ein Aufsatz 📄")
        .await;
    service.restart().await;
    let sources = service.user("ana").get(&format!("{vault}/sources")).await;
    let sources = sources.assert_status(200);
    assert_eq!(sources["sources"][0]["title"], "Ein Aufsatz 📄");
}

#[actix_web::test]
async fn failed_migration_leaves_nothing_behind() {
    let database = TestDatabase::create().await;
    let config = config(&database);
    cli::migrate(&config, MigrateStep::Up).await.unwrap();
    cli::migrate(&config, MigrateStep::Down).await.unwrap();
    let before = relations(&database).await;
    // The last index of the migration cannot be created.
    database
        .execute("CREATE INDEX vault_users_joined ON users (id)")
        .await;
    error_line(cli::migrate(&config, MigrateStep::Up).await);
    start_error(&config).await;
    database.execute("DROP INDEX vault_users_joined").await;
    assert_eq!(relations(&database).await, before);
    TestService::start_on(database, |_| {}).await.stop().await;
}

#[actix_web::test]
async fn nodes_that_start_at_the_same_time_migrate_once() {
    let database = TestDatabase::create().await;
    if !database.is_postgres() {
        return; // A SQLite file belongs to one process.
    }
    let mut config = config(&database);
    config.database.url = format!("{}?schema=app", database.url).parse().unwrap();
    let migrated = join_all((0..4).map(|_| cli::migrate(&config, MigrateStep::Up))).await;
    for steps in migrated {
        let steps = steps.unwrap();
        assert!(
            steps.iter().all(|step| step.starts_with("applied ")),
            "{steps:?}"
        );
    }
}

#[actix_web::test]
async fn migrations_of_another_application_are_not_touched() {
    let database = create_empty().await;
    let setup = "CREATE TABLE seaql_migrations (version VARCHAR PRIMARY KEY, applied_at BIGINT); \
         INSERT INTO seaql_migrations VALUES ('m20240101_000001_create_post', 0)";
    database.execute(setup).await;
    let service = TestService::start_on(database, |_| {}).await;
    service.user("ana").create_vault().await;
    let versions = texts(&service.database, "SELECT version FROM seaql_migrations").await;
    assert_eq!(versions, ["m20240101_000001_create_post"]);
}

#[actix_web::test]
async fn database_of_an_earlier_version_keeps_its_table_of_migrations() {
    let database = TestDatabase::create().await;
    let config = config(&database);
    cli::migrate(&config, MigrateStep::Up).await.unwrap();
    let rename = "ALTER TABLE vaultcast_migrations RENAME TO seaql_migrations";
    database.execute(rename).await;
    cli::migrate(&config, MigrateStep::Down).await.unwrap();
    let mut service = TestService::start_on(database, |_| {}).await;
    service.user("ana").create_vault().await;
    service.restart().await;
    let steps = cli::migrate(&config, MigrateStep::Status).await.unwrap();
    assert!(
        steps.iter().all(|step| step.starts_with("applied ")),
        "{steps:?}"
    );
    let found = relations(&service.database).await;
    assert!(
        !found.contains(&"vaultcast_migrations".to_owned()),
        "{found:?}"
    );
    let newer = "INSERT INTO seaql_migrations VALUES ('m20990101_000001_tomorrow', 0)";
    service.database.execute(newer).await;
    let line = error_line(cli::migrate(&config, MigrateStep::Up).await);
    assert!(line.contains("m20990101_000001_tomorrow"), "{line}");
    assert!(line.contains("if another application made it"), "{line}");
}
