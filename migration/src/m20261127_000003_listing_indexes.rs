//! Creates the indexes by which the vaults of a user and the members of a vault are listed page by page.

use sea_orm_migration::prelude::*;

/// Creates an index of memberships by user and vault, and one by vault and time.
#[derive(DeriveMigrationName)]
pub struct ListingIndexes;

#[async_trait::async_trait]
impl MigrationTrait for ListingIndexes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Replaces the index of the user alone.
        manager
            .drop_index(
                Index::drop()
                    .name("vault_users_user")
                    .table("vault_users")
                    .to_owned(),
            )
            .await?;
        for (name, columns) in [
            ("vault_users_user_vault", &["user_id", "vault_id"][..]),
            ("vault_users_joined", &["vault_id", "created_at", "id"]),
        ] {
            let mut index = Index::create();
            index.name(name).table("vault_users").unique();
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["vault_users_joined", "vault_users_user_vault"] {
            manager
                .drop_index(Index::drop().name(name).table("vault_users").to_owned())
                .await?;
        }
        manager
            .create_index(
                Index::create()
                    .name("vault_users_user")
                    .table("vault_users")
                    .col("user_id")
                    .to_owned(),
            )
            .await
    }
}
