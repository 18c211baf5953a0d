//! The errors of starts and commands that are refused.

use vaultcast::{
    auth::Secrets,
    config::Config,
    server::{Mode, ServerError, Service},
};

use crate::common::database::TestDatabase;

/// Returns the default configuration on this database, with a free port.
pub fn config(database: &TestDatabase) -> Config {
    let mut config = Config::default();
    config.server.bind = ([127, 0, 0, 1], 0).into();
    config.admin.bind = None;
    config.database.url = database.url.parse().unwrap();
    config
}

/// Returns the error of a refused start.
pub async fn start_error(config: &Config) -> String {
    let secrets = Secrets::from_list("a secret of the tests that is long enough").unwrap();
    let started = Service::start(config, &secrets, Mode::Serve).await;
    error_line(started.map(|_| "a service"))
}

/// Returns the text of the error, which must be one line.
#[track_caller]
pub fn error_line<T: std::fmt::Debug>(result: Result<T, ServerError>) -> String {
    let line = result.unwrap_err().to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}
