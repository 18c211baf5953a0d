//! What PostgreSQL servers, databases, roles and URLs may legally be: encodings, schemas, permissions, settings, addresses.
//! Without `TEST_POSTGRES_URL` these tests have nothing to do.

use std::process::{Command, Output};

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, Statement};
use vaultcast::cli::{self, MigrateStep};

use crate::{
    common::{
        database::TestDatabase,
        service::{TestService, source},
    },
    support::{
        captured_log::CapturedLog,
        refused_start::{config, error_line, start_error},
    },
};

/// Returns a new PostgreSQL database, or `None` when the tests run on SQLite.
async fn create() -> Option<TestDatabase> {
    let database = TestDatabase::create().await;
    database.is_postgres().then_some(database)
}

/// Creates a database with the tables of vaultcast.
async fn create_migrated() -> Option<TestDatabase> {
    let database = create().await?;
    cli::migrate(&config(&database), MigrateStep::Up)
        .await
        .unwrap();
    Some(database)
}

/// Creates a database beside `database`, with these options.
async fn create_with(database: &TestDatabase, name: &str, options: &str) -> TestDatabase {
    let name = format!("{}_{name}", name_of(database));
    let create = format!("CREATE DATABASE {name} {options}");
    database.execute(&create).await;
    at(database.url.replace(name_of(database), &name))
}

fn at(url: String) -> TestDatabase {
    let directory = tempfile::tempdir().unwrap();
    TestDatabase { url, directory }
}

fn name_of(database: &TestDatabase) -> &str {
    database.url.rsplit('/').next().unwrap()
}

/// Returns the only text that a query selects.
async fn text(database: &TestDatabase, sql: &str) -> String {
    let connection = Database::connect(&database.url).await.unwrap();
    let query = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(query).await.unwrap().unwrap();
    connection.close().await.unwrap();
    row.try_get_by_index(0).unwrap()
}

/// Creates a role whose name needs quotes, and returns its name and the URL by which it connects.
async fn create_role(database: &TestDatabase) -> (String, String) {
    let role = format!("Role-{}", name_of(database));
    database
        .execute(&format!("CREATE ROLE \"{role}\" LOGIN"))
        .await;
    let url = database.url.replacen("postgres@", &format!("{role}@"), 1);
    (role, url)
}

#[actix_web::test]
async fn database_that_is_not_utf8_stops_the_start() {
    let Some(database) = create().await else {
        return;
    };
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let options =
            format!("ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
        let other = create_with(&database, &encoding.to_lowercase(), &options).await;
        let config = config(&other);
        for line in [
            start_error(&config).await,
            error_line(cli::migrate(&config, MigrateStep::Up).await),
            error_line(cli::migrate(&config, MigrateStep::Status).await),
            error_line(cli::renew_epoch(&config).await),
        ] {
            let expected = format!(
                "the database \"{}\" has the encoding {encoding}",
                name_of(&other)
            );
            assert!(line.contains(&expected), "{line}");
            assert!(
                line.contains("ENCODING 'UTF8' TEMPLATE template0"),
                "{line}"
            );
        }
    }
}

fn vaultcast(url: &str, args: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vaultcast"));
    command.args(args).current_dir(directory.path());
    command
        .env_clear()
        .env("DATABASE_URL", url)
        .output()
        .unwrap()
}

#[actix_web::test]
async fn services_in_two_schemas_of_one_database_are_independent() {
    let Some(database) = create().await else {
        return;
    };
    let mut vaults = Vec::new();
    for schema in ["vaultcast", "My%20%22app%22-1%27%5C"] {
        let url = format!("{}?schema={schema}", database.url);
        let mut service = TestService::start_on(at(url.clone()), |_| {}).await;
        let ana = service.user("ana");
        let vault = ana.create_vault().await;
        ana.create_source(&vault, "Ein Aufsatz 📄").await;
        service.restart().await;
        let ana = service.user("ana");
        let listed = ana.get("/api/vaults").await.assert_status(200);
        assert_eq!(listed["vaults"].as_array().unwrap().len(), 1);
        for (args, expected) in [
            (&["verify"][..], "verified: 1 vault"),
            (&["migrate", "status"], "applied m2"),
        ] {
            let output = vaultcast(&url, args);
            let printed = String::from_utf8(output.stdout).unwrap();
            assert!(printed.contains(expected), "{printed} {:?}", output.stderr);
        }
        service.stop().await;
        assert!(vaultcast(&url, &["epoch", "renew"]).status.success());
        vaults.push(vault);
    }
    assert_ne!(vaults[0], vaults[1]);
    let in_public =
        "SELECT count(*)::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(text(&database, in_public).await, "0");
    let output = vaultcast(&database.url, &["verify"]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("not a vaultcast database"), "{error}");
}

#[actix_web::test]
async fn missing_permissions_are_named_with_the_command_that_grants_them() {
    let Some(database) = create().await else {
        return;
    };
    database
        .execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await;
    let (role, url) = create_role(&database).await;
    let limited = at(url);
    let line = start_error(&config(&limited)).await;
    let grant = format!("GRANT CREATE ON SCHEMA \"public\" TO \"{role}\"");
    assert!(line.contains(&grant), "{line}");

    let in_schema = at(format!("{}?schema=app", limited.url));
    let line = start_error(&config(&in_schema)).await;
    let create = format!("CREATE SCHEMA \"app\" AUTHORIZATION \"{role}\"");
    assert!(line.contains(&create), "{line}");
    database.execute(&create).await;
    let service = TestService::start_on(in_schema, |_| {}).await;
    service.user("ana").create_vault().await;
    service.stop().await;

    let name = name_of(&database);
    database
        .execute(&format!("ALTER DATABASE {name} SET search_path = nowhere"))
        .await;
    let line = start_error(&config(&limited)).await;
    assert!(line.contains("add ?schema=vaultcast"), "{line}");
    let read_only = format!("ALTER DATABASE {name} SET default_transaction_read_only = on");
    database.execute(&read_only).await;
    let line = start_error(&config(&database)).await;
    assert!(line.contains("is read-only"), "{line}");
}

#[actix_web::test]
async fn user_without_permission_to_create_tables_serves_a_migrated_database() {
    let Some(database) = create_migrated().await else {
        return;
    };
    database
        .execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await;
    let (role, url) = create_role(&database).await;
    let grant = format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO \"{role}\""
    );
    database.execute(&grant).await;
    let service = TestService::start_on(at(url), |_| {}).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    ana.create_source(&vault, "A paper").await;
}

/// Settings that a database or a role may have, and with which the service would fail.
const SETTINGS: &[(&str, &str)] = &[
    ("client_encoding", "LATIN1"),
    ("standard_conforming_strings", "off"),
    ("default_transaction_isolation", "serializable"),
    ("default_transaction_deferrable", "on"),
    ("search_path", "\"$user\", app, public"),
    ("TimeZone", "Asia/Tokyo"),
    ("DateStyle", "German"),
    ("IntervalStyle", "sql_standard"),
    ("bytea_output", "escape"),
    ("statement_timeout", "500"),
    ("lock_timeout", "1"),
    ("idle_in_transaction_session_timeout", "1"),
    ("idle_session_timeout", "50"),
    ("extra_float_digits", "-15"),
    ("row_security", "off"),
    ("xmloption", "document"),
];

#[actix_web::test]
async fn settings_of_a_database_do_not_change_the_service() {
    let Some(database) = create().await else {
        return;
    };
    let name = name_of(&database);
    let alter = |(setting, value): &(&str, &str)| match *setting {
        "search_path" => format!("ALTER DATABASE {name} SET search_path = {value}"),
        _ => format!("ALTER DATABASE {name} SET {setting} = '{value}'"),
    };
    let commands: Vec<_> = SETTINGS.iter().map(alter).collect();
    database.execute(&commands.join("; ")).await;

    let service = TestService::start_on(at(database.url.clone()), |_| {}).await;
    let other_node = TestService::start_on(at(database.url.clone()), |_| {}).await;
    let (ana, other) = (service.user("ana"), other_node.user("ana"));
    let path = ana.create_vault().await;
    ana.create_source(&path, r"back\slash 'quote' 📄").await;
    // Two nodes write one vault, and wait for each other's locks.
    let sources = format!("{path}/sources");
    let writes = (0..20).map(|n| match n % 2 {
        0 => ana.post(&sources, source("One")),
        _ => other.post(&sources, source("Two")),
    });
    for written in join_all(writes).await {
        written.assert_status(201);
    }
    let listed = ana.get(&sources).await.assert_status(200);
    let listed = listed["sources"].as_array().unwrap();
    assert_eq!(listed.len(), 21);
    assert_eq!(listed[20]["title"], r"back\slash 'quote' 📄");
    let output = vaultcast(&database.url, &["verify"]);
    assert!(output.status.success(), "{output:?}");

    let timeout = "SELECT current_setting('statement_timeout')";
    assert_eq!(
        text(&database, timeout).await,
        "500ms",
        "the settings are in effect"
    );
}

#[actix_web::test]
async fn ipv6_literals_unix_sockets_and_percent_encoded_names_connect() {
    let Some(database) = create().await else {
        return;
    };
    let address = database.url.rsplit_once('@').unwrap().1;
    let (port, name) = address.rsplit_once(':').unwrap().1.split_once('/').unwrap();
    let (role, _) = create_role(&database).await;
    database
        .execute(&format!("GRANT CREATE ON SCHEMA public TO \"{role}\""))
        .await;
    let directory = "SELECT split_part(current_setting('unix_socket_directories'), ',', 1)";
    let directory = text(&database, directory).await;
    let encoded = role.replace('-', "%2D");
    let mut urls = vec![
        format!("postgresql://{encoded}:any%2Fp%40ss@[::ffff:127.0.0.1]:{port}/{name}"),
        format!("postgres:///{name}?host=::ffff:127.0.0.1&port={port}&user={encoded}"),
    ];
    if !directory.is_empty() {
        urls.push(format!(
            "postgres://{role}@/{name}?host={directory}&port={port}"
        ));
        let encoded = directory.replace('/', "%2F");
        urls.push(format!(
            "postgres://{role}@{encoded}:{port}/{name}?sslmode=require"
        ));
    }
    for url in urls {
        let service = TestService::start_on(at(url.clone()), |_| {}).await;
        service.user("ana").create_vault().await;
        service.stop().await;
        assert!(vaultcast(&url, &["verify"]).status.success(), "{url}");
    }
}

#[actix_web::test]
async fn parameters_of_prisma_are_logged_by_name_and_passwords_never() {
    let Some(database) = create().await else {
        return;
    };
    let log = CapturedLog::global();
    let parameters = "schema=public&connection_limit=5&pool_timeout=7&socket_timeout=3&password=hunter2secret&x_hunter=2";
    let url = format!("{}?{parameters}", database.url);
    TestService::start_on(at(url), |_| {}).await.stop().await;
    let lines = log.lines_with("parameters of a database URL have no effect");
    let expected = "connection_limit, pool_timeout, socket_timeout, x_hunter";
    assert!(
        lines.iter().any(|line| line.contains(expected)),
        "{lines:?}"
    );
    assert_eq!(log.lines_with("hunter2secret").len(), 0);

    let wrong = database
        .url
        .replacen("postgres@", "nobody:hunter2secret@", 1);
    let line = start_error(&config(&at(wrong))).await;
    assert!(
        line.contains("nobody:***@") && !line.contains("hunter2"),
        "{line}"
    );
}

#[actix_web::test]
async fn tables_that_an_earlier_version_made_outside_of_the_schema_stop_the_start() {
    let Some(database) = create_migrated().await else {
        return;
    };
    database
        .execute("ALTER TABLE vaultcast_migrations RENAME TO seaql_migrations")
        .await;
    let mut in_schema = config(&database);
    in_schema.database.url = format!("{}?schema=app", database.url).parse().unwrap();
    let line = start_error(&in_schema).await;
    for part in [
        r#"of an earlier version, which ignored ?schema=, are in the schema "public""#,
        "?schema=public",
        "vaultcast migrate up",
    ] {
        assert!(line.contains(part), "{line}");
    }
    let schemas =
        "SELECT string_agg(nspname, ' ') FROM pg_namespace WHERE nspname IN ('app', 'public')";
    assert_eq!(text(&database, schemas).await, "public");

    let in_public = at(format!("{}?schema=public", database.url));
    TestService::start_on(in_public, |_| {}).await.stop().await;

    // A second service beside the earlier one.
    cli::migrate(&in_schema, MigrateStep::Up).await.unwrap();
    let service = at(in_schema.database.url.expose().to_owned());
    TestService::start_on(service, |_| {}).await.stop().await;
}
