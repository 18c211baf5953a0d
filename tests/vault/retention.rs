//! What a vault keeps of its past, what is trimmed, and what those are told who come back from before that.

use std::time::Duration;

use futures_util::future::join_all;
use vaultcast::{
    domain::{Command, Refusal, Seq, Timestamp, VaultId},
    journal::{Retention, Swept},
    vault::{Attach, VaultError, VaultHandle, Vaults},
};

use crate::{
    ear::{Ear, Heard, Told},
    world::{Asked, OPTIONS, World, asks, keeping, places, post, until},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Another process on the world's database, which keeps so many events of a vault, for a day.
async fn keeps(world: &World, events: u64) -> Vaults {
    let retention = Retention { events, age: DAY };
    keeping(&world.database.url, retention, OPTIONS).await
}

fn after(days: u32) -> Timestamp {
    let later = i64::try_from((DAY * days).as_millis()).unwrap();
    Timestamp(Timestamp::now().0 + later + 1000)
}

/// Changes a vault so many times, many at once.
async fn fill(vault: &VaultHandle, many: usize) {
    for batch in places(1, many as u64).chunks(500) {
        let posted = batch
            .iter()
            .map(|_| vault.submit(asks("ana", post("many"))));
        for outcome in join_all(posted.collect::<Vec<_>>()).await {
            outcome.unwrap();
        }
    }
}

/// The places of the events that the journal keeps.
async fn kept(world: &World, vault: &VaultId) -> Vec<u64> {
    let records = world.journal().after(vault, Seq::ZERO, 1_000_000).await;
    let place = |record: &vaultcast::journal::Record| record.seq.0;
    records.unwrap().iter().map(place).collect()
}

fn since(seq: u64) -> Attach {
    let (seq, epoch) = (Seq(seq), None);
    Attach::JoinSince { seq, epoch }
}

#[actix_web::test]
async fn when_less_is_to_be_kept_the_rest_goes_at_once() {
    let world = World::new().await;
    let vault = world.vault().await;
    fill(&vault, 20).await;
    let (events, age) = (5, DAY);
    world.journal().retain(Retention { events, age });
    until("the rest has gone", async || {
        kept(&world, vault.id()).await == places(16, 20)
    })
    .await;
}

#[actix_web::test]
async fn events_beyond_the_number_kept_go_and_those_who_knew_less_list_anew() {
    let world = World::new().await;
    let keeper = keeps(&world, 100).await;
    let (busy, quiet) = (world.vault().await, world.vault().await);
    fill(&busy, 1200).await;
    fill(&quiet, 100).await;

    let swept = keeper.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!((swept.events, swept.vaults), (1100, 0));
    assert_eq!(kept(&world, busy.id()).await, places(1101, 1200));
    assert_eq!(kept(&world, quiet.id()).await, places(1, 100));
    let again = keeper.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!(again, Swept::default());

    let mut ear = Ear::new();
    let busy = keeper.open(busy.id());
    for (seq, resync, replayed) in [
        (0, true, None),
        (1099, true, None),
        (1100, false, Some(100)),
        (1200, false, Some(0)),
    ] {
        ear.attach(&busy, "ana", since(seq));
        let joined = ear.joined().await;
        assert_eq!((joined.resync, joined.replayed), (resync, replayed));
        if replayed == Some(100) {
            assert_eq!(ear.events(32).await, places(1101, 1132));
            assert!(matches!(ear.told().await, Told::More));
        }
    }
}

#[actix_web::test]
async fn events_of_another_age_go_but_a_vaults_newest_stays() {
    let world = World::new().await;
    let keeper = keeps(&world, u64::MAX).await;
    let vault = world.vault().await;
    vault.posts(5).await;
    let swept = keeper.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!(swept.events, 0);

    // The clock was wrong for a while: what is trimmed is what comes first, without a gap.
    world
        .execute("UPDATE vault_events SET created_at = 0 WHERE seq IN (1, 2, 4)")
        .await;
    let swept = keeper.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!(swept.events, 2);
    assert_eq!(kept(&world, vault.id()).await, places(3, 5));

    let swept = keeper.journal().sweep(after(1)).await.unwrap();
    assert_eq!(swept.events, 2);
    assert_eq!(kept(&world, vault.id()).await, [5]);
    let joined = Ear::new().join(&keeper.open(vault.id()), "ana").await;
    keeper.open(vault.id()).leave(joined);
    vault.posts(1).await;
    assert_eq!(kept(&world, vault.id()).await, [5, 6]);
}

#[actix_web::test]
async fn what_the_journal_keeps_no_longer_may_still_be_told_from_memory() {
    let world = World::new().await;
    let keeper = keeps(&world, 1).await;
    let vault = keeper.open(world.vault().await.id());
    vault.posts(5).await;
    keeper.journal().sweep(Timestamp::now()).await.unwrap();
    let mut ear = Ear::new();
    ear.attach(&vault, "ana", since(0));
    let joined = ear.joined().await;
    assert_eq!((joined.resync, joined.replayed), (false, Some(5)));
    assert_eq!(ear.events(5).await, places(1, 5));
}

#[actix_web::test]
async fn a_page_that_is_trimmed_under_its_reader_is_lost_to_him_and_he_lists_anew() {
    let world = World::new().await;
    let keeper = keeps(&world, 10).await;
    let vault = world.vault().await;
    fill(&vault, 200).await;
    // A process with nothing in memory reads page by page.
    let vault = keeper.open(vault.id());
    let mut ear = Ear::new();
    let ana = ear.attach(&vault, "ana", since(10));
    assert_eq!(ear.joined().await.replayed, Some(190));
    assert_eq!(ear.events(32).await, places(11, 42));
    assert!(matches!(ear.told().await, Told::More));

    keeper.journal().sweep(Timestamp::now()).await.unwrap();
    ear.resume(&vault, "ana", ana, 42);
    assert!(matches!(ear.told().await, Told::Lost));
    ear.attach(&vault, "ana", since(42));
    assert!(ear.joined().await.resync);
    vault.posts(1).await;
    assert_eq!(ear.event().await, 201);
}

#[actix_web::test]
async fn two_processes_trim_at_the_same_time_while_both_write() {
    let world = World::new().await;
    let processes = [keeps(&world, 500).await, keeps(&world, 500).await];
    let id = world.vault().await.id().clone();
    let vaults = processes.each_ref().map(|process| process.open(&id));
    fill(&vaults[0], 3000).await;
    let mut ear = Ear::new();
    ear.join(&vaults[0], "ana").await;

    let writers = (0..8).map(|writer| {
        let vault = vaults[writer % 2].clone();
        actix_web::rt::spawn(async move { vault.posts(50).await })
    });
    let sweepers = processes.iter().map(async |process| {
        let mut events = 0;
        for _ in 0..20 {
            let swept = process.journal().sweep(Timestamp::now()).await;
            events += swept.unwrap().events;
        }
        events
    });
    let writers: Vec<_> = writers.collect();
    let swept: u64 = join_all(sweepers).await.into_iter().sum();
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    // Whoever joins, the vault looks where it stands: the ear is told what the other process wrote last.
    Ear::new().join(&vaults[0], "ana").await;
    assert_eq!(ear.events(400).await, places(3001, 3400));
    let journal = processes[1].journal();
    let last = journal.sweep(Timestamp::now()).await.unwrap().events;
    assert_eq!(kept(&world, &id).await, places(2901, 3400));
    // Each event was trimmed by one of them.
    assert_eq!(swept + last, 2900);
}

#[actix_web::test]
async fn a_deleted_vault_is_kept_for_as_long_as_an_event_and_then_nothing_is_left() {
    let world = World::new().await;
    let keeper = keeps(&world, 10).await;
    let (vault, other) = (world.vault().await, world.vault().await);
    vault.posts(3).await;
    other.posts(1).await;
    // A process that does not hear of it.
    let there = keeper.open(vault.id());
    let mut ear = Ear::new();
    let ana = ear.join(&there, "ana").await;
    vault.done("ana", Command::Delete).await;

    let swept = keeper.journal().sweep(Timestamp::now()).await.unwrap();
    assert_eq!(swept, Swept::default());
    assert_eq!(kept(&world, vault.id()).await, places(1, 4));
    let swept = keeper.journal().sweep(after(1)).await.unwrap();
    assert_eq!((swept.events, swept.vaults), (4, 1));
    for table in ["vaults", "vault_heads"] {
        let left = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(world.number(&left).await, 1, "{table}");
    }
    assert_eq!(kept(&world, other.id()).await, [1]);

    let refused = there.refused("ana", post("nowhere")).await;
    let denied = |error| matches!(error, VaultError::Refused(Refusal::AccessDenied));
    assert!(denied(refused.clone()), "{refused}");
    ear.fell_behind().await;
    let told = told_at_last(&mut ear, |ear| ear.resume(&there, "ana", ana, 3)).await;
    assert!(matches!(told, Told::Closed), "{told:?}");
    // Who joins finds it gone as well.
    let join = |ear: &Ear| ear.attach_again(&there, "ana", ana, Attach::Join);
    let Told::Refused(refused) = told_at_last(&mut ear, join).await else {
        panic!("let in");
    };
    assert!(denied(refused.clone()), "{refused}");
}

/// What is told to who asks, and asks again whenever it was asked of an actor about to end.
async fn told_at_last(ear: &mut Ear, ask: impl Fn(&Ear)) -> Told {
    ask(ear);
    loop {
        match ear.next().await {
            Heard::FellBehind(_) => ask(ear),
            Heard::Told(_, told) => return told,
        }
    }
}

#[actix_web::test]
async fn who_joins_a_vault_that_was_deleted_elsewhere_long_ago_is_not_let_in() {
    let world = World::new().await;
    let keeper = keeps(&world, 10).await;
    let vault = world.vault().await;
    let there = keeper.open(vault.id());
    let mut ear = Ear::new();
    ear.join(&there, "ana").await;
    vault.done("ana", Command::Delete).await;
    keeper.journal().sweep(after(1)).await.unwrap();
    let new = ear.attach(&there, "ana", Attach::Join);
    ear.fell_behind().await;
    let join = |ear: &Ear| ear.attach_again(&there, "ana", new, Attach::Join);
    let told = told_at_last(&mut ear, join).await;
    assert!(matches!(told, Told::Refused(_)), "{told:?}");
}
