//! Refused starts: the error is one line that names the cause and what to do. Causes are a database of a newer version,
//! pending migrations and a port that is in use. `vaultcast token` names the secret that signs, so that an operator sees
//! why a service refuses the token.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use sea_orm::{ConnectionTrait, Database};
use vaultcast::{
    auth::Secrets,
    cli::{self, MigrateStep},
    server::{Mode, Service},
};

use crate::{
    common::database::TestDatabase,
    support::refused_start::{config, error_line, start_error},
};

#[actix_web::test]
async fn database_of_a_newer_version_is_refused_unchanged() {
    let database = TestDatabase::create().await;
    let config = config(&database);
    cli::migrate(&config, MigrateStep::Up).await.unwrap();
    let connection = Database::connect(&database.url).await.unwrap();
    let insert_newer = "INSERT INTO vaultcast_migrations (version, applied_at) VALUES ('m20990101_000001_tomorrow', 0)";
    connection.execute_unprepared(insert_newer).await.unwrap();
    connection.close().await.unwrap();

    for line in [
        start_error(&config).await,
        error_line(cli::migrate(&config, MigrateStep::Up).await),
        error_line(cli::migrate(&config, MigrateStep::Down).await),
        error_line(cli::renew_epoch(&config).await),
    ] {
        assert!(line.contains("m20990101_000001_tomorrow"), "{line}");
        assert!(line.contains("install the newer version again"), "{line}");
    }
    let steps = cli::migrate(&config, MigrateStep::Status).await.unwrap();
    let (newest, others) = steps.split_last().unwrap();
    assert_eq!(
        newest,
        "unknown m20990101_000001_tomorrow (of a newer version)"
    );
    assert!(
        others.iter().all(|step| step.starts_with("applied ")),
        "{others:?}"
    );
}

#[actix_web::test]
async fn database_with_pending_migrations_is_refused_when_migrate_is_off() {
    let database = TestDatabase::create().await;
    let mut config = config(&database);
    config.database.migrate = false;
    let line = start_error(&config).await;
    assert!(line.contains("run `vaultcast migrate up`"), "{line}");
    let steps = cli::migrate(&config, MigrateStep::Status).await.unwrap();
    assert!(
        steps.iter().all(|step| step.starts_with("pending ")),
        "{steps:?}"
    );

    cli::migrate(&config, MigrateStep::Up).await.unwrap();
    let secrets = Secrets::from_list("a secret of the tests that is long enough").unwrap();
    let service = Service::start(&config, &secrets, Mode::Serve).await;
    service.unwrap().stop().await;
}

#[actix_web::test]
async fn port_in_use_is_named_with_its_key() {
    let database = TestDatabase::create().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    for key in ["server.bind", "admin.bind"] {
        let mut config = config(&database);
        match key {
            "server.bind" => config.server.bind = taken,
            _ => config.admin.bind = Some(taken),
        }
        let line = start_error(&config).await;
        assert!(
            line.starts_with(&format!("{key}: {taken} is in use already")),
            "{line}"
        );
        let variable = key.to_uppercase().replace('.', "__");
        assert!(line.contains(&format!("VAULTCAST__{variable}")), "{line}");
    }
}

#[actix_web::test]
async fn server_that_refuses_connections_is_named_without_the_password() {
    if std::env::var_os("TEST_POSTGRES_URL").is_some() {
        return; // The run on SQLite has tested it.
    }
    let database = TestDatabase::create().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut config = config(&database);
    config.database.url = format!("postgres://ana:hunter2@{address}/v")
        .parse()
        .unwrap();
    let line = start_error(&config).await;
    let expected = format!(
        "database.url: cannot use postgres://ana:***@{address}/v: no connection within 5 s: check host and port"
    );
    assert!(line.starts_with(&expected), "{line}");
}

/// Returns what `vaultcast token` prints on the standard output and on the standard error.
fn token_output(directory: &Path, secret: Option<(&str, &str)>) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vaultcast"))
        .args(["token", "--user", "ana"])
        .current_dir(directory)
        .env_clear()
        .envs(secret)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr))
}

#[test]
fn token_command_prints_only_the_token_and_names_the_signing_secret_on_stderr() {
    let directory = tempfile::tempdir().unwrap();
    let steps = [
        (
            None,
            "signed with the secret in vaultcast.db.secret, generated just now\n",
        ),
        (None, "signed with the secret in vaultcast.db.secret\n"),
        (
            Some(("AUTH_SECRET", "one")),
            "signed with the secret in AUTH_SECRET\n",
        ),
        (
            Some(("NEXTAUTH_SECRET", "one")),
            "signed with the secret in NEXTAUTH_SECRET\n",
        ),
    ];
    for (secret, expected) in steps {
        let (token, note) = token_output(directory.path(), secret);
        assert_eq!(note, expected);
        assert_eq!(token.trim_end().split('.').count(), 3, "{token}");
        assert_eq!(token.lines().count(), 1, "{token}");
    }
}
