//! What is kept of sockets whose process stops, until they come back to it or to another.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("kept_sockets")
                    .col(text("pid").primary_key())
                    .col(text("state"))
                    .col(big_integer("expires"))
                    .to_owned(),
            )
            .await?;
        // Those who did not come back in time are swept by it.
        manager
            .create_index(
                Index::create()
                    .name("kept_sockets_expires")
                    .table("kept_sockets")
                    .col("expires")
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("kept_sockets").to_owned())
            .await
    }
}
