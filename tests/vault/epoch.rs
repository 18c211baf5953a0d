//! What changes when a backup was put back, and what is forgotten in time.

use std::process::Command as Program;

use sea_orm::ConnectionTrait;
use vaultcast::{
    domain::{Seq, Timestamp, idempotency::IdempotencyKey},
    vault::Attach,
};

use crate::{
    ear::Ear,
    world::{Asked, OPTIONS, World, asks, post, process},
};

const DAY: i64 = 24 * 60 * 60 * 1000;

#[actix_web::test]
async fn after_a_renewed_epoch_who_trusts_the_old_one_lists_anew() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.posts(2).await;
    let old = world.journal().epoch().to_owned();

    let renewed = Program::new(env!("CARGO_BIN_EXE_vaultcast"))
        .args(["epoch", "renew"])
        .current_dir(world.database.directory.path())
        .env("DATABASE_URL", &world.database.url)
        .output()
        .unwrap();
    assert!(renewed.status.success(), "{renewed:?}");
    let told = String::from_utf8(renewed.stdout).unwrap();

    // As after a restart.
    let vaults = process(&world.database.url, OPTIONS).await;
    assert_eq!(vaults.journal().epoch(), told.trim());
    assert_ne!(vaults.journal().epoch(), old);
    let mut ear = Ear::new();
    for (epoch, resync) in [(old, true), (told.trim().to_owned(), false)] {
        let (seq, epoch) = (Seq(1), Some(epoch));
        ear.attach(
            &vaults.open(vault.id()),
            "ana",
            Attach::JoinSince { seq, epoch },
        );
        let joined = ear.joined().await;
        assert_eq!(joined.resync, resync);
    }
}

#[actix_web::test]
async fn answers_are_forgotten_after_a_day_however_many_there_are() {
    let world = World::new().await;
    let vault = world.vault().await;
    let keyed = |n: usize| {
        let mut mutation = asks("ana", post("again"));
        mutation.key = Some(IdempotencyKey {
            path: "/sources".to_owned(),
            key: n.to_string(),
            fingerprint: "f".to_owned(),
        });
        mutation
    };
    let posted = (0..1010).map(|n| vault.submit(keyed(n)));
    for outcome in futures_util::future::join_all(posted.take(1000)).await {
        outcome.unwrap();
    }
    let remembered = "SELECT COUNT(*) FROM idempotency_keys";
    let now = Timestamp::now();
    assert_eq!(world.journal().sweep(now).await.unwrap().answers, 0);
    assert_eq!(
        vault.submit(keyed(7)).await.unwrap(),
        vault.submit(keyed(7)).await.unwrap()
    );
    assert_eq!(world.number(remembered).await, 1000);
    let tomorrow = Timestamp(now.0 + DAY + 1);
    assert_eq!(world.journal().sweep(tomorrow).await.unwrap().answers, 1000);
    assert_eq!(world.number(remembered).await, 0);
    // What was forgotten is done anew.
    let anew = vault.submit(keyed(7)).await.unwrap();
    assert_eq!(anew.seq.0 as usize, world.records(vault.id()).await.len());
}

#[actix_web::test]
async fn an_answer_older_than_a_day_gives_way_before_it_is_swept() {
    let world = World::new().await;
    let vault = world.vault().await;
    let keyed = || {
        let mut mutation = asks("ana", post("again"));
        mutation.key = Some(IdempotencyKey {
            path: "/sources".to_owned(),
            key: "k".to_owned(),
            fingerprint: "f".to_owned(),
        });
        mutation
    };
    let first = vault.submit(keyed()).await.unwrap();
    let aged = format!("UPDATE idempotency_keys SET created_at = created_at - {DAY} - 1000");
    world.execute(&aged).await;
    let second = vault.submit(keyed()).await.unwrap();
    assert!(second.seq > first.seq);
    assert_eq!(vault.submit(keyed()).await.unwrap(), second);
}

#[actix_web::test]
async fn an_answer_that_is_given_anew_while_it_is_swept_stays() {
    let world = World::new().await;
    if !world.database.is_postgres() {
        return; // one writer at a time: whoever sweeps sees what was given
    }
    let now = Timestamp::now();
    let given =
        "INSERT INTO idempotency_keys (user_id, path, key, fingerprint, seq, answer, created_at)";
    world
        .execute(&format!(
            "{given} VALUES ('ana', '/', 'k', 'f', 1, '', {now})",
            now = now.0
        ))
        .await;
    let lock = world.lock().await;
    let anew = format!("UPDATE idempotency_keys SET created_at = created_at + {DAY}");
    lock.execute_unprepared(&anew).await.unwrap();

    let journal = world.journal().clone();
    let tomorrow = Timestamp(now.0 + DAY);
    let sweep = actix_web::rt::spawn(async move { journal.sweep(tomorrow).await });
    world.waits_for_a_lock("DELETE FROM idempotency_keys").await;
    lock.commit().await.unwrap();
    assert_eq!(sweep.await.unwrap().unwrap().answers, 0);
    let left = "SELECT COUNT(*) FROM idempotency_keys";
    assert_eq!(world.number(left).await, 1);
}
