//! A database that fails: what fails is told truly, takes nothing else with it, and is over when it is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use vaultcast::{
    domain::{Command, Seq, SourceId, SourcePatch, VaultId},
    vault::VaultError,
};

use crate::{
    ear::Ear,
    world::{Asked, OPTIONS, World, asks, new_vault, places, post, process, until},
};

/// Longer than a database is waited for, twice.
const BOUND: Duration = Duration::from_secs(14);

#[actix_web::test]
async fn a_locked_database_is_unavailable_in_bounded_time_and_recovers() {
    let world = World::new().await;
    let vault = world.vault().await;
    let lock = world.lock().await;
    let asked = Instant::now();
    let posted: Vec<_> = (0..600)
        .map(|_| vault.submit(asks("ana", post("locked"))))
        .collect();
    for outcome in join_all(posted).await {
        assert!(
            matches!(outcome, Err(VaultError::Unavailable)),
            "{outcome:?}"
        );
    }
    assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
    lock.rollback().await.unwrap();
    vault.posts(3).await;
    assert_eq!(world.records(vault.id()).await.len(), 3);
}

#[actix_web::test]
async fn a_read_only_database_is_unavailable_and_recovers() {
    let world = World::new().await;
    if !world.database.is_postgres() {
        return; // who has a file open for writing goes on writing it
    }
    let vault = world.vault().await;
    vault.posts(1).await;
    read_only(&world, "on").await;
    let refused = vault.refused("ana", post("read-only")).await;
    assert!(matches!(refused, VaultError::Unavailable), "{refused}");
    read_only(&world, "off").await;
    vault.posts(2).await;
    assert_eq!(world.records(vault.id()).await.len(), 3);
}

/// Has a database read only from here on, also for those who are connected: they have to connect again.
async fn read_only(world: &World, whether: &str) {
    let name = world.database.url.rsplit('/').next().unwrap();
    let alter = format!("ALTER DATABASE {name} SET default_transaction_read_only = {whether}");
    world
        .execute(&format!("BEGIN READ WRITE; {alter}; COMMIT"))
        .await;
    disconnect_all(world).await;
}

async fn disconnect_all(world: &World) {
    let name = world.database.url.rsplit('/').next().unwrap();
    world
        .execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = '{name}' AND pid <> pg_backend_pid()"
        ))
        .await;
}

/// Has the database refuse, each in its way, to write a source of the title "poison".
async fn poison(world: &World) {
    world
        .execute(if world.database.is_postgres() {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'poison'; END $$; \
             CREATE TRIGGER poison BEFORE INSERT ON sources FOR EACH ROW \
                 WHEN (NEW.title = 'poison') EXECUTE FUNCTION refuse()"
        } else {
            // It rolls back the whole transaction by itself, as a full disk does.
            "CREATE TRIGGER poison BEFORE INSERT ON sources WHEN NEW.title = 'poison' \
                 BEGIN SELECT RAISE(ROLLBACK, 'poison'); END"
        })
        .await;
}

/// Has the database refuse to commit a source of the title "poison".
async fn poison_commits(world: &World) {
    world
        .execute(if world.database.is_postgres() {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'poison'; END $$; \
             CREATE CONSTRAINT TRIGGER poison AFTER INSERT ON sources \
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
                 WHEN (NEW.title = 'poison') EXECUTE FUNCTION refuse()"
        } else {
            "CREATE TABLE elsewhere (id TEXT PRIMARY KEY); \
             CREATE TABLE trap (id TEXT REFERENCES elsewhere(id) DEFERRABLE INITIALLY DEFERRED); \
             CREATE TRIGGER poison AFTER INSERT ON sources WHEN NEW.title = 'poison' \
                 BEGIN INSERT INTO trap VALUES (NEW.id); END"
        })
        .await;
}

/// Of many mutations of two vaults, in the same transactions, only the poisoned ones fail; and what is acknowledged
/// afterwards is on disk.
async fn only_the_poisoned_fail(world: World) {
    let vaults = [world.vault().await, world.vault().await];
    let mut ear = Ear::new();
    ear.join(&vaults[0], "ana").await;
    let lock = world.lock().await;
    let mut asked = Vec::new();
    for vault in &vaults {
        for n in 0..12 {
            let title = if n == 5 { "poison" } else { "good" };
            asked.push((title, vault.submit(asks("ana", post(title)))));
        }
    }
    lock.rollback().await.unwrap();
    for (title, outcome) in asked {
        match outcome.await {
            Ok(_) => assert_eq!(title, "good"),
            Err(error) => {
                assert_eq!(title, "poison");
                assert!(matches!(error, VaultError::Fault), "{error}");
            }
        }
    }
    for vault in &vaults {
        vault.posts(2).await;
    }
    // Another process sees it: it is on disk, and not in a transaction that never ends.
    let another = world.another().await;
    for vault in &vaults {
        let records = another
            .journal()
            .after(vault.id(), Seq::ZERO, 100)
            .await
            .unwrap();
        assert_eq!(records.len(), 13);
        assert_eq!(world.records(vault.id()).await.len(), 13);
    }
    assert_eq!(world.number("SELECT COUNT(*) FROM sources").await, 26);
    assert_eq!(ear.events(13).await, places(1, 13));
}

#[actix_web::test]
async fn a_mutation_that_cannot_be_written_takes_no_other_with_it() {
    let world = World::new().await;
    poison(&world).await;
    only_the_poisoned_fail(world).await;
}

#[actix_web::test]
async fn a_mutation_that_cannot_be_committed_takes_no_other_with_it() {
    let world = World::new().await;
    poison_commits(&world).await;
    only_the_poisoned_fail(world).await;
}

#[actix_web::test]
async fn a_row_that_makes_the_committer_panic_fails_alone() {
    let world = World::new().await;
    let vault = world.vault().await;
    let id = SourceId::generate();
    let command = match post("corrupt") {
        Command::CreateSource { source, .. } => Command::CreateSource {
            id: id.clone(),
            source,
        },
        _ => unreachable!("post creates"),
    };
    vault.done("ana", command).await;
    world.execute("UPDATE sources SET seq = -1").await;
    let update = Command::UpdateSource {
        id,
        patch: SourcePatch::default(),
        if_match: None,
    };
    for _ in 0..3 {
        let (bad, good) = (
            vault.submit(asks("ana", update.clone())),
            vault.submit(asks("ana", post("good"))),
        );
        assert!(matches!(bad.await, Err(VaultError::Fault)));
        good.await.unwrap();
    }
    world
        .execute("UPDATE sources SET seq = 1 WHERE seq = -1")
        .await;
    assert_eq!(world.records(vault.id()).await.len(), 4);
}

#[actix_web::test]
async fn missed_events_of_another_process_are_told_even_when_a_batch_is_written_piece_by_piece() {
    let world = World::new().await;
    poison(&world).await;
    let here = world.vault().await;
    let there = world.another().await.open(here.id());
    let mut ear = Ear::new();
    ear.join(&there, "ana").await;
    here.posts(4).await;
    let (bad, good) = (
        there.submit(asks("ana", post("poison"))),
        there.submit(asks("ana", post("good"))),
    );
    assert!(matches!(bad.await, Err(VaultError::Fault)));
    assert_eq!(good.await.unwrap().seq, Seq(5));
    assert_eq!(ear.events(5).await, places(1, 5));
}

/// A way to PostgreSQL that can be cut in the middle of a commit.
struct Wire {
    url: String,
    /// The next COMMIT reaches the server, and its answer does not come back.
    cut: Arc<AtomicBool>,
    /// Nobody gets through.
    closed: Arc<AtomicBool>,
}

impl Wire {
    async fn to(url: &str) -> Self {
        let server = url
            .split('@')
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let wire = Self {
            url: url.replace(&server, &here),
            cut: Arc::default(),
            closed: Arc::default(),
        };
        let (cut, closed) = (wire.cut.clone(), wire.closed.clone());
        actix_web::rt::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !closed.load(Ordering::Acquire) {
                    let server = TcpStream::connect(&server).await.unwrap();
                    actix_web::rt::spawn(carry(client, server, cut.clone()));
                }
            }
        });
        wire
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, cut: Arc<AtomicBool>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let said = &asked[..length];
                if server.write_all(said).await.is_err() {
                    return;
                }
                let commits = said.windows(6).any(|word| word == b"COMMIT");
                if commits && cut.swap(false, Ordering::AcqRel) {
                    // It is done when the server says so, and that is all that is heard of it.
                    let _ = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&answered[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[actix_web::test]
async fn a_commit_whose_answer_is_lost_is_looked_up_and_answered_truly() {
    let world = World::new().await;
    if !world.database.is_postgres() {
        return; // there is no wire to a file
    }
    let wire = Wire::to(&world.database.url).await;
    let vaults = process(&wire.url, OPTIONS).await;
    let vault = vaults.open(&new_vault(&vaults).await);
    let mut ear = Ear::new();
    ear.join(&vault, "ana").await;
    for n in 1..=5 {
        wire.cut.store(true, Ordering::Release);
        let answer = vault.submit(asks("ana", post("lost?"))).await.unwrap();
        assert_eq!(answer.seq, Seq(n));
        assert!(!wire.cut.load(Ordering::Acquire));
    }
    assert_eq!(ear.events(5).await, places(1, 5));
    assert_eq!(world.records(vault.id()).await.len(), 5);

    // A new vault is looked up as well.
    wire.cut.store(true, Ordering::Release);
    let id: VaultId = new_vault(&vaults).await;
    assert!(vaults.journal().load(&id).await.unwrap().is_some());
}

#[actix_web::test]
async fn who_cannot_be_told_hears_so_and_the_vault_finds_out_before_it_goes_on() {
    let world = World::new().await;
    if !world.database.is_postgres() {
        return; // there is no wire to a file
    }
    let wire = Wire::to(&world.database.url).await;
    let vaults = process(&wire.url, OPTIONS).await;
    let vault = vaults.open(&new_vault(&vaults).await);
    let mut ear = Ear::new();
    ear.join(&vault, "ana").await;
    wire.cut.store(true, Ordering::Release);
    wire.closed.store(true, Ordering::Release);
    let outcome = vault.submit(asks("ana", post("lost"))).await;
    assert!(matches!(outcome, Err(VaultError::Unknown)), "{outcome:?}");
    let next = vault.submit(asks("ana", post("next")));
    wire.closed.store(false, Ordering::Release);
    // The lost one was committed: it is told, and the next has the place after it.
    assert_eq!(next.await.unwrap().seq, Seq(2));
    assert_eq!(ear.events(2).await, places(1, 2));
}

#[actix_web::test]
async fn a_lost_commit_whose_event_is_kept_no_longer_is_not_called_undone() {
    let world = World::new().await;
    if !world.database.is_postgres() {
        return; // there is no wire to a file
    }
    let wire = Wire::to(&world.database.url).await;
    let vaults = process(&wire.url, OPTIONS).await;
    let vault = vaults.open(&new_vault(&vaults).await);
    vault.posts(1).await;
    wire.cut.store(true, Ordering::Release);
    wire.closed.store(true, Ordering::Release);
    let lost = vault.submit(asks("ana", post("lost")));
    until("it is on disk", async || {
        world.number("SELECT MAX(head) FROM vault_heads").await == 2
    })
    .await;
    // As a process would that keeps next to nothing.
    world.execute("DELETE FROM vault_events").await;
    wire.closed.store(false, Ordering::Release);
    let outcome = lost.await;
    assert!(matches!(outcome, Err(VaultError::Unknown)), "{outcome:?}");
    until("the vault finds out where it stands", async || {
        let posted = vault.submit(asks("ana", post("next"))).await;
        posted.is_ok_and(|answer| answer.seq == Seq(3))
    })
    .await;
}

#[actix_web::test]
async fn a_server_that_was_away_is_found_again() {
    let world = World::new().await;
    if !world.database.is_postgres() {
        return;
    }
    let wire = Wire::to(&world.database.url).await;
    let vaults = process(&wire.url, OPTIONS).await;
    let vault = vaults.open(&new_vault(&vaults).await);
    vault.posts(1).await;
    wire.closed.store(true, Ordering::Release);
    disconnect_all(&world).await;
    let away = vault.refused("ana", post("away")).await;
    assert!(matches!(away, VaultError::Unavailable), "{away}");
    wire.closed.store(false, Ordering::Release);
    until("it is found again", async || {
        vault.submit(asks("ana", post("back"))).await.is_ok()
    })
    .await;
    assert_eq!(world.records(vault.id()).await.len(), 2);
}
