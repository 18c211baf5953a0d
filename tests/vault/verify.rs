//! A database is proven, or what is wrong with it is found and named: after a real history, and after each of many ways
//! to damage it.

use std::process::{Command as Program, Output};

use futures_util::future::join_all;
use vaultcast::{
    domain::{
        Command, Resource, Role, SourceId, SourcePatch, Timestamp, VaultId,
        idempotency::IdempotencyKey,
    },
    journal::Retention,
    vault::VaultHandle,
    verify::{Summary, Verdict, verify},
};

use crate::{
    common::database::TestDatabase,
    world::{AT_LAST, Asked, OPTIONS, World, add, asks, change, keeping, post, remove},
};

/// The tables that damage is done to.
const TABLES: [&str; 7] = [
    "vaults",
    "vault_heads",
    "vault_users",
    "sources",
    "vault_events",
    "idempotency_keys",
    "epoch",
];

fn retitle(id: &SourceId, title: &str) -> Command {
    let patch = SourcePatch {
        title: Some(title.to_owned()),
        file_key: Some(Some("key".to_owned())),
        ..SourcePatch::default()
    };
    Command::UpdateSource {
        id: id.clone(),
        patch,
        if_match: None,
    }
}

fn delete(id: &SourceId) -> Command {
    Command::DeleteSource {
        id: id.clone(),
        if_match: None,
    }
}

/// Posts a source; its id.
async fn posts(vault: &VaultHandle, by: &str, title: &str) -> SourceId {
    match vault.done(by, post(title)).await.resource {
        Resource::Source(source) => source.id,
        other => panic!("{other:?}"),
    }
}

/// Eleven events of every kind but the last, and an answer that is remembered; the source that event 4 changed.
async fn life(vault: &VaultHandle) -> SourceId {
    vault.done("ana", add("ben", Role::Contributor)).await; // 1
    let mut first = asks("ana", post("first"));
    first.key = Some(IdempotencyKey {
        path: format!("/api/vaults/{}/sources", vault.id()),
        key: "k".to_owned(),
        fingerprint: "f".to_owned(),
    });
    let Resource::Source(source) = vault.submit(first).await.unwrap().resource else {
        panic!("a source was posted");
    }; // 2
    let other = posts(vault, "ben", "other").await; // 3
    vault.done("ben", retitle(&source.id, "second")).await; // 4
    vault.done("ana", delete(&other)).await; // 5
    vault.done("ana", change("ben", Role::Viewer)).await; // 6
    let name = "Chemistry".to_owned();
    vault.done("ana", Command::Rename { name }).await; // 7
    posts(vault, "ana", "third").await; // 8
    vault.done("ana", add("cy", Role::Owner)).await; // 9
    vault.done("cy", add("dan", Role::Viewer)).await; // 10
    vault.done("dan", remove("dan")).await; // 11
    source.id
}

async fn looked_at(world: &World) -> (Verdict, Vec<Summary>) {
    let mut summaries = Vec::new();
    let each = |summary: &Summary| summaries.push(summary.clone());
    let verdict = verify(&world.database.url, None, each).await.unwrap();
    (verdict, summaries)
}

#[track_caller]
fn has_line(lines: &[String], vault: &VaultId, rest: &str) {
    let start = format!("vault {vault} ");
    let line = lines.iter().find(|line| line.starts_with(&start));
    assert_eq!(line, Some(&format!("{start}{rest}")));
}

#[actix_web::test]
async fn a_real_history_is_proven_as_far_as_it_is_kept() {
    let world = World::new().await;
    let (whole, new) = (world.vault().await, world.vault().await);
    let (trimmed, gone) = (world.vault().await, world.vault().await);
    life(&whole).await;
    life(&gone).await;
    gone.done("cy", Command::Delete).await;

    life(&trimmed).await;
    let old = posts(&trimmed, "ana", "old").await;
    let older = posts(&trimmed, "ana", "older").await;
    trimmed.posts(5).await;
    let age = AT_LAST * 60;
    let keeper = keeping(&world.database.url, Retention { events: 3, age }, OPTIONS).await;
    keeper.journal().sweep(Timestamp::now()).await.unwrap();
    // What is known of these from before is their rows alone.
    trimmed.done("ana", retitle(&old, "changed")).await;
    trimmed.done("ana", delete(&older)).await;
    trimmed.done("cy", change("ben", Role::Owner)).await;
    trimmed.done("ben", remove("ana")).await;

    let (verdict, summaries) = looked_at(&world).await;
    assert_eq!(verdict.findings.first(), []);
    assert_eq!(verdict.totals.vaults, 4);
    let lines: Vec<_> = summaries.iter().map(Summary::to_string).collect();
    has_line(
        &lines,
        new.id(),
        "\"Physics\": no events, head 0, 1 member, 0 sources: proven whole",
    );
    for (vault, name) in [
        (&gone, "\"Chemistry\", deleted"),
        (&trimmed, "\"Chemistry\""),
    ] {
        let (from, to, rest) = match vault.id() == gone.id() {
            true => (10, 12, "0 members, 0 sources"),
            false => (16, 22, "2 members, 8 sources"),
        };
        let rest = format!(
            "{name}: events {from} to {to}, head {to}, {rest}: proven from seq {from} (trimmed)"
        );
        has_line(&lines, vault.id(), &rest);
    }
    has_line(
        &lines,
        whole.id(),
        "\"Chemistry\": events 9 to 11, head 11, 3 members, 2 sources: proven from seq 9 (trimmed)",
    );
}

#[actix_web::test]
async fn a_deleted_vault_of_which_the_events_have_gone_first_is_no_contradiction() {
    let world = World::new().await;
    let vault = world.vault().await;
    vault.done("ana", Command::Delete).await;
    // As far as a sweep comes that is killed between two of its steps.
    world.execute("DELETE FROM vault_events").await;
    let (verdict, summaries) = looked_at(&world).await;
    assert_eq!(verdict.findings.first(), []);
    assert!(
        summaries[0]
            .to_string()
            .ends_with(": nothing left to prove")
    );
}

#[actix_web::test]
async fn each_damage_is_found_and_named() {
    let world = World::new().await;
    let (vault, bystander) = (world.vault().await, world.vault().await);
    life(&bystander).await;
    let source = life(&vault).await;
    let (verdict, summaries) = looked_at(&world).await;
    assert_eq!(verdict.findings.first(), []);
    let line = "\"Chemistry\": events 1 to 11, head 11, 3 members, 2 sources: proven whole";
    let lines: Vec<_> = summaries.iter().map(Summary::to_string).collect();
    has_line(&lines, vault.id(), line);
    for table in TABLES {
        let keep = format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}");
        world.execute(&keep).await;
    }

    let damages: &[(&str, &[&str])] = &[
        // The journal.
        (
            "DELETE FROM vault_events WHERE {of} AND seq = 4",
            &["event 4 is missing: 5 comes next"],
        ),
        (
            "DELETE FROM vault_events WHERE {of} AND seq = 11",
            &["the head says 11, but the journal ends at 10"],
        ),
        (
            "DELETE FROM vault_events WHERE {of}",
            &["the head says 11, but no event is there: the newest is never trimmed"],
        ),
        (
            "UPDATE vault_events SET seq = 12 WHERE {of} AND seq = 11",
            &[
                "event 11 is missing: 12 comes next",
                "event 12 says seq 11, expected 12",
            ],
        ),
        (
            "UPDATE vault_events SET seq = 0 WHERE {of} AND seq = 1",
            &["an event has the number 0, but the first is 1"],
        ),
        (
            "INSERT INTO vault_events SELECT vault_id, 12, kind, payload, created_at FROM vault_events WHERE {of} AND seq = 8",
            &[
                "event 12 says seq 8, expected 12",
                "event 12 (source:created) adds source",
                "the head says 11, but the journal goes on to 12",
            ],
        ),
        (
            "UPDATE vault_heads SET head = 12 WHERE {of}",
            &["the head says 12, but the journal ends at 11"],
        ),
        (
            "UPDATE vault_heads SET head = 10 WHERE {of}",
            &["the head says 10, but the journal goes on to 11"],
        ),
        (
            "DELETE FROM vault_heads WHERE {of}",
            &["there is no row in vault_heads"],
        ),
        // What events say.
        (
            "UPDATE vault_events SET payload = '{' WHERE {of} AND seq = 8",
            &["event 8 is no source:created: EOF"],
        ),
        (
            "UPDATE vault_events SET kind = 'source:moved' WHERE {of} AND seq = 8",
            &["event 8 is of the unknown kind \"source:moved\""],
        ),
        (
            "UPDATE vault_events SET kind = 'source:updated' WHERE {of} AND seq = 8",
            &["event 8 is no source:updated: it has no source.updatedAt"],
        ),
        (
            "UPDATE vault_events SET created_at = 0 WHERE {of} AND seq = 7",
            &[
                "event 7 says timestamp 20",
                "expected 1970-01-01T00:00:00.000Z",
                "event 7 says vault.updatedAt 20",
            ],
        ),
        (
            "UPDATE vault_events SET payload = replace(payload, '\"first\"', '\"forged\"') WHERE {of} AND seq = 2",
            &[
                "the answer to /api/vaults/{v}/sources, kept for user ana, says title first, expected forged",
            ],
        ),
        (
            "UPDATE vault_events SET payload = replace(payload, '\"second\"', '\"forged\"') WHERE {of} AND seq = 4",
            &["source {s} has title second, expected forged"],
        ),
        (
            "UPDATE vault_events SET payload = replace(payload, '{v}', 'cother00001') WHERE {of} AND seq = 5",
            &["event 5 says vaultId cother00001, expected {v}"],
        ),
        // What follows what.
        (
            "UPDATE vault_events SET payload = replace(payload, '\"ben\"', '\"eve\"') WHERE {of} AND seq = 3",
            &["event 3 is by user eve, who is no member at that place"],
        ),
        (
            "UPDATE vault_events SET payload = replace(payload, 'contributor', 'owner') WHERE {of} AND seq = 4",
            &["event 4 says that user ben is owner, but he is contributor at that place"],
        ),
        (
            "UPDATE vault_events SET payload = replace(replace(payload, '\"owner\"', '\"viewer\"'), '\"ana\"', '\"ben\"') WHERE {of} AND seq = 8",
            &["event 8 (source:created) is by user ben, whose role of viewer does not permit it"],
        ),
        (
            "UPDATE vault_events SET payload = replace(payload, '{s}', 'cother00001') WHERE {of} AND seq = 4",
            &[
                "event 4 (source:updated) is about source cother00001, which is not there at that place",
            ],
        ),
        (
            "UPDATE vault_events SET payload = replace(payload, '\"cy\"', '\"ben\"') WHERE {of} AND seq = 9",
            &["event 9 (member:added) adds member ben, which is there already at that place"],
        ),
        // Rows.
        (
            "UPDATE sources SET title = 'forged' WHERE id = '{s}'",
            &["source {s} has title forged, expected second"],
        ),
        (
            "UPDATE sources SET file_key = NULL WHERE id = '{s}'",
            &["source {s} has file_key none, expected key"],
        ),
        (
            "UPDATE sources SET file_size = -1 WHERE id = '{s}'",
            &["source {s} has file_size -1, expected none"],
        ),
        (
            "UPDATE sources SET seq = 2 WHERE id = '{s}'",
            &["source {s} has seq 2, expected 4"],
        ),
        (
            "UPDATE sources SET created_seq = 3 WHERE id = '{s}'",
            &["source {s} has created_seq 3, expected 2"],
        ),
        (
            "UPDATE sources SET created_at = 0 WHERE id = '{s}'",
            &["source {s} has created_at 1970-01-01T00:00:00.000Z, expected 20"],
        ),
        (
            "UPDATE sources SET vault_id = 'cother00001' WHERE id = '{s}'",
            &[
                "source {s} has no row, but the journal has it there since event 4",
                "vault cother00001: sources has rows of it, but vaults has none",
            ],
        ),
        (
            "DELETE FROM sources WHERE id = '{s}'",
            &["source {s} has no row, but the journal has it there since event 4"],
        ),
        (
            "INSERT INTO sources SELECT 'cother00001', vault_id, title, file_url, file_key, file_size, mime_type, seq, 5, created_at, updated_at \
          FROM sources WHERE id = '{s}'",
            &["source cother00001 has a row, but the journal does not have it there"],
        ),
        (
            "UPDATE vault_users SET role = 'owner' WHERE {of} AND user_id = 'ben'",
            &["member ben has role owner, expected viewer"],
        ),
        (
            "UPDATE vault_users SET created_at = 0 WHERE {of} AND user_id = 'ana'",
            &["member ana has created_at 1970"],
        ),
        (
            "DELETE FROM vault_users WHERE {of} AND user_id = 'ana'",
            &["member ana has no row, but the journal has it there since event 0"],
        ),
        (
            "INSERT INTO vault_users SELECT vault_id, 'eve', 'cother00001', role, created_at, updated_at FROM vault_users WHERE {of} AND user_id = 'ben'",
            &["member eve has a row, but the journal does not have it there"],
        ),
        (
            "UPDATE vault_users SET role = 'viewer' WHERE {of}",
            &["no member is an owner"],
        ),
        (
            "UPDATE vaults SET name = 'forged' WHERE id = '{v}'",
            &["the vault has name forged, expected Chemistry"],
        ),
        (
            "UPDATE vaults SET updated_at = 0 WHERE id = '{v}'",
            &["the vault has updated_at 1970-01-01T00:00:00.000Z, expected 20"],
        ),
        (
            "UPDATE vaults SET deleted_at = 0 WHERE id = '{v}'",
            &["the vault has deleted_at 1970-01-01T00:00:00.000Z, expected none"],
        ),
        (
            "DELETE FROM vaults WHERE id = '{v}'",
            &[
                "vault {v}: vault_heads has rows of it, but vaults has none",
                "vault {v}: vault_events has rows",
            ],
        ),
        // What belongs to no vault.
        ("DELETE FROM epoch", &["epoch has 0 rows, expected one"]),
        (
            "UPDATE idempotency_keys SET seq = 99 WHERE path LIKE '%{v}%'",
            &["says seq 99, expected at most the head, 11"],
        ),
        (
            "UPDATE idempotency_keys SET seq = 1 WHERE path LIKE '%{v}%'",
            &["says event member:added, expected source:created"],
        ),
        (
            "UPDATE idempotency_keys SET answer = '{}' WHERE path LIKE '%{v}%'",
            &["kept for user ana, cannot be read"],
        ),
    ];
    let of = format!("vault_id = '{}'", vault.id());
    let (vault, source) = (vault.id().as_str(), source.as_str());
    let name = |text: &str| {
        let named = text.replace("{of}", &of).replace("{v}", vault);
        named.replace("{s}", source)
    };
    for (damage, expected) in damages {
        world.execute(&name(damage)).await;
        let (verdict, _) = looked_at(&world).await;
        let told = verdict.findings.to_string();
        for words in *expected {
            assert!(
                told.contains(&name(words)),
                "{damage}\n{told}\nlacks: {words}"
            );
        }
        let elsewhere = format!("vault {}", bystander.id());
        assert!(!told.contains(&elsewhere), "{damage}\n{told}");
        for table in TABLES {
            let restore =
                format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
            world.execute(&restore).await;
        }
        let (verdict, _) = looked_at(&world).await;
        assert_eq!(
            verdict.findings.first(),
            [],
            "it is whole again after {damage}"
        );
    }
}

#[actix_web::test]
async fn beside_those_who_write_nothing_looks_wrong() {
    let world = World::new().await;
    let (busy, other) = (
        world.vault().await,
        world.another().await.open(world.vault().await.id()),
    );
    let retention = Retention {
        events: 20,
        age: AT_LAST * 60,
    };
    let keeper = keeping(&world.database.url, retention, OPTIONS).await;
    let writes = async {
        for round in 0..30 {
            let (doomed, name) = (world.vault().await, format!("round {round}"));
            let source = posts(&busy, "ana", "kept").await;
            join_all((0..8).map(|_| busy.submit(asks("ana", post("many"))))).await;
            busy.done("ana", Command::Rename { name }).await;
            other.done("ana", add("ben", Role::Owner)).await;
            busy.done("ana", retitle(&source, "again")).await;
            other.done("ben", remove("ben")).await;
            doomed.done("ana", Command::Delete).await;
            keeper.journal().sweep(Timestamp::now()).await.unwrap();
        }
    };
    let mut writes = std::pin::pin!(writes);
    let mut proofs = 0;
    loop {
        let proof = looked_at(&world);
        let mut proof = std::pin::pin!(proof);
        // The writers go on while the proof is under way.
        let (verdict, _) = tokio::select! {
            () = &mut writes => break,
            proven = &mut proof => proven,
        };
        assert_eq!(verdict.findings.first(), []);
        proofs += 1;
    }
    assert!(proofs > 0);
    let (verdict, _) = looked_at(&world).await;
    assert_eq!(verdict.findings.first(), []);
    assert_eq!(verdict.totals.vaults, 32);
}

fn program(database: &TestDatabase, url: &str, more: &[&str]) -> Output {
    Program::new(env!("CARGO_BIN_EXE_vaultcast"))
        .arg("verify")
        .args(more)
        .current_dir(database.directory.path())
        .env("DATABASE_URL", url)
        .output()
        .unwrap()
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[actix_web::test]
async fn the_command_says_what_it_proved_or_names_what_is_wrong() {
    let world = World::new().await;
    let (vault, other) = (world.vault().await, world.vault().await);
    life(&vault).await;
    let url = &world.database.url;
    let (code, out, err) = told(&program(&world.database, url, &[]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<_> = out.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{out}");
    has_line(
        &lines,
        vault.id(),
        "\"Chemistry\": events 1 to 11, head 11, 3 members, 2 sources: proven whole",
    );
    assert_eq!(lines[2], "proven: 2 vaults, 11 events, 1 remembered answer");

    world
        .execute("UPDATE vault_heads SET head = head + 1")
        .await;
    world.execute("DELETE FROM sources").await;
    world
        .execute("UPDATE vault_events SET created_at = 0")
        .await;
    let (code, out, err) = told(&program(&world.database, url, &[]));
    assert_eq!(code, Some(1));
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.contains("contradictions\n"), "{out}");
    let lines: Vec<_> = err.lines().collect();
    assert!(
        lines[0].starts_with("vaultcast: ") && lines[0].ends_with(" contradictions:"),
        "{err}"
    );
    assert_eq!(lines.len(), 12, "{err}");
    assert!(
        lines[11].starts_with("  and ") && lines[11].ends_with(" more"),
        "{err}"
    );

    let (code, _, err) = told(&program(
        &world.database,
        url,
        &["--vault", other.id().as_str()],
    ));
    let expected = format!(
        "vaultcast: 1 contradiction:\n  vault {}: the head says 1, but no event is there: the newest is never trimmed\n",
        other.id()
    );
    assert_eq!((code, err), (Some(1), expected));
    let (code, _, err) = told(&program(&world.database, url, &["--vault", "cnowhere01"]));
    assert!(
        code == Some(1) && err.contains("there is no vault cnowhere01"),
        "{err}"
    );
}

#[actix_web::test]
async fn a_database_that_is_not_there_or_of_another_making_is_left_alone() {
    let database = TestDatabase::fresh().await;
    let (code, out, err) = told(&program(&database, "sqlite://nowhere.db", &[]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.contains("there is no file sqlite://nowhere.db"),
        "{err}"
    );
    assert_eq!(
        std::fs::read_dir(database.directory.path())
            .unwrap()
            .count(),
        0
    );

    if !database.is_postgres() {
        std::fs::write(database.directory.path().join("vaultcast.db"), "").unwrap();
    }
    let (code, _, err) = told(&program(&database, &database.url, &[]));
    assert!(
        code == Some(1) && err.contains("no database of vaultcast"),
        "{err}"
    );

    let world = World::new().await;
    let (pending, newer) = ("m20261123_000002_kept_sockets", "m20991231_000001_far_away");
    for (sql, expected) in [
        (
            format!("UPDATE seaql_migrations SET version = '{newer}' WHERE version = '{pending}'"),
            format!("does not know migration {newer}"),
        ),
        (
            format!("DELETE FROM seaql_migrations WHERE version = '{newer}'"),
            format!("migration {pending} is pending: run `vaultcast migrate up` first"),
        ),
    ] {
        world.execute(&sql).await;
        let (code, _, err) = told(&program(&world.database, &world.database.url, &[]));
        assert!(code == Some(1) && err.contains(&expected), "{err}");
    }
}
