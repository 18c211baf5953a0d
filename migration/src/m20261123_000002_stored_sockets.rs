//! Creates the table for the recovery state of sockets whose process has stopped.

use sea_orm_migration::{prelude::*, schema::*};

/// Creates the table `stored_sockets`.
#[derive(DeriveMigrationName)]
pub struct StoredSockets;

#[async_trait::async_trait]
impl MigrationTrait for StoredSockets {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("stored_sockets")
                    .col(text("pid").primary_key())
                    .col(text("state"))
                    .col(big_integer("expires"))
                    .to_owned(),
            )
            .await?;
        // For the deletion of expired rows.
        manager
            .create_index(
                Index::create()
                    .name("stored_sockets_expires")
                    .table("stored_sockets")
                    .col("expires")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("stored_sockets").to_owned())
            .await
    }
}
