//! The queue of a vault: places travel with the mutations, and a commit does not depend on who asked.

use futures_util::future::join_all;
use vaultcast::vault::{VaultError, VaultOptions};

use crate::{
    ear::Ear,
    world::{Asked, OPTIONS, World, asks, places, post, until},
};

#[actix_web::test]
async fn a_full_queue_is_busy_and_who_goes_away_frees_no_place() {
    let world = World::with(VaultOptions {
        mailbox: 4,
        ..OPTIONS
    })
    .await;
    let vault = world.vault().await;
    let lock = world.lock().await;

    let mut waiting: Vec<_> = (0..4)
        .map(|_| vault.submit(asks("ana", post("waits"))))
        .collect();
    assert!(matches!(
        vault.refused("ana", post("too many")).await,
        VaultError::Busy
    ));
    drop(waiting.pop());
    assert!(matches!(
        vault.refused("ana", post("still too many")).await,
        VaultError::Busy
    ));

    lock.rollback().await.unwrap();
    for outcome in join_all(waiting).await {
        outcome.unwrap();
    }
    // What was asked by the one who went away is done as well.
    assert_eq!(world.records(vault.id()).await.len(), 4);
    vault.posts(1).await;
}

#[actix_web::test]
async fn what_comes_while_a_transaction_is_in_flight_goes_together() {
    let world = World::new().await;
    let vault = world.vault().await;
    let lock = world.lock().await;
    let first = vault.submit(asks("ana", post("alone")));
    until("the first is in flight", async || {
        world.journal().ping().await.is_ok()
    })
    .await;
    let rest: Vec<_> = (0..20)
        .map(|_| vault.submit(asks("ana", post("together"))))
        .collect();
    lock.rollback().await.unwrap();

    first.await.unwrap();
    for outcome in join_all(rest).await {
        outcome.unwrap();
    }
    // One transaction has one clock: what went together was decided at the same moment.
    let sql = "SELECT COUNT(DISTINCT created_at) FROM vault_events";
    assert!(world.number(sql).await <= 2);
}

#[actix_web::test]
async fn nobody_hears_of_what_is_not_on_disk() {
    let world = World::new().await;
    let vault = world.vault().await;
    let mut ear = Ear::new();
    ear.join(&vault, "ana").await;
    let lock = world.lock().await;
    let posted: Vec<_> = (0..3)
        .map(|_| vault.submit(asks("ana", post("waits"))))
        .collect();
    // Joins are handled while a transaction is in flight, and see what is true so far.
    ear.join(&vault, "ana").await;
    assert!(ear.is_silent());
    lock.rollback().await.unwrap();
    for outcome in join_all(posted).await {
        outcome.unwrap();
    }
    assert_eq!(ear.events(3).await, places(1, 3));
}

#[actix_web::test]
async fn a_vault_that_settles_answers_what_it_took_and_takes_no_more() {
    let world = World::new().await;
    let vault = world.vault().await;
    let posted: Vec<_> = (0..50)
        .map(|_| vault.submit(asks("ana", post("taken"))))
        .collect();
    world.vaults.settle().await;
    assert_eq!(world.records(vault.id()).await.len(), 50);
    for outcome in join_all(posted).await {
        outcome.unwrap();
    }
    assert!(matches!(
        vault.refused("ana", post("late")).await,
        VaultError::Unavailable
    ));
}

#[actix_web::test]
async fn whoever_has_his_answer_has_left_his_place() {
    let mailbox = 1;
    let world = World::with(VaultOptions { mailbox, ..OPTIONS }).await;
    let vault = world.vault().await;
    // One at a time, each as soon as the one before is answered: nobody finds the only place taken.
    vault.posts(1000).await;
    assert_eq!(world.records(vault.id()).await.len(), 1000);
}

#[actix_web::test]
async fn a_queue_is_made_longer_and_shorter_while_others_wait_in_it() {
    let options = |mailbox| VaultOptions { mailbox, ..OPTIONS };
    let world = World::with(options(2)).await;
    let vault = world.vault().await;
    let lock = world.lock().await;
    let mut waiting: Vec<_> = (0..2)
        .map(|_| vault.submit(asks("ana", post("waits"))))
        .collect();
    let is_full = async || {
        let refused = vault.refused("ana", post("too many")).await;
        assert!(matches!(refused, VaultError::Busy));
    };
    is_full().await;

    world.vaults.retune(options(3));
    assert_eq!(world.vaults.capacity(), 3);
    waiting.push(vault.submit(asks("ana", post("waits, too"))));
    is_full().await;

    // Nobody who waits is sent away.
    world.vaults.retune(options(1));
    is_full().await;
    lock.rollback().await.unwrap();
    for outcome in join_all(waiting).await {
        outcome.unwrap();
    }
    vault.posts(1).await;
    assert_eq!(world.records(vault.id()).await.len(), 4);
}

#[actix_web::test]
async fn what_waits_already_goes_in_batches_of_the_size_that_holds_now() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.posts(1).await;
    let lock = world.lock().await;
    let waiting: Vec<_> = (0..20)
        .map(|_| vault.submit(asks("ana", post("alone"))))
        .collect();
    world.vaults.retune(VaultOptions {
        commit_batch: 1,
        ..OPTIONS
    });
    lock.rollback().await.unwrap();
    for outcome in join_all(waiting).await {
        outcome.unwrap();
    }
    // One transaction has one clock: together they would have two of them, and the first post another.
    let sql = "SELECT COUNT(DISTINCT created_at) FROM vault_events";
    assert!(world.number(sql).await > 3);
}
