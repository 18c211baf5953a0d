//! The bus of LISTEN and NOTIFY, on one connection of its own.
//!
//! PostgreSQL serialises the commits of all transactions that notify, so no mutation's transaction does. A transaction that only
//! notifies is on no disk: with `synchronous_commit = off` it does not wait for the write-ahead log.
//!
//! The listener of the driver connects again by itself, keeps a connection that was reset, and does not notice one that has
//! silently died. Therefore it is dropped at the first error, and the machine drops it when its own heartbeats do not arrive.

use std::{str::FromStr, time::Duration};

use sea_orm::{
    prelude::async_trait::async_trait,
    sqlx::{
        self, ConnectOptions, Executor,
        postgres::{PgConnectOptions, PgListener, PgPoolOptions},
    },
};
use tokio::time::timeout;

use crate::journal::SessionSettings;

use super::bus::{BUS_DEADLINE, BusConnection, BusError, CHANNEL, HintBus};

/// How long the driver may take to open the connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// The database whose clients notify each other.
pub(super) struct PostgresBus {
    options: PgConnectOptions,
    settings: SessionSettings,
}

impl PostgresBus {
    /// Returns the bus of a database.
    ///
    /// # Errors
    /// When the URL is not one of the driver's.
    pub(super) fn new(url: &str, schema: Option<&str>) -> Result<Self, BusError> {
        // Poolers such as PgBouncer refuse the startup parameter `extra_float_digits`.
        let options = PgConnectOptions::from_str(url)?.extra_float_digits(None);
        // Hundreds of messages per second are not worth a line each.
        let options = options.disable_statement_logging();
        let settings = SessionSettings::for_journal(schema);
        Ok(Self { options, settings })
    }
}

#[async_trait]
impl HintBus for PostgresBus {
    async fn connect(&self) -> Result<Box<dyn BusConnection>, BusError> {
        let settings = self.settings.clone();
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(CONNECT_DEADLINE)
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move {
                    settings.apply(&mut *connection).await?;
                    let commands = sqlx::raw_sql("SET synchronous_commit = off");
                    connection.execute(commands).await.map(drop)
                })
            })
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.ignore_pool_close_event(true);
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(Box::new(PostgresConnection(listener)))
    }
}

struct PostgresConnection(PgListener);

#[async_trait]
impl BusConnection for PostgresConnection {
    async fn receive(&mut self) -> Result<String, BusError> {
        match self.0.try_recv().await? {
            Some(notification) => Ok(notification.payload().to_owned()),
            None => Err(BusError::Closed),
        }
    }

    async fn send(&mut self, message: &str) -> Result<(), BusError> {
        let notify = sqlx::query("SELECT pg_notify($1, $2)");
        let notify = notify.bind(CHANNEL).bind(message).execute(&mut self.0);
        let sent = timeout(BUS_DEADLINE, notify).await;
        sent.map_err(|_| BusError::Timeout)??;
        Ok(())
    }
}
