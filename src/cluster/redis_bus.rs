//! The bus of a Redis or Valkey server: one connection that has subscribed, and one that publishes.

use futures_util::StreamExt;
use redis::{
    AsyncConnectionConfig, Client, Cmd,
    aio::{MultiplexedConnection, PubSubStream},
};
use sea_orm::prelude::async_trait::async_trait;

use super::bus::{BUS_DEADLINE, BusConnection, BusError, CHANNEL, HintBus};

/// A server that publishes messages.
pub(super) struct RedisBus(Client);

impl RedisBus {
    /// Returns the bus of a server.
    ///
    /// # Errors
    /// When the URL is not one of the driver's.
    pub(super) fn new(url: &str) -> Result<Self, BusError> {
        Ok(Self(Client::open(url)?))
    }
}

#[async_trait]
impl HintBus for RedisBus {
    async fn connect(&self) -> Result<Box<dyn BusConnection>, BusError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(BUS_DEADLINE))
            .set_response_timeout(Some(BUS_DEADLINE));
        let publisher = (self.0)
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let mut subscriber = self.0.get_async_pubsub().await?;
        subscriber.subscribe(CHANNEL).await?;
        Ok(Box::new(RedisConnection {
            publisher,
            messages: subscriber.into_on_message(),
        }))
    }
}

struct RedisConnection {
    publisher: MultiplexedConnection,
    messages: PubSubStream,
}

#[async_trait]
impl BusConnection for RedisConnection {
    async fn receive(&mut self) -> Result<String, BusError> {
        let message = self.messages.next().await.ok_or(BusError::Closed)?;
        // A message of another program need not be text. It is ignored as one that cannot be parsed.
        Ok(message.get_payload().unwrap_or_default())
    }

    async fn send(&mut self, message: &str) -> Result<(), BusError> {
        let publish = Cmd::publish(CHANNEL, message);
        publish.exec_async(&mut self.publisher).await?;
        Ok(())
    }
}
