//! Several processes on one database: none assumes to be the only writer, and no vault's order breaks.

use futures_util::future::join_all;
use vaultcast::{
    domain::{Command, Refusal, Role, Seq, idempotency::IdempotencyKey, ids::MembershipId},
    journal::NewVault,
    vault::{Attach, VaultError},
};

use crate::{
    ear::{Ear, Told},
    world::{Asked, World, add, asks, change, person, places, post, remove},
};

const WRITERS: usize = 16;
const POSTS: usize = 10;

#[actix_web::test]
async fn two_processes_write_one_vault_in_one_order() {
    let world = World::new().await;
    let here = world.vault().await;
    let there = world.another().await.open(here.id());
    let mut ears = [Ear::new(), Ear::new()];
    ears[0].join(&here, "ana").await;
    ears[1].join(&there, "ana").await;

    let writers = (0..WRITERS).map(|writer| {
        let vault = if writer % 2 == 0 { &here } else { &there }.clone();
        actix_web::rt::spawn(async move { vault.posts(POSTS).await })
    });
    for written in join_all(writers).await {
        written.unwrap();
    }

    let all = WRITERS * POSTS;
    assert_eq!(world.records(here.id()).await.len(), all);
    // The last event of all was one process's own; the other hears of it with its next.
    here.posts(1).await;
    there.posts(1).await;
    here.posts(1).await;
    for (ear, heard) in ears.iter_mut().zip([all + 3, all + 2]) {
        assert_eq!(ear.events(heard).await, places(1, heard as u64));
    }
}

#[actix_web::test]
async fn two_processes_write_many_vaults_each_in_its_order() {
    let world = World::new().await;
    let another = world.another().await;
    let mut vaults = Vec::new();
    for _ in 0..WRITERS {
        vaults.push(world.vault().await);
    }
    let writers = vaults.iter().flat_map(|vault| {
        [vault.clone(), another.open(vault.id())]
            .map(|vault| actix_web::rt::spawn(async move { vault.posts(POSTS).await }))
    });
    for written in join_all(writers.collect::<Vec<_>>()).await {
        written.unwrap();
    }
    for vault in &vaults {
        assert_eq!(world.records(vault.id()).await.len(), 2 * POSTS);
    }
}

#[actix_web::test]
async fn who_was_let_in_by_another_process_is_not_refused() {
    let world = World::new().await;
    let here = world.vault().await;
    let there = world.another().await.open(here.id());
    there.posts(1).await;
    here.done("ana", add("ben", Role::Contributor)).await;
    // The other process has not heard of ben; that what it decides is refused is no reason not to look.
    there.done("ben", post("let me in")).await;
    here.done("ana", change("ben", Role::Viewer)).await;
    let refused = there.refused("ben", post("too late")).await;
    assert!(matches!(
        refused,
        VaultError::Refused(Refusal::InsufficientPermissions)
    ));
    here.done("ana", remove("ben")).await;
    let refused = there.refused("ben", post("gone")).await;
    assert!(matches!(
        refused,
        VaultError::Refused(Refusal::AccessDenied)
    ));
}

#[actix_web::test]
async fn a_vault_deleted_by_another_process_is_gone() {
    let world = World::new().await;
    let here = world.vault().await;
    let there = world.another().await.open(here.id());
    let mut ear = Ear::new();
    ear.join(&there, "ana").await;
    here.done("ana", Command::Delete).await;
    let refused = there.refused("ana", post("nowhere")).await;
    assert!(matches!(
        refused,
        VaultError::Refused(Refusal::AccessDenied)
    ));
    assert_eq!(ear.event().await, 1);
}

#[actix_web::test]
async fn who_goes_on_here_after_what_he_heard_elsewhere_misses_nothing() {
    let world = World::new().await;
    let here = world.vault().await;
    let there = world.another().await.open(here.id());
    let (mut heard_here, mut ear) = (Ear::new(), Ear::new());
    ear.join(&there, "ana").await; // it stands at the beginning there
    let ana = heard_here.join(&here, "ana").await;
    here.posts(3).await;
    assert_eq!(heard_here.events(2).await, places(1, 2));
    let mut back = Ear::new();
    back.resume(&there, "ana", ana, 3);
    assert_eq!(back.event().await, 3); // which he knows
    there.posts(1).await;
    assert_eq!(back.event().await, 4);
}

#[actix_web::test]
async fn who_joins_finds_the_vault_where_another_process_has_brought_it() {
    let world = World::new().await;
    let here = world.vault().await;
    let there = world.another().await.open(here.id());
    let (mut ear, mut late) = (Ear::new(), Ear::new());
    ear.join(&there, "ana").await;
    here.posts(3).await;
    // He has seen the third event at the other process.
    let (seq, epoch) = (Seq(3), None);
    late.attach(&there, "ana", Attach::JoinSince { seq, epoch });
    let joined = late.joined().await;
    assert_eq!((joined.seq, joined.resync), (Seq(3), false));
    assert_eq!(joined.replayed, Some(0));
    // Who was there already is told what had been missed.
    assert_eq!(ear.events(3).await, places(1, 3));

    here.posts(1).await;
    late.attach(&there, "ana", Attach::Join);
    assert_eq!(late.event().await, 4);
    assert_eq!(late.joined().await.seq, Seq(4));
    // What is in no journal is said to be unknown.
    let (seq, epoch) = (Seq(5), None);
    late.attach(&there, "ana", Attach::JoinSince { seq, epoch });
    assert!(late.joined().await.resync);
}

#[actix_web::test]
async fn who_was_let_in_or_removed_by_another_process_joins_as_he_should() {
    let world = World::new().await;
    let here = world.vault().await;
    let there = world.another().await.open(here.id());
    let (mut anas, mut bens) = (Ear::new(), Ear::new());
    anas.join(&there, "ana").await;
    here.done("ana", add("ben", Role::Viewer)).await;
    bens.join(&there, "ben").await;
    here.done("ana", remove("ben")).await;
    bens.attach(&there, "ben", Attach::Join);
    assert_eq!(bens.event().await, 2);
    assert!(matches!(bens.told().await, Told::Removed));
    assert!(matches!(bens.told().await, Told::Refused(_)));
    assert_eq!(anas.events(2).await, places(1, 2));
}

#[actix_web::test]
async fn whoever_joins_while_two_processes_write_hears_everything_from_there_once() {
    let world = World::new().await;
    let here = world.vault().await;
    let there = world.another().await.open(here.id());
    let vaults = [&here, &there];
    let writers = (0..WRITERS).map(|writer| {
        let vault = vaults[writer % 2].clone();
        actix_web::rt::spawn(async move { vault.posts(POSTS).await })
    });
    let writers: Vec<_> = writers.collect();
    let mut ears = Vec::new();
    for n in 0..40 {
        let mut ear = Ear::new();
        let posted = vaults[n % 2].submit(asks("ana", post("before"))).await;
        ear.attach(vaults[(n + 1) % 2], "ana", Attach::Join);
        let joined = ear.joined().await.seq;
        assert!(joined >= posted.unwrap().seq, "behind what he knows");
        ears.push((ear, joined.0));
    }
    for written in join_all(writers).await {
        written.unwrap();
    }
    let last = (WRITERS * POSTS + 40) as u64;
    for vault in vaults {
        Ear::new().join(vault, "ana").await;
    }
    for (mut ear, joined) in ears {
        let rest = (last - joined) as usize;
        assert_eq!(ear.events(rest).await, places(joined + 1, last));
    }
}

#[actix_web::test]
async fn one_key_at_two_processes_at_once_makes_one_vault_and_one_source() {
    let world = World::new().await;
    let another = world.another().await;
    let key = |path: &str| {
        Some(IdempotencyKey {
            path: path.to_owned(),
            key: "k".to_owned(),
            fingerprint: "f".to_owned(),
        })
    };
    let make = || NewVault {
        id: vaultcast::domain::VaultId::generate(),
        membership: MembershipId::generate(),
        name: "Physics".to_owned(),
        by: person("ana"),
        key: key("/api/vaults"),
    };
    let made = join_all((0..10).map(|n| {
        let vaults = if n % 2 == 0 { &world.vaults } else { &another };
        vaults.create(make())
    }))
    .await;
    let first = made[0].as_ref().unwrap();
    assert!(made.iter().all(|one| one.as_ref().unwrap() == first));
    assert_eq!(world.number("SELECT COUNT(*) FROM vaults").await, 1);

    let here = world.vault().await;
    let there = another.open(here.id());
    let posted = join_all((0..10).map(|n| {
        let mut mutation = asks("ana", post("once"));
        mutation.key = key("/sources");
        if n % 2 == 0 { &here } else { &there }.submit(mutation)
    }))
    .await;
    let first = posted[0].as_ref().unwrap();
    assert!(posted.iter().all(|one| one.as_ref().unwrap() == first));
    assert_eq!(world.records(here.id()).await.len(), 1);
}
