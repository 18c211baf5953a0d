//! A start that is refused says in one line why, and what to do: a database that is newer than the service or older than
//! it may be, and a port that somebody has.

use std::net::TcpListener;

use sea_orm::{ConnectionTrait, Database};
use vaultcast::{
    app::{self, Mode, Service},
    auth::Secrets,
    cli::Migrate,
    config::Config,
};

use crate::common::database::TestDatabase;

fn config(database: &TestDatabase) -> Config {
    let mut config = Config::default();
    config.server.bind = ([127, 0, 0, 1], 0).into();
    config.admin.bind = None;
    config.database.url = database.url.parse().unwrap();
    config
}

/// The one line with which a start is refused.
async fn refusal(config: &Config) -> String {
    let secrets = Secrets::from_list("a secret of the tests that is long enough").unwrap();
    let started = Service::start(config, &secrets, Mode::Serve).await;
    one_line(started.map(|_| "a service"))
}

#[track_caller]
fn one_line<T: std::fmt::Debug>(outcome: Result<T, app::AppError>) -> String {
    let line = outcome.unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[actix_web::test]
async fn a_database_that_a_newer_version_has_migrated_is_left_alone() {
    let database = TestDatabase::fresh().await;
    let config = config(&database);
    app::migrate(&config, Migrate::Up).await.unwrap();
    let behind = Database::connect(&database.url).await.unwrap();
    let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_tomorrow', 0)";
    behind.execute_unprepared(newer).await.unwrap();
    behind.close().await.unwrap();

    for line in [
        refusal(&config).await,
        one_line(app::migrate(&config, Migrate::Up).await),
        one_line(app::migrate(&config, Migrate::Down).await),
        one_line(app::renew_epoch(&config).await),
    ] {
        assert!(line.contains("m20990101_000001_tomorrow"), "{line}");
        assert!(line.contains("install that version again"), "{line}");
    }
    let steps = app::migrate(&config, Migrate::Status).await.unwrap();
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
async fn a_database_that_lacks_migrations_is_not_touched_where_that_is_somebody_elses_task() {
    let database = TestDatabase::fresh().await;
    let mut config = config(&database);
    config.database.migrate = false;
    let line = refusal(&config).await;
    assert!(line.contains("run `vaultcast migrate up`"), "{line}");
    let steps = app::migrate(&config, Migrate::Status).await.unwrap();
    assert!(
        steps.iter().all(|step| step.starts_with("pending ")),
        "{steps:?}"
    );

    app::migrate(&config, Migrate::Up).await.unwrap();
    let secrets = Secrets::from_list("a secret of the tests that is long enough").unwrap();
    let service = Service::start(&config, &secrets, Mode::Serve).await;
    service.unwrap().stop().await;
}

#[actix_web::test]
async fn a_port_that_somebody_has_is_named_with_its_key() {
    let database = TestDatabase::fresh().await;
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = somebody.local_addr().unwrap();
    for key in ["server.bind", "admin.bind"] {
        let mut config = config(&database);
        match key {
            "server.bind" => config.server.bind = taken,
            _ => config.admin.bind = Some(taken),
        }
        let line = refusal(&config).await;
        assert!(
            line.starts_with(&format!("{key}: {taken} is in use already")),
            "{line}"
        );
        let variable = key.to_uppercase().replace('.', "__");
        assert!(line.contains(&format!("VAULTCAST__{variable}")), "{line}");
    }
}
