//! `verify` accepts a database with a real history, also beside active writers. `verify_damage.rs` damages the database.

use std::process::{Command as Program, Output};

use futures_util::future::join_all;
use vaultcast::{
    domain::{
        Command, FieldChange, Resource, Role, SourceId, SourcePatch, Timestamp, VaultId,
        idempotency::IdempotencyKey,
    },
    journal::Retention,
    vault::VaultHandle,
    verify::{VaultSummary, VerifyReport, verify},
};

use crate::{
    common::database::TestDatabase,
    test_node::{
        SubmitExt, TEST_TIMEOUT, TestNode, add_member, change_role, create_source, mutation_by,
        remove_member,
    },
};

fn retitle(id: &SourceId, title: &str) -> Command {
    let patch = SourcePatch {
        title: Some(title.to_owned()),
        file_key: FieldChange::Set("key".to_owned()),
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

/// Creates a source and returns its id.
async fn submit_source(vault: &VaultHandle, by: &str, title: &str) -> SourceId {
    match vault.submit_ok(by, create_source(title)).await.resource {
        Resource::Source(source) => source.id,
        other => panic!("{other:?}"),
    }
}

/// Writes eleven events of all kinds except `vault:deleted`, and a remembered answer. Returns the source that event 4
/// updated.
pub async fn write_history(vault: &VaultHandle) -> SourceId {
    vault
        .submit_ok("ana", add_member("ben", Role::Contributor))
        .await; // 1
    let mut first = mutation_by("ana", create_source("first"));
    first.key = Some(IdempotencyKey {
        path: format!("/api/vaults/{}/sources", vault.id()),
        key: "k".to_owned(),
        fingerprint: "f".to_owned(),
    });
    let Resource::Source(source) = vault.submit(first).await.unwrap().resource else {
        panic!("the answer is not a source");
    }; // 2
    let other = submit_source(vault, "ben", "other").await; // 3
    vault.submit_ok("ben", retitle(&source.id, "second")).await; // 4
    vault.submit_ok("ana", delete(&other)).await; // 5
    vault
        .submit_ok("ana", change_role("ben", Role::Viewer))
        .await; // 6
    let name = "Chemistry".to_owned();
    vault.submit_ok("ana", Command::Rename { name }).await; // 7
    submit_source(vault, "ana", "third").await; // 8
    vault.submit_ok("ana", add_member("cy", Role::Owner)).await; // 9
    vault.submit_ok("cy", add_member("dan", Role::Viewer)).await; // 10
    vault.submit_ok("dan", remove_member("dan")).await; // 11
    source.id
}

/// Verifies the whole database of the node.
pub async fn verify_all(node: &TestNode) -> (VerifyReport, Vec<VaultSummary>) {
    let mut summaries = Vec::new();
    let on_vault = |summary: &VaultSummary| summaries.push(summary.clone());
    let report = verify(&node.database.url, None, None, on_vault)
        .await
        .unwrap();
    (report, summaries)
}

/// Asserts that the line about this vault has this rest.
#[track_caller]
pub fn assert_line(lines: &[String], vault: &VaultId, rest: &str) {
    let start = format!("vault {vault} ");
    let line = lines.iter().find(|line| line.starts_with(&start));
    assert_eq!(line, Some(&format!("{start}{rest}")));
}

#[actix_web::test]
async fn real_history_is_verified_as_far_as_it_is_kept() {
    let node = TestNode::shared().await;
    let (whole, new) = (node.create_vault().await, node.create_vault().await);
    let (trimmed, deleted) = (node.create_vault().await, node.create_vault().await);
    write_history(&whole).await;
    write_history(&deleted).await;
    deleted.submit_ok("cy", Command::Delete).await;

    write_history(&trimmed).await;
    let updated = submit_source(&trimmed, "ana", "old").await;
    let removed = submit_source(&trimmed, "ana", "older").await;
    trimmed.create_sources(5).await;
    let age = TEST_TIMEOUT * 60;
    let trimmer = node
        .another_node_retaining(Retention { events: 3, age })
        .await;
    trimmer.journal().sweep(Timestamp::now()).await.unwrap();
    // The events that created these were trimmed; only their rows are left.
    trimmed.submit_ok("ana", retitle(&updated, "changed")).await;
    trimmed.submit_ok("ana", delete(&removed)).await;
    trimmed
        .submit_ok("cy", change_role("ben", Role::Owner))
        .await;
    trimmed.submit_ok("ben", remove_member("ana")).await;

    let (report, summaries) = verify_all(&node).await;
    assert_eq!(report.findings.first(), []);
    assert_eq!(report.totals.vaults, 4);
    let lines: Vec<_> = summaries.iter().map(VaultSummary::to_string).collect();
    assert_line(
        &lines,
        new.id(),
        "\"Physics\": no events, head 0, 1 member, 0 sources: verified from the first event",
    );
    for (vault, name) in [
        (&deleted, "\"Chemistry\", deleted"),
        (&trimmed, "\"Chemistry\""),
    ] {
        let (from, to, rest) = match vault.id() == deleted.id() {
            true => (10, 12, "0 members, 0 sources"),
            false => (16, 22, "2 members, 8 sources"),
        };
        let rest = format!(
            "{name}: events {from} to {to}, head {to}, {rest}: verified from seq {from} (trimmed)"
        );
        assert_line(&lines, vault.id(), &rest);
    }
    assert_line(
        &lines,
        whole.id(),
        "\"Chemistry\": events 9 to 11, head 11, 3 members, 2 sources: verified from seq 9 (trimmed)",
    );
}

#[actix_web::test]
async fn deleted_vault_without_events_is_no_contradiction() {
    let node = TestNode::new().await;
    let vault = node.create_vault().await;
    vault.submit_ok("ana", Command::Delete).await;
    // The state after a sweep that was killed between two of its steps.
    node.database.execute("DELETE FROM vault_events").await;
    let (report, summaries) = verify_all(&node).await;
    assert_eq!(report.findings.first(), []);
    assert!(
        summaries[0]
            .to_string()
            .ends_with(": purged, nothing to verify")
    );
}

#[actix_web::test]
async fn verification_beside_active_writers_finds_no_contradiction() {
    let node = TestNode::shared().await;
    let (busy, other) = (
        node.create_vault().await,
        node.another_node()
            .await
            .open(node.create_vault().await.id()),
    );
    let retention = Retention {
        events: 20,
        age: TEST_TIMEOUT * 60,
    };
    let trimmer = node.another_node_retaining(retention).await;
    let writes = async {
        for round in 0..30 {
            let (doomed, name) = (node.create_vault().await, format!("round {round}"));
            let source = submit_source(&busy, "ana", "updated").await;
            join_all((0..8).map(|_| busy.submit(mutation_by("ana", create_source("many"))))).await;
            busy.submit_ok("ana", Command::Rename { name }).await;
            other.submit_ok("ana", add_member("ben", Role::Owner)).await;
            busy.submit_ok("ana", retitle(&source, "again")).await;
            other.submit_ok("ben", remove_member("ben")).await;
            doomed.submit_ok("ana", Command::Delete).await;
            trimmer.journal().sweep(Timestamp::now()).await.unwrap();
        }
    };
    let mut writes = std::pin::pin!(writes);
    let mut verifications = 0;
    loop {
        let verification = verify_all(&node);
        let mut verification = std::pin::pin!(verification);
        // The writers continue during the verification.
        let (report, _) = tokio::select! {
            () = &mut writes => break,
            verified = &mut verification => verified,
        };
        assert_eq!(report.findings.first(), []);
        verifications += 1;
    }
    assert!(verifications > 0);
    let (report, _) = verify_all(&node).await;
    assert_eq!(report.findings.first(), []);
    assert_eq!(report.totals.vaults, 32);
}

fn run_verify(database: &TestDatabase, url: &str, args: &[&str]) -> Output {
    Program::new(env!("CARGO_BIN_EXE_vaultcast"))
        .arg("verify")
        .args(args)
        .current_dir(database.directory.path())
        .env("DATABASE_URL", url)
        .output()
        .unwrap()
}

fn exit_code_and_output(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[actix_web::test]
async fn command_prints_a_summary_or_the_contradictions() {
    let node = TestNode::new().await;
    let (vault, other) = (node.create_vault().await, node.create_vault().await);
    write_history(&vault).await;
    let url = &node.database.url;
    let (code, out, err) = exit_code_and_output(&run_verify(&node.database, url, &[]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let lines: Vec<_> = out.lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert_line(
        &lines,
        vault.id(),
        "\"Chemistry\": events 1 to 11, head 11, 3 members, 2 sources: verified from the first event",
    );
    assert_eq!(
        lines[2],
        "verified: 2 vaults, 11 events, 1 remembered answer"
    );

    node.database
        .execute("UPDATE vault_heads SET head = head + 1")
        .await;
    node.database.execute("DELETE FROM sources").await;
    node.database
        .execute("UPDATE vault_events SET created_at = 0")
        .await;
    let (code, out, err) = exit_code_and_output(&run_verify(&node.database, url, &[]));
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

    let (code, _, err) = exit_code_and_output(&run_verify(
        &node.database,
        url,
        &["--vault", other.id().as_str()],
    ));
    let expected = format!(
        "vaultcast: 1 contradiction:\n  vault {}: the head is 1, but there are no events; the newest event is never trimmed\n",
        other.id()
    );
    assert_eq!((code, err), (Some(1), expected));
    let (code, _, err) =
        exit_code_and_output(&run_verify(&node.database, url, &["--vault", "cnowhere01"]));
    assert!(
        code == Some(1) && err.contains("vault cnowhere01 does not exist"),
        "{err}"
    );
}

#[actix_web::test]
async fn missing_or_foreign_database_is_refused_and_left_unchanged() {
    let database = TestDatabase::create().await;
    let (code, out, err) = exit_code_and_output(&run_verify(&database, "sqlite://nowhere.db", &[]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(
        err.contains("the file sqlite://nowhere.db does not exist"),
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
    let (code, _, err) = exit_code_and_output(&run_verify(&database, &database.url, &[]));
    assert!(
        code == Some(1) && err.contains("not a vaultcast database"),
        "{err}"
    );

    let node = TestNode::new().await;
    let (pending, newer) = (
        "m20261127_000003_listing_indexes",
        "m20991231_000001_far_away",
    );
    for (sql, expected) in [
        (
            format!(
                "UPDATE vaultcast_migrations SET version = '{newer}' WHERE version = '{pending}'"
            ),
            format!("does not know migration {newer}"),
        ),
        (
            format!("DELETE FROM vaultcast_migrations WHERE version = '{newer}'"),
            format!("migration {pending} is pending; run `vaultcast migrate up` first"),
        ),
    ] {
        node.database.execute(&sql).await;
        let (code, _, err) =
            exit_code_and_output(&run_verify(&node.database, &node.database.url, &[]));
        assert!(code == Some(1) && err.contains(&expected), "{err}");
    }
}
