//! What a subscriber hears: everything from where he stands, in order, each once; and nothing after his end.

use vaultcast::{
    domain::{Command, Role, Seq},
    vault::{Attach, VaultError, VaultHandle},
};

use crate::{
    ear::{Ear, Told},
    world::{Asked, World, add, asks, places, post, remove},
};

#[actix_web::test]
async fn a_sink_without_room_falls_behind_and_loses_nothing() {
    let world = World::new().await;
    let vault = world.vault().await;
    let mut slow = Ear::with_room(3);
    let mut quick = Ear::new();
    let ana = slow.join(&vault, "ana").await;
    quick.join(&vault, "ana").await;

    vault.posts(10).await;
    assert_eq!(slow.events(2).await, places(1, 2));
    slow.fell_behind().await;
    assert!(slow.is_silent());
    assert_eq!(quick.events(10).await, places(1, 10));

    slow.make_room(usize::MAX);
    vault.caught_up(slow.id());
    slow.resume(&vault, "ana", ana, 2);
    vault.posts(1).await;
    assert_eq!(slow.events(10).await, places(2, 11));
}

#[actix_web::test]
async fn a_sink_that_caught_up_without_anybody_there_serves_the_next_who_comes() {
    let world = World::new().await;
    let vault = world.vault().await;
    let mut ear = Ear::with_room(1);
    let ana = ear.join(&vault, "ana").await;
    vault.posts(1).await;
    ear.fell_behind().await;
    vault.leave(ana);
    ear.make_room(usize::MAX);
    vault.caught_up(ear.id());
    ear.join(&vault, "ana").await;
}

#[actix_web::test]
async fn who_was_far_behind_reads_the_journal_page_by_page() {
    let world = World::new().await;
    let vault = world.vault().await;
    let posted: Vec<_> = (0..1500).map(|_| asks("ana", post("many"))).collect();
    for batch in posted.chunks(500) {
        let batch = batch.iter().cloned().map(|one| vault.submit(one));
        for outcome in futures_util::future::join_all(batch).await {
            outcome.unwrap();
        }
    }
    let mut ear = Ear::new();
    let since = Attach::JoinSince {
        seq: Seq(10),
        epoch: Some(world.journal().epoch().to_owned()),
    };
    let ana = ear.attach(&vault, "ana", since);
    let joined = ear.joined().await;
    assert_eq!((joined.seq, joined.replayed), (Seq(1500), Some(1490)));
    let mut q = read_on(&mut ear, &vault, ana, 10).await;
    assert_eq!(q, 1500);
    vault.posts(3).await;
    for _ in 0..3 {
        q += 1;
        assert_eq!(ear.event().await, q);
    }
}

/// Hears every event after `q` and asks for more as often as there is; the last one.
async fn read_on(
    ear: &mut Ear,
    vault: &VaultHandle,
    ana: vaultcast::domain::SubscriberId,
    mut q: u64,
) -> u64 {
    let head = 1500;
    while q < head {
        match ear.told().await {
            // What it knows already is told again after a resumption, and not counted.
            Told::Event(record) if record.seq.0 <= q => {}
            Told::Event(record) => {
                q += 1;
                assert_eq!(record.seq.0, q);
            }
            Told::More => ear.resume(vault, "ana", ana, q),
            other => panic!("{other:?}"),
        }
    }
    q
}

#[actix_web::test]
async fn who_names_another_history_or_the_future_lists_anew() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.posts(2).await;
    let mut ear = Ear::new();
    for (seq, epoch) in [(1, Some("another".to_owned())), (3, None)] {
        let seq = Seq(seq);
        ear.attach(&vault, "ana", Attach::JoinSince { seq, epoch });
        let joined = ear.joined().await;
        assert!(joined.resync);
        assert_eq!(joined.replayed, None);
    }
    let seq = Seq(1);
    ear.attach(&vault, "ana", Attach::JoinSince { seq, epoch: None });
    let joined = ear.joined().await;
    assert_eq!((joined.resync, joined.replayed), (false, Some(1)));
    assert_eq!(ear.event().await, 2);
}

#[actix_web::test]
async fn who_joins_and_then_asks_for_something_hears_it_come_after_his_joining() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.posts(100).await;
    for round in 100..120 {
        // Others read so much that it takes a while to see where the journal stands.
        let read = || {
            let (journal, id) = (world.journal().clone(), vault.id().clone());
            actix_web::rt::spawn(async move { journal.after(&id, Seq::ZERO, 100).await })
        };
        let others: Vec<_> = (0..50).map(|_| read()).collect();
        tokio::task::yield_now().await;
        let mut ear = Ear::new();
        let ana = ear.attach(&vault, "ana", Attach::Join);
        let asked = vault.submit(asks("ana", post("after")));
        assert_eq!(ear.joined().await.seq, Seq(round));
        assert_eq!(ear.event().await, round + 1);
        assert_eq!(asked.await.unwrap().seq, Seq(round + 1));
        vault.leave(ana);
        for other in others {
            other.await.unwrap().unwrap();
        }
    }
}

#[actix_web::test]
async fn who_joins_again_while_he_is_in_hears_no_event_twice() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.posts(100).await;
    let mut ear = Ear::new();
    let ana = ear.join(&vault, "ana").await;
    for round in 101..121 {
        // Others read so much that it takes a while to see where the journal stands.
        let read = || {
            let (journal, id) = (world.journal().clone(), vault.id().clone());
            actix_web::rt::spawn(async move { journal.after(&id, Seq::ZERO, 100).await })
        };
        let others: Vec<_> = (0..50).map(|_| read()).collect();
        tokio::task::yield_now().await;
        ear.attach_again(&vault, "ana", ana, Attach::Join);
        vault.posts(1).await;
        let mut heard = round - 1;
        let mut has_joined = false;
        while heard < round || !has_joined {
            match ear.told().await {
                Told::Event(record) => {
                    heard += 1;
                    assert_eq!(record.seq.0, heard);
                }
                Told::Joined(joined) => {
                    assert_eq!(joined.seq.0, heard);
                    has_joined = true;
                }
                other => panic!("neither: {other:?}"),
            }
        }
        for other in others {
            other.await.unwrap().unwrap();
        }
        assert!(ear.is_silent());
    }
}

#[actix_web::test]
async fn who_is_removed_and_let_in_again_while_he_joins_hears_nothing_after_his_removal() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.done("ana", add("ben", Role::Viewer)).await;
    vault.posts(99).await;
    for round in 0..20 {
        let place = 100 + 3 * round;
        // Others read so much that it takes a while to see where the journal stands.
        let read = || {
            let (journal, id) = (world.journal().clone(), vault.id().clone());
            actix_web::rt::spawn(async move { journal.after(&id, Seq::ZERO, 100).await })
        };
        let others: Vec<_> = (0..50).map(|_| read()).collect();
        tokio::task::yield_now().await;
        let mut bens = Ear::new();
        bens.attach(&vault, "ben", Attach::Join);
        // The first is on its way alone; the other two wait for it, and are written together.
        let asked = [post("before"), remove("ben"), add("ben", Role::Viewer)]
            .map(|command| vault.submit(asks("ana", command)));
        for asked in asked {
            asked.await.unwrap();
        }
        match bens.told().await {
            Told::Joined(joined) => {
                assert_eq!(joined.seq, Seq(place));
                assert_eq!(bens.events(2).await, places(place + 1, place + 2));
                assert!(matches!(bens.told().await, Told::Removed));
            }
            // They were written apart, and he came to be let in between them.
            other => assert!(matches!(other, Told::Refused(_)), "{other:?}"),
        }
        for other in others {
            other.await.unwrap().unwrap();
        }
        assert!(bens.is_silent());
    }
}

#[actix_web::test]
async fn who_is_removed_hears_that_and_nothing_after_it() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.done("ana", add("ben", Role::Viewer)).await;
    let (mut bens, mut anas) = (Ear::new(), Ear::new());
    bens.join(&vault, "ben").await;
    bens.join(&vault, "ben").await;
    anas.join(&vault, "ana").await;
    vault.done("ana", remove("ben")).await;
    vault.posts(1).await;
    assert_eq!(bens.event().await, 2);
    assert!(matches!(bens.told().await, Told::Removed));
    assert_eq!(anas.events(2).await, places(2, 3));
    assert!(bens.is_silent());
    bens.attach(&vault, "ben", Attach::Join);
    assert!(matches!(
        bens.told().await,
        Told::Refused(VaultError::Refused(_))
    ));
}

#[actix_web::test]
async fn who_was_removed_while_his_sink_was_behind_hears_it_when_it_has_caught_up() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.done("ana", add("ben", Role::Viewer)).await;
    let mut ear = Ear::with_room(1);
    let ben = ear.join(&vault, "ben").await;
    vault.posts(1).await;
    ear.fell_behind().await;
    vault.done("ana", remove("ben")).await;
    // That he is a member again changes nothing: his subscription has ended.
    vault.done("ana", add("ben", Role::Viewer)).await;
    ear.make_room(usize::MAX);
    vault.caught_up(ear.id());
    for q in [1, 3] {
        ear.resume(&vault, "ben", ben, q);
        assert_eq!(ear.events(4 - q as usize).await, places(q, 3));
        assert!(matches!(ear.told().await, Told::Removed));
    }
    vault.posts(1).await;
    ear.join(&vault, "ana").await; // silent until then
}

#[actix_web::test]
async fn when_a_vault_is_deleted_everybody_hears_it_also_who_was_behind() {
    let world = World::new().await;
    let vault = world.vault().await;
    let (mut ear, mut slow) = (Ear::new(), Ear::with_room(1));
    ear.join(&vault, "ana").await;
    let ana = slow.join(&vault, "ana").await;
    vault.posts(1).await;
    slow.fell_behind().await;
    vault.done("ana", Command::Delete).await;
    assert_eq!(ear.events(2).await, places(1, 2));
    assert!(matches!(ear.told().await, Told::Closed));

    slow.make_room(usize::MAX);
    vault.caught_up(slow.id());
    slow.resume(&vault, "ana", ana, 0);
    assert_eq!(slow.events(2).await, places(1, 2));
    assert!(matches!(slow.told().await, Told::Closed));
    slow.attach(&vault, "ana", Attach::Join);
    assert!(matches!(
        slow.told().await,
        Told::Refused(VaultError::Refused(_))
    ));
}

#[actix_web::test]
async fn who_leaves_while_his_page_is_read_hears_nothing_more() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.posts(3).await;
    let another = world.another().await;
    let vault = another.open(vault.id());
    let mut ear = Ear::new();
    // Its ring is empty: what follows is read from the journal.
    let since = Attach::JoinSince {
        seq: Seq(0),
        epoch: None,
    };
    let ana = ear.attach(&vault, "ana", since);
    vault.leave(ana);
    ear.join(&vault, "ana").await;
    vault.posts(1).await;
    assert_eq!(ear.event().await, 4);
    assert!(ear.is_silent());
}
