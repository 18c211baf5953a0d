//! Large listings: a user with many vaults and a vault with many members are listed completely, page by page, on every database.

use std::collections::HashSet;

use vaultcast::{domain::VaultId, journal::Journal};

use crate::test_node::{TestNode, user_id};

/// Many pages, and more rows than SQLite binds values in one statement.
const COUNT: usize = 40_000;

/// Returns SQL for a table of the numbers from 1 to [`COUNT`].
fn numbers_table() -> String {
    format!(
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT}) SELECT i FROM n) AS numbers"
    )
}

/// The number of rows of a page.
const LIMIT: usize = 500;

/// Returns the user ids of all members, page by page.
async fn member_ids(journal: &Journal, vault: &VaultId) -> Vec<String> {
    let (mut ids, mut after, ana) = (Vec::new(), None, user_id("ana"));
    loop {
        let page = journal.members(vault, &ana, after.as_ref(), LIMIT);
        let page = page.await.unwrap().unwrap();
        assert!(page.rows.len() == LIMIT || page.next.is_none());
        ids.extend(page.rows.iter().map(|row| row.user_id.to_string()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

/// Returns the ids of all vaults of ana, page by page.
async fn vault_ids(journal: &Journal) -> Vec<String> {
    let (mut ids, mut after, ana) = (Vec::new(), None, user_id("ana"));
    loop {
        let page = journal.vaults_of_user(&ana, after.as_ref(), LIMIT);
        let page = page.await.unwrap();
        assert!(page.rows.len() == LIMIT || page.next.is_none());
        ids.extend(page.rows.iter().map(|row| row.id.to_string()));
        after = page.next;
        if after.is_none() {
            return ids;
        }
    }
}

fn distinct(ids: &[String]) -> usize {
    ids.iter().collect::<HashSet<_>>().len()
}

#[actix_web::test]
async fn all_members_of_a_large_vault_are_listed_and_loaded() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let (numbers, id) = (numbers_table(), vault.id());
    node.database
        .execute(&format!(
            "INSERT INTO vault_users (vault_id, user_id, id, role, created_at, updated_at) \
             SELECT '{id}', 'user' || i, 'c' || (10000000 + i), 'viewer', 0, 0 FROM {numbers}"
        ))
        .await;
    let ids = member_ids(node.journal(), id).await;
    assert_eq!((ids.len(), distinct(&ids)), (COUNT + 1, COUNT + 1));
    assert_eq!(ids.last().map(String::as_str), Some("ana"));

    let loaded = node.journal().load(id).await.unwrap().unwrap();
    let mut loaded: Vec<_> = loaded.members.iter().map(|(user, _)| user).collect();
    loaded.sort_unstable();
    let mut ids: Vec<_> = ids.iter().map(String::as_str).collect();
    ids.sort_unstable();
    assert_eq!(loaded, ids);
}

#[actix_web::test]
async fn all_vaults_of_a_user_with_many_memberships_are_listed() {
    let node = TestNode::new().await;
    node.create_vault().await;
    let numbers = numbers_table();
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
        node.database.execute(&insert).await;
    }
    let ids = vault_ids(node.journal()).await;
    assert_eq!((ids.len(), distinct(&ids)), (COUNT + 1, COUNT + 1));
    assert!(ids.is_sorted());
}
