//! What carries the messages of a node.

use super::{
    bus::{BusError, HintBus},
    postgres_bus::PostgresBus,
    redis_bus::RedisBus,
};

/// What carries the messages between nodes (`cluster.bus`).
#[derive(Clone)]
pub enum BusOptions {
    /// LISTEN and NOTIFY.
    Postgres {
        /// The URL of the database, for the driver.
        url: String,
        /// The schema of the tables; `None` for the first schema of the search path.
        schema: Option<String>,
    },
    /// Publish and subscribe of this Redis server.
    Redis { url: String },
    /// Nothing: events of other nodes are found by the sweep only.
    Off,
}

impl BusOptions {
    /// Returns the name of the bus for the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Postgres { .. } => "postgres",
            Self::Redis { .. } => "redis",
            Self::Off => "off",
        }
    }

    /// Returns the bus, which is not connected yet; `None` for [`Off`](Self::Off).
    ///
    /// # Errors
    /// When the URL is not one of the driver's.
    pub(super) fn open(&self) -> Result<Option<Box<dyn HintBus>>, BusError> {
        Ok(match self {
            Self::Postgres { url, schema } => {
                Some(Box::new(PostgresBus::new(url, schema.as_deref())?))
            }
            Self::Redis { url } => Some(Box::new(RedisBus::new(url)?)),
            Self::Off => None,
        })
    }
}
