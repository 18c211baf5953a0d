//! A journal opens on a database that is at the step its binary is for, and on no other: what an older binary would
//! write into a newer database, or a newer one would miss in an older, nobody can tell.

use sea_orm::ConnectionTrait;
use vaultcast::journal::{Database, Journal, Retention};

use crate::{
    common::database::TestDatabase,
    world::{World, connect},
};

async fn refusal(database: Database) -> String {
    let retention = Retention {
        events: u64::MAX,
        age: std::time::Duration::MAX,
    };
    match Journal::open(database, retention).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[actix_web::test]
async fn a_database_that_a_newer_binary_has_migrated_is_refused() {
    let world = World::new().await;
    world
        .execute("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_later', 0)")
        .await;
    let refused = refusal(connect(&world.database.url).await).await;
    assert!(refused.contains("m29990101_000001_later"), "{refused}");
}

#[actix_web::test]
async fn a_database_that_lacks_a_migration_is_refused_and_not_touched() {
    let database = TestDatabase::fresh().await;
    let refused = refusal(connect(&database.url).await).await;
    assert!(
        refused.contains("m20261123_000001_first_light is not applied"),
        "{refused}"
    );

    let connection = sea_orm::Database::connect(&database.url).await.unwrap();
    let made = connection
        .execute_unprepared("SELECT 1 FROM seaql_migrations")
        .await;
    assert!(made.is_err(), "{made:?}");
}
