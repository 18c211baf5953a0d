//! Creates the tables for users, vaults, heads, members, sources, events, idempotency keys, and the epoch.
//!
//! There are no foreign keys. Each row is written in the transaction of its event, after that transaction has read what it
//! depends on. A deleted vault keeps its head and its journal when its members and sources are deleted.

use sea_orm_migration::{prelude::*, schema::*};

/// Creates all tables of the first version.
#[derive(DeriveMigrationName)]
pub struct InitialSchema;

#[async_trait::async_trait]
impl MigrationTrait for InitialSchema {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table("users")
                    .col(text("id").primary_key())
                    .col(text_null("name"))
                    .col(text_null("email"))
                    .col(big_integer("created_at"))
                    .col(big_integer("updated_at"))
                    .to_owned(),
            )
            .await?;
        // Owners add members by email, which is compared without case.
        manager
            .get_connection()
            .execute_unprepared("CREATE INDEX users_email ON users (lower(email))")
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("vaults")
                    .col(text("id").primary_key())
                    .col(text("name"))
                    .col(text("created_name"))
                    .col(text("created_by"))
                    .col(big_integer("created_at"))
                    .col(big_integer("updated_at"))
                    .col(big_integer_null("deleted_at"))
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table("vault_heads")
                    .col(text("vault_id").primary_key())
                    .col(big_integer("head"))
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("vault_users")
                    .col(text("vault_id"))
                    .col(text("user_id"))
                    .col(text_uniq("id"))
                    .col(text("role"))
                    .col(big_integer("created_at"))
                    .col(big_integer("updated_at"))
                    .primary_key(Index::create().col("vault_id").col("user_id"))
                    .to_owned(),
            )
            .await?;
        // For `GET /api/vaults`, which lists the vaults of one user.
        manager
            .create_index(
                Index::create()
                    .name("vault_users_user")
                    .table("vault_users")
                    .col("user_id")
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("sources")
                    .col(text("id").primary_key())
                    .col(text("vault_id"))
                    .col(text("title"))
                    .col(text("file_url"))
                    .col(text_null("file_key"))
                    .col(big_integer_null("file_size"))
                    .col(text("mime_type"))
                    .col(big_integer("seq"))
                    .col(big_integer("created_seq"))
                    .col(big_integer("created_at"))
                    .col(big_integer("updated_at"))
                    .to_owned(),
            )
            .await?;
        // For paging, newest first. It is unique, so that no page repeats or skips a row.
        manager
            .create_index(
                Index::create()
                    .name("sources_vault_created")
                    .table("sources")
                    .col("vault_id")
                    .col("created_seq")
                    .unique()
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("vault_events")
                    .col(text("vault_id"))
                    .col(big_integer("seq"))
                    .col(text("kind"))
                    .col(text("payload"))
                    .col(big_integer("created_at"))
                    .primary_key(Index::create().col("vault_id").col("seq"))
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("idempotency_keys")
                    .col(text("user_id"))
                    .col(text("path"))
                    .col(text("key"))
                    .col(text("fingerprint"))
                    .col(big_integer("seq"))
                    .col(text("answer"))
                    .col(big_integer("created_at"))
                    .primary_key(Index::create().col("user_id").col("path").col("key"))
                    .to_owned(),
            )
            .await?;
        // For the deletion of keys that are older than a day.
        manager
            .create_index(
                Index::create()
                    .name("idempotency_keys_age")
                    .table("idempotency_keys")
                    .col("created_at")
                    .to_owned(),
            )
            .await?;

        manager
            .create_table(
                Table::create()
                    .table("epoch")
                    .col(integer("id").primary_key().check(Expr::col("id").eq(1)))
                    .col(text("value"))
                    .to_owned(),
            )
            .await?;
        // The epoch changes only when an operator renews it after a restore.
        // The last eight characters of a cuid are its random part.
        let epoch = cuid::cuid1().split_off(17);
        manager
            .execute(
                Query::insert()
                    .into_table("epoch")
                    .columns(["id", "value"])
                    .values_panic([1.into(), epoch.into()])
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [
            "epoch",
            "idempotency_keys",
            "vault_events",
            "sources",
            "vault_users",
            "vault_heads",
            "vaults",
            "users",
        ] {
            manager
                .drop_table(Table::drop().table(table).to_owned())
                .await?;
        }
        Ok(())
    }
}
