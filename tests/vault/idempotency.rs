//! Remembered answers of idempotency keys: how long they are kept, and what replaces them.

use sea_orm::ConnectionTrait;
use vaultcast::domain::{Mutation, Timestamp, idempotency::IdempotencyKey};

use crate::test_node::{TestNode, create_source, mutation_by};

const DAY: i64 = 24 * 60 * 60 * 1000;

/// Returns a mutation with this idempotency key.
fn keyed_mutation(key: &str) -> Mutation {
    let mut mutation = mutation_by("ana", create_source("again"));
    mutation.key = Some(IdempotencyKey {
        path: "/sources".to_owned(),
        key: key.to_owned(),
        fingerprint: "f".to_owned(),
    });
    mutation
}

#[actix_web::test]
async fn remembered_answers_are_purged_after_a_day() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let submit = |n: usize| vault.submit(keyed_mutation(&n.to_string()));
    for result in futures_util::future::join_all((0..1000).map(submit)).await {
        result.unwrap();
    }
    let count_answers = "SELECT COUNT(*) FROM idempotency_keys";
    let now = Timestamp::now();
    assert_eq!(node.journal().sweep(now).await.unwrap().answers, 0);
    assert_eq!(submit(7).await.unwrap(), submit(7).await.unwrap());
    assert_eq!(node.query_number(count_answers).await, 1000);
    let tomorrow = Timestamp(now.0 + DAY + 1);
    assert_eq!(node.journal().sweep(tomorrow).await.unwrap().answers, 1000);
    assert_eq!(node.query_number(count_answers).await, 0);
    // Without the remembered answer the mutation is executed again.
    let answer = submit(7).await.unwrap();
    assert_eq!(
        answer.seq.0 as usize,
        node.verified_records(vault.id()).await.len()
    );
}

#[actix_web::test]
async fn expired_answer_is_replaced_before_the_sweep() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    let submit = || vault.submit(keyed_mutation("k"));
    let first = submit().await.unwrap();
    let expire = format!("UPDATE idempotency_keys SET created_at = created_at - {DAY} - 1000");
    node.database.execute(&expire).await;
    let second = submit().await.unwrap();
    assert!(second.seq > first.seq);
    assert_eq!(submit().await.unwrap(), second);
}

#[actix_web::test]
async fn answer_renewed_during_a_sweep_is_kept() {
    let node = TestNode::new().await;
    if !node.database.is_postgres() {
        return; // SQLite has one writer at a time, so a sweep cannot overlap a renewal
    }
    let now = Timestamp::now();
    let insert =
        "INSERT INTO idempotency_keys (user_id, path, key, fingerprint, seq, answer, created_at)";
    node.database
        .execute(&format!(
            "{insert} VALUES ('ana', '/', 'k', 'f', 1, '', {now})",
            now = now.0
        ))
        .await;
    let lock = node.lock_commits().await;
    let renew = format!("UPDATE idempotency_keys SET created_at = created_at + {DAY}");
    lock.execute_unprepared(&renew).await.unwrap();

    let journal = node.journal().clone();
    let tomorrow = Timestamp(now.0 + DAY);
    let sweep = actix_web::rt::spawn(async move { journal.sweep(tomorrow).await });
    node.wait_for_lock_waiter("DELETE FROM idempotency_keys")
        .await;
    lock.commit().await.unwrap();
    assert_eq!(sweep.await.unwrap().unwrap().answers, 0);
    let count_answers = "SELECT COUNT(*) FROM idempotency_keys";
    assert_eq!(node.query_number(count_answers).await, 1);
}
