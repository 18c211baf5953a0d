//! What carries messages between nodes.

use std::time::Duration;

use sea_orm::{prelude::async_trait::async_trait, sqlx};
use thiserror::Error;

/// The channel of all messages. They name the epoch of their database, which distinguishes the services on one bus.
pub(super) const CHANNEL: &str = "vaultcast_hints";

/// How long a bus may take to be connected, and to accept a message.
pub(super) const BUS_DEADLINE: Duration = Duration::from_secs(4);

/// A bus that is not connected.
#[async_trait]
pub(super) trait HintBus: Send + Sync {
    /// Connects and subscribes. Returns when messages that are sent from now on are received.
    ///
    /// # Errors
    /// When the bus does not answer.
    async fn connect(&self) -> Result<Box<dyn BusConnection>, BusError>;
}

/// A connection that has subscribed. After an error it is not used any more.
#[async_trait]
pub(super) trait BusConnection: Send {
    /// Returns the next message, also one of this node. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the connection is lost.
    async fn receive(&mut self) -> Result<String, BusError>;

    /// Sends a message to all nodes, this one included.
    ///
    /// # Errors
    /// When the connection is lost.
    async fn send(&mut self, message: &str) -> Result<(), BusError>;
}

/// Why a bus cannot be used.
#[derive(Debug, Error)]
pub enum BusError {
    #[error("{0}")]
    Postgres(#[from] sqlx::Error),
    #[error("{0}")]
    Redis(#[from] redis::RedisError),
    #[error("the connection was closed")]
    Closed,
    #[error("no answer within {BUS_DEADLINE:?}")]
    Timeout,
}
