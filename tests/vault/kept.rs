//! Sockets that outlive their process: kept when it stops, taken once, swept when they do not come back, and let in
//! again where the journal still has what they lack.

use std::time::Duration;

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, DatabaseTransaction};
use vaultcast::{
    domain::{Command, Seq, SubscriberId, Timestamp, VaultId},
    journal::{JournalError, KeptSocket, Retention, Swept},
    vault::Vaults,
};

use crate::{
    ear::{Ear, Heard, Told},
    world::{Asked, OPTIONS, World, keeping, places},
};

/// Long after the time by which the processes sweep of themselves.
const NOW: Timestamp = Timestamp(4_102_444_800_000);
const IN_TIME: Timestamp = Timestamp(NOW.0 + 1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const COUNT: &str = "SELECT COUNT(*) FROM kept_sockets";

fn socket(pid: &str, state: &str, expires: Timestamp) -> KeptSocket {
    KeptSocket {
        pid: pid.to_owned(),
        state: state.to_owned(),
        expires,
    }
}

/// So many sockets with pids of a kind.
fn sockets(kind: &str, count: usize, expires: Timestamp) -> Vec<KeptSocket> {
    let one = |n| socket(&format!("{kind}{n}"), &format!("{{\"n\":{n}}}"), expires);
    (0..count).map(one).collect()
}

/// Holds what to take a socket needs, as another process might.
async fn held(world: &World) -> DatabaseTransaction {
    let txn = world.lock().await;
    if world.database.is_postgres() {
        let sql = "LOCK TABLE kept_sockets IN EXCLUSIVE MODE";
        txn.execute_unprepared(sql).await.unwrap();
    }
    txn
}

#[actix_web::test]
async fn a_socket_is_kept_for_another_process_and_taken_once() {
    let world = World::new().await;
    let kept = vec![socket("p", "{\"rooms\":[]}", IN_TIME)];
    world.journal().keep_sockets(kept).await.unwrap();

    let another = world.another().await;
    let taken = another.journal().take_socket("p", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("{\"rooms\":[]}"));
    for process in [&world.vaults, &another] {
        let again = process.journal().take_socket("p", NOW).await.unwrap();
        assert_eq!(again, None);
    }
    // Who was taken is kept again when the next process stops.
    let kept = vec![socket("p", "{}", IN_TIME)];
    another.journal().keep_sockets(kept).await.unwrap();
    let taken = world.journal().take_socket("p", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("{}"));
}

#[actix_web::test]
async fn what_was_kept_under_a_pid_gives_way_to_what_is_kept_later() {
    let world = World::new().await;
    for states in [&["first"][..], &["second", "third"]] {
        let kept = states.iter().map(|state| socket("p", state, IN_TIME));
        world.journal().keep_sockets(kept.collect()).await.unwrap();
    }
    assert_eq!(world.number(COUNT).await, 1);
    let taken = world.journal().take_socket("p", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("third"));
}

#[actix_web::test]
async fn thousands_are_kept_together_and_come_back_together() {
    const MANY: usize = 5000;
    let world = World::new().await;
    let journal = world.journal();
    let kept = sockets("p", MANY, IN_TIME);
    journal.keep_sockets(kept.clone()).await.unwrap();
    journal.keep_sockets(Vec::new()).await.unwrap();

    let back = kept.iter().map(|one| journal.take_socket(&one.pid, NOW));
    for (one, taken) in kept.iter().zip(join_all(back).await) {
        assert_eq!(taken.unwrap().as_ref(), Some(&one.state));
    }
    assert_eq!(world.number(COUNT).await, 0);
}

#[actix_web::test]
async fn all_of_them_are_kept_or_none() {
    let world = World::new().await;
    let refuse = if world.database.is_postgres() {
        "ALTER TABLE kept_sockets ADD CHECK (state <> 'poison')"
    } else {
        "CREATE TRIGGER poison BEFORE INSERT ON kept_sockets WHEN NEW.state = 'poison' \
         BEGIN SELECT RAISE(ABORT, 'poison'); END"
    };
    world.execute(refuse).await;
    let mut kept = sockets("p", 600, IN_TIME);
    kept[599].state = "poison".to_owned();
    let refused = world.journal().keep_sockets(kept).await;
    assert!(
        matches!(refused, Err(JournalError::Fault(_))),
        "{refused:?}"
    );
    assert_eq!(world.number(COUNT).await, 0);
}

#[actix_web::test]
async fn of_many_who_ask_at_the_same_time_one_gets_it() {
    let world = World::new().await;
    let processes = [world.another().await, world.another().await];
    let kept = sockets("p", 100, IN_TIME);
    world.journal().keep_sockets(kept.clone()).await.unwrap();

    let asked = (0..8).flat_map(|n| {
        // Not all in the same order.
        let turned = kept.iter().cycle().skip(n * 37).take(kept.len());
        let journal = processes[n % 2].journal();
        turned.map(move |one| async move {
            let taken = journal.take_socket(&one.pid, NOW).await.unwrap();
            taken.map(|state| (one.pid.clone(), state))
        })
    });
    let mut got: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    got.sort();
    let mut all: Vec<_> = kept.into_iter().map(|one| (one.pid, one.state)).collect();
    all.sort();
    assert_eq!(got, all);
}

#[actix_web::test]
async fn who_asks_for_what_nobody_can_have_writes_nothing() {
    let world = World::new().await;
    let kept = vec![socket("late", "{}", NOW), socket("early", "{}", IN_TIME)];
    world.journal().keep_sockets(kept).await.unwrap();
    let lock = held(&world).await;
    for pid in ["late", "unknown", "", "early\0", &"long".repeat(100_000)] {
        let taken = world.journal().take_socket(pid, NOW).await;
        assert_eq!(taken.unwrap(), None);
    }
    // And what somebody may have cannot be had now.
    let refused = world.journal().take_socket("early", NOW).await;
    assert!(refused.is_err(), "{refused:?}");
    lock.rollback().await.unwrap();
    let taken = world.journal().take_socket("early", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("{}"));
}

#[actix_web::test]
async fn those_who_do_not_come_back_are_swept() {
    let world = World::new().await;
    let late = sockets("late", 1200, NOW);
    let early = sockets("early", 3, IN_TIME);
    for kept in [late, early] {
        world.journal().keep_sockets(kept).await.unwrap();
    }
    let swept = world.journal().sweep(NOW).await.unwrap();
    let sockets = 1200;
    let of_sockets = Swept {
        sockets,
        ..Swept::default()
    };
    assert_eq!(swept, of_sockets);
    let again = world.journal().sweep(NOW).await.unwrap();
    assert_eq!(again, Swept::default());
    let taken = world.journal().take_socket("early2", NOW).await.unwrap();
    assert_eq!(taken.as_deref(), Some("{\"n\":2}"));
    assert_eq!(world.number(COUNT).await, 2);
}

#[actix_web::test]
async fn one_that_is_kept_anew_while_it_is_swept_stays() {
    let world = World::new().await;
    if !world.database.is_postgres() {
        return; // one writer at a time: whoever sweeps sees what was kept
    }
    let kept = vec![socket("p", "old", NOW)];
    world.journal().keep_sockets(kept).await.unwrap();
    let lock = world.lock().await;
    let anew = format!("UPDATE kept_sockets SET expires = {}", IN_TIME.0);
    lock.execute_unprepared(&anew).await.unwrap();

    let journal = world.journal().clone();
    let sweep = actix_web::rt::spawn(async move { journal.sweep(NOW).await });
    world.waits_for_a_lock("DELETE FROM kept_sockets").await;
    lock.commit().await.unwrap();
    assert_eq!(sweep.await.unwrap().unwrap(), Swept::default());
    assert_eq!(world.number(COUNT).await, 1);
}

/// What somebody who heard a vault up to a place is told of what came after it, by a process that had nothing in memory;
/// `None` when he is let go instead.
async fn told_after(process: &Vaults, vault: &VaultId, after: u64) -> Option<Vec<u64>> {
    let vault = process.open(vault);
    let (mut ear, ana) = (Ear::new(), SubscriberId(0));
    ear.resume(&vault, "ana", ana, after);
    let mut told = Vec::new();
    loop {
        match ear.next().await {
            Heard::Told(_, Told::Event(record)) => told.push(record.seq.0),
            Heard::Told(_, Told::Live | Told::Closed) => break,
            Heard::Told(_, Told::Lost) => return None,
            Heard::Told(_, other) => panic!("{other:?}"),
            // He asked an actor that was about to end.
            Heard::FellBehind(_) => ear.resume(&vault, "ana", ana, after),
        }
    }
    // The last event that he knows is told again.
    told.retain(|seq| *seq > after);
    Some(told)
}

#[actix_web::test]
async fn who_can_resume_is_told_what_he_missed_and_who_cannot_would_lose_it() {
    let world = World::new().await;
    let retention = Retention {
        events: 5,
        age: DAY,
    };
    let keeper = keeping(&world.database.url, retention, OPTIONS).await;
    let [new, whole, trimmed, deleted] = [
        world.vault().await,
        world.vault().await,
        world.vault().await,
        world.vault().await,
    ];
    whole.posts(3).await;
    trimmed.posts(12).await;
    deleted.posts(8).await;
    deleted.done("ana", Command::Delete).await;
    keeper.journal().sweep(Timestamp::now()).await.unwrap();

    for (vault, head, expected) in [
        (&new, 0, vec![0]),
        (&whole, 3, vec![0, 1, 2, 3]),
        (&trimmed, 12, vec![8, 9, 10, 11, 12]),
        (&deleted, 9, vec![5, 6, 7, 8, 9]),
    ] {
        let (mut said, mut seen) = (Vec::new(), Vec::new());
        for after in 0..=head {
            let place = [(vault.id().clone(), Seq(after))];
            if keeper.journal().can_resume(&place).await.unwrap() {
                said.push(after);
            }
            let told = told_after(&keeper, vault.id(), after).await;
            if told == Some(places(after + 1, head)) {
                seen.push(after);
            }
        }
        assert_eq!((&said, &seen), (&expected, &expected));
        // A backup was put back, and nobody said so.
        let ahead = [(vault.id().clone(), Seq(head + 1))];
        assert!(!keeper.journal().can_resume(&ahead).await.unwrap());
    }

    let later = Timestamp(Timestamp::now().0 + 2 * i64::try_from(DAY.as_millis()).unwrap());
    keeper.journal().sweep(later).await.unwrap();
    let ends = [(deleted.id().clone(), Seq(9))];
    assert!(!keeper.journal().can_resume(&ends).await.unwrap());
}

#[actix_web::test]
async fn one_vault_of_thousands_that_cannot_be_resumed_is_found() {
    const MANY: usize = 20_000;
    let world = World::new().await;
    let numbers = format!(
        "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n) AS numbers",
        MANY - 1
    );
    let id = "'c' || (10000000 + i)";
    for insert in [
        format!("INSERT INTO vault_heads (vault_id, head) SELECT {id}, 2 FROM {numbers}"),
        format!(
            "INSERT INTO vault_events (vault_id, seq, kind, payload, created_at) \
             SELECT {id}, 2, 'vault:deleted', '{{}}', 0 FROM {numbers}"
        ),
    ] {
        world.execute(&insert).await;
    }
    let place = |n| (VaultId::from_row(format!("c{}", 10_000_000 + n)), Seq(2));
    let places: Vec<_> = (0..MANY).map(place).collect();
    let can = async |places: &[_]| world.journal().can_resume(places).await.unwrap();
    assert!(can(&[]).await);
    assert!(can(&places).await);
    // The same place twice is one place.
    assert!(can(&[places[0].clone(), places[1].clone(), places[0].clone()]).await);
    for n in [0, 255, 256, 12_345, MANY - 1] {
        let mut wrong = places.clone();
        wrong[n].1 = Seq(1);
        assert!(!can(&wrong).await, "{n}: trimmed");
        wrong[n] = place(MANY);
        assert!(!can(&wrong).await, "{n}: unknown");
    }
}
