//! Somebody in very many vaults, and a vault of very many members: both are listed whole, on any database.

use vaultcast::{domain::VaultId, journal::Journal};

use crate::world::{World, user};

/// More than SQLite binds values in one statement.
const MANY: usize = 40_000;

/// Numbers from 1, as a table.
fn numbers() -> String {
    format!(
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY}) SELECT i FROM n) AS numbers"
    )
}

async fn members_of(journal: &Journal, vault: &VaultId) -> usize {
    let members = journal.members(vault, &user("ana")).await.unwrap();
    members.map_or(0, |listing| listing.rows.len())
}

#[actix_web::test]
async fn a_vault_of_very_many_members_is_listed_whole() {
    let world = World::new().await;
    let vault = world.vault().await;
    let (numbers, id) = (numbers(), vault.id());
    world
        .execute(&format!(
            "INSERT INTO vault_users (vault_id, user_id, id, role, created_at, updated_at) \
             SELECT '{id}', 'user' || i, 'c' || (10000000 + i), 'viewer', 0, 0 FROM {numbers}"
        ))
        .await;
    assert_eq!(members_of(world.journal(), id).await, MANY + 1);
}

#[actix_web::test]
async fn somebody_in_very_many_vaults_sees_them_all() {
    let world = World::new().await;
    world.vault().await;
    let numbers = numbers();
    let id = "'c' || (10000000 + i)";
    for insert in [
        format!(
            "INSERT INTO vaults (id, name, created_name, created_by, created_at, updated_at) \
             SELECT {id}, 'Physics', 'Physics', 'ana', 0, 0 FROM {numbers}"
        ),
        format!("INSERT INTO vault_heads (vault_id, head) SELECT {id}, 0 FROM {numbers}"),
        format!(
            "INSERT INTO vault_users (vault_id, user_id, id, role, created_at, updated_at) \
             SELECT {id}, 'ana', {id}, 'owner', 0, 0 FROM {numbers}"
        ),
    ] {
        world.execute(&insert).await;
    }
    let vaults = world.journal().vaults_of(&user("ana")).await.unwrap();
    assert_eq!(vaults.len(), MANY + 1);
}
