//! A vault's life: it ends when nobody uses it, comes back when somebody does, and survives its actor.

use std::time::Duration;

use futures_util::future::join_all;
use vaultcast::{
    domain::{Seq, VaultId},
    vault::{Attach, VaultError, VaultOptions},
};

use crate::{
    ear::{Ear, Heard, Told},
    world::{Asked, OPTIONS, World, asks, places, post, until},
};

const RESTLESS: VaultOptions = VaultOptions {
    idle: Duration::from_millis(1),
    ..OPTIONS
};

#[actix_web::test]
async fn an_idle_vault_leaves_the_memory_and_comes_back() {
    let world = World::with(RESTLESS).await;
    let vault = world.vault().await;
    vault.posts(3).await;
    until("the vault has left", async || world.vaults.alive() == 0).await;
    vault.posts(1).await;
    assert_eq!(world.records(vault.id()).await.len(), 4);
}

#[actix_web::test]
async fn a_shorter_time_holds_for_a_vault_that_is_idle_already() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.posts(1).await;
    assert_eq!(world.vaults.alive(), 1);
    world.vaults.retune(RESTLESS);
    until("it is forgotten", async || world.vaults.alive() == 0).await;
    vault.posts(1).await;
    assert_eq!(world.records(vault.id()).await.len(), 2);
}

#[actix_web::test]
async fn a_vault_that_somebody_listens_to_is_not_idle() {
    let world = World::with(RESTLESS).await;
    let vault = world.vault().await;
    let (mut ear, mut other) = (Ear::new(), Ear::new());
    let ana = ear.join(&vault, "ana").await;
    // Another vault comes and goes meanwhile.
    let second = world.vault().await;
    second.posts(1).await;
    until("the other has left", async || world.vaults.alive() == 1).await;
    vault.posts(1).await;
    assert_eq!(ear.event().await, 1);
    vault.leave(ana);
    until("nobody listens", async || world.vaults.alive() == 0).await;
    other.join(&vault, "ana").await;
}

#[actix_web::test]
async fn nobody_sees_a_vault_that_is_just_leaving() {
    let world = World::with(RESTLESS).await;
    let vault = world.vault().await;
    let writers = (0..8).map(|writer| {
        let vault = vault.clone();
        actix_web::rt::spawn(async move {
            for n in 0..40_u64 {
                let mut ear = Ear::new();
                // Now and then just as long as it takes to become idle.
                tokio::time::sleep(Duration::from_micros(700 + 131 * ((n + writer) % 7))).await;
                vault.posts(1).await;
                let ana = ear.join(&vault, "ana").await;
                vault.leave(ana);
            }
        })
    });
    for written in join_all(writers).await {
        written.unwrap();
    }
    assert_eq!(world.records(vault.id()).await.len(), 8 * 40);
}

#[actix_web::test]
async fn a_vault_that_never_was_leaves_no_actor_behind() {
    let world = World::new().await;
    let nowhere = world.vaults.open(&VaultId::generate());
    assert!(matches!(
        nowhere.refused("ana", post("x")).await,
        VaultError::Refused(_)
    ));
    let mut ear = Ear::new();
    ear.attach(&nowhere, "ana", Attach::Join);
    assert!(matches!(
        ear.told().await,
        Told::Refused(VaultError::Refused(_))
    ));
    until("it is forgotten", async || world.vaults.alive() == 0).await;
}

#[actix_web::test]
async fn a_vault_whose_actor_died_is_opened_again_and_its_listeners_miss_nothing() {
    let world = World::new().await;
    let vault = world.vault().await;
    let (mut ear, mut fatal) = (Ear::new(), Ear::new());
    let ana = ear.join(&vault, "ana").await;
    fatal.join(&vault, "ana").await;
    vault.posts(2).await;
    assert_eq!(ear.events(2).await, places(1, 2));

    fatal.breaks_after(0);
    // It is on disk before the sink kills the actor, so it is answered truly.
    let answer = vault
        .submit(asks("ana", post("the last words")))
        .await
        .unwrap();
    assert_eq!(answer.seq, Seq(3));
    ear.fell_behind().await;
    ear.resume(&vault, "ana", ana, 2);
    assert_eq!(ear.events_after(&vault, ana, 2, 1).await, [3]);
    vault.posts(2).await;
    assert_eq!(ear.events_after(&vault, ana, 3, 2).await, places(4, 5));
}

#[actix_web::test]
async fn a_successor_waits_for_the_transaction_of_the_dead() {
    let world = World::new().await;
    let vault = world.vault().await;
    let (mut ear, fatal) = (Ear::new(), Ear::new());
    let ana = ear.join(&vault, "ana").await;
    let lock = world.lock().await;
    let in_flight = vault.submit(asks("ana", post("in flight")));
    // Another waits in the queue of the one that dies now, and is surely not done.
    let waiting = vault.submit(asks("ana", post("waits")));
    fatal.breaks_after(0);
    fatal.attach(&vault, "ana", Attach::Join);
    ear.fell_behind().await;
    assert!(matches!(waiting.await, Err(VaultError::Unavailable)));

    // The mutation in flight is answered when its transaction has ended, not when its actor has.
    ear.resume(&vault, "ana", ana, 0);
    lock.rollback().await.unwrap();
    assert_eq!(in_flight.await.unwrap().seq, Seq(1));
    vault.posts(1).await;
    // Who asks in the moment of its death is left out once more, and told so.
    assert_eq!(ear.events_after(&vault, ana, 0, 2).await, places(1, 2));
}

#[actix_web::test]
async fn who_was_about_to_join_a_vault_that_died_is_told_to_ask_again() {
    let world = World::new().await;
    let vault = world.vault().await;
    let (mut ear, fatal) = (Ear::new(), Ear::new());
    fatal.breaks_after(0);
    fatal.attach(&vault, "ana", Attach::Join);
    let ana = ear.attach(&vault, "ana", Attach::Join);
    ear.fell_behind().await;
    until("he is in", async || {
        ear.attach_again(&vault, "ana", ana, Attach::Join);
        vault.submit(asks("ana", post("anything"))).await.is_ok()
    })
    .await;
    loop {
        match ear.next().await {
            Heard::FellBehind(_) => {}
            Heard::Told(_, told) => {
                assert!(matches!(told, Told::Joined(_)));
                return;
            }
        }
    }
}
