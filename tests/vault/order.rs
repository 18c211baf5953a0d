//! One order: places without gaps, told to everybody as they were given, and answered truly.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use vaultcast::{
    domain::{Refusal, Resource, Role},
    journal::Kind,
    vault::VaultError,
};

use crate::{
    ear::Ear,
    world::{Asked, World, add, asks, change, new_vault, places, post, user},
};

const WRITERS: usize = 64;

#[actix_web::test]
async fn sixty_four_writers_of_one_vault_make_one_order_for_all() {
    let world = World::new().await;
    let vault = world.vault().await;
    let mut ears = [Ear::new(), Ear::new()];
    for ear in &mut ears {
        ear.join(&vault, "ana").await;
    }

    let writers = (0..WRITERS).map(|writer| {
        let vault = vault.clone();
        actix_web::rt::spawn(async move {
            let mut answers = Vec::new();
            for n in 0..10 {
                answers.push(vault.done("ana", post(&format!("{writer}.{n}"))).await);
            }
            answers
        })
    });
    let answers: Vec<_> = join_all(writers)
        .await
        .into_iter()
        .flat_map(Result::unwrap)
        .collect();

    let all = WRITERS * 10;
    for ear in &mut ears {
        assert_eq!(ear.events(all).await, places(1, all as u64));
    }
    let records = world.records(vault.id()).await;
    assert_eq!(records.len(), all);
    // Who was answered with a place finds his own source in the event there.
    let mut by_seq = BTreeMap::new();
    for answer in &answers {
        let Resource::Source(source) = &answer.resource else {
            panic!("{answer:?}");
        };
        assert!(
            records[answer.seq.0 as usize - 1]
                .payload
                .contains(source.id.as_str())
        );
        assert!(by_seq.insert(answer.seq, source.id.clone()).is_none());
    }
    assert_eq!(by_seq.len(), all);
}

#[actix_web::test]
async fn sixty_four_vaults_each_keep_an_order_of_their_own() {
    let world = World::new().await;
    let mut ear = Ear::new();
    let mut vaults = Vec::new();
    for _ in 0..WRITERS {
        let vault = world.vaults.open(&new_vault(&world.vaults).await);
        ear.join(&vault, "ana").await;
        vaults.push(vault);
    }

    let writers = vaults
        .iter()
        .cloned()
        .map(|vault| actix_web::rt::spawn(async move { vault.posts(10).await }));
    for written in join_all(writers).await {
        written.unwrap();
    }

    let heard = ear.events_by_vault(WRITERS * 10).await;
    for vault in &vaults {
        assert_eq!(heard[vault.id()], places(1, 10));
        assert_eq!(world.records(vault.id()).await.len(), 10);
    }
}

#[actix_web::test]
async fn who_is_demoted_while_he_posts_has_no_event_after_that() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.done("ana", add("ben", Role::Contributor)).await;

    // All of it is submitted before anything is committed; the demotion is somewhere in between.
    let before: Vec<_> = (0..20)
        .map(|_| vault.submit(asks("ben", post("early"))))
        .collect();
    let demotion = vault.submit(asks("ana", change("ben", Role::Viewer)));
    let after: Vec<_> = (0..20)
        .map(|_| vault.submit(asks("ben", post("late"))))
        .collect();

    for outcome in join_all(before).await {
        outcome.unwrap();
    }
    assert_eq!(demotion.await.unwrap().seq.0, 22);
    for outcome in join_all(after).await {
        let error = outcome.unwrap_err();
        assert!(
            matches!(error, VaultError::Refused(Refusal::InsufficientPermissions)),
            "{error}"
        );
    }
    assert_eq!(world.records(vault.id()).await.len(), 22);
}

#[actix_web::test]
async fn two_owners_who_demote_each_other_at_once_leave_one_owner() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.done("ana", add("ben", Role::Owner)).await;
    let (one, other) = (
        vault.submit(asks("ana", change("ben", Role::Viewer))),
        vault.submit(asks("ben", change("ana", Role::Viewer))),
    );
    assert!(one.await.is_ok());
    assert!(other.await.is_err());
    let members = world
        .journal()
        .load(vault.id())
        .await
        .unwrap()
        .unwrap()
        .members;
    assert_eq!(members[&user("ana")].role, Role::Owner);
    assert_eq!(members[&user("ben")].role, Role::Viewer);
}

#[actix_web::test]
async fn a_day_of_joining_survives_a_change_of_role() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.done("ana", add("ben", Role::Viewer)).await;
    let joined = || async {
        let members = world
            .journal()
            .load(vault.id())
            .await
            .unwrap()
            .unwrap()
            .members;
        members[&user("ben")].created_at
    };
    let before = joined().await;
    vault.done("ana", change("ben", Role::Owner)).await;
    vault.done("ana", change("ben", Role::Viewer)).await;
    assert_eq!(joined().await, before);
    let kinds: Vec<_> = world
        .records(vault.id())
        .await
        .iter()
        .map(|r| r.kind)
        .collect();
    assert_eq!(
        kinds,
        [Kind::MemberAdded, Kind::MemberUpdated, Kind::MemberUpdated]
    );
}
