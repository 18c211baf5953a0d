//! A SQLite file that is moved, deleted or replaced under a running node. SQLite continues on the open file, which the
//! next start would not find: nothing may be acknowledged or read until the file is back.

use std::{
    fs,
    path::{Path, PathBuf},
};

use vaultcast::vault::{VaultError, VaultHandle};

use crate::test_node::{SubmitExt, TestNode, create_source, mutation_by, wait_until};

struct FileCase {
    node: TestNode,
    vault: VaultHandle,
    file: PathBuf,
}

impl FileCase {
    /// Returns a node on SQLite with one event; `None` on PostgreSQL.
    async fn start() -> Option<Self> {
        let node = TestNode::new().await;
        let file = PathBuf::from(node.database.url.strip_prefix("sqlite://")?);
        let vault = node.create_vault().await;
        vault.create_sources(1).await;
        Some(Self { node, vault, file })
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        PathBuf::from(format!("{}{suffix}", self.file.display()))
    }

    /// Asserts that the vault refuses mutations, and that its journal cannot be read.
    async fn assert_unavailable(&self) {
        for _ in 0..2 {
            let refused = self.vault.submit_err("ana", create_source("lost")).await;
            assert!(matches!(refused, VaultError::Unavailable), "{refused}");
        }
        let created = self.node.journal().load(self.vault.id()).await;
        created.unwrap_err();
        self.node.journal().ping().await.unwrap_err();
    }

    /// Asserts that the next accepted mutation gets this seq, and that the journal has no gap.
    async fn assert_next_seq(&self, seq: u64) {
        // A mutation that arrives just after the last failure is refused with it.
        wait_until("a mutation is accepted", async || {
            let submitted = self.vault.submit(mutation_by("ana", create_source("back")));
            submitted.await.is_ok_and(|answer| answer.seq.0 == seq)
        })
        .await;
        let records = self.node.verified_records(self.vault.id()).await;
        assert_eq!(records.len() as u64, seq);
    }
}

fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).unwrap();
}

#[actix_web::test]
async fn moved_file_is_unavailable_until_it_is_back() {
    let Some(case) = FileCase::start().await else {
        return;
    };
    let away = case.beside(".away");
    rename(&case.file, &away);
    case.assert_unavailable().await;
    assert!(!case.file.exists(), "no empty database is created");
    rename(&away, &case.file);
    case.assert_next_seq(2).await;
}

#[actix_web::test]
async fn file_whose_directory_was_moved_is_unavailable_until_it_is_back() {
    let Some(case) = FileCase::start().await else {
        return;
    };
    let directory = case.file.parent().unwrap();
    let away = directory.with_extension("away");
    rename(directory, &away);
    case.assert_unavailable().await;
    rename(&away, directory);
    case.assert_next_seq(2).await;
}

#[actix_web::test]
async fn deleted_file_is_unavailable() {
    let Some(case) = FileCase::start().await else {
        return;
    };
    fs::remove_file(&case.file).unwrap();
    case.assert_unavailable().await;
    assert!(!case.file.exists(), "no empty database is created");
}

#[actix_web::test]
async fn replaced_file_is_unavailable() {
    let Some(case) = FileCase::start().await else {
        return;
    };
    let copy = case.beside(".copy");
    fs::copy(&case.file, &copy).unwrap();
    rename(&copy, &case.file);
    case.assert_unavailable().await;
}

#[actix_web::test]
async fn file_without_its_write_ahead_log_is_unavailable() {
    let Some(case) = FileCase::start().await else {
        return;
    };
    // Commits since the last checkpoint are in the log only.
    let (log, away) = (case.beside("-wal"), case.beside(".away"));
    rename(&log, &away);
    case.assert_unavailable().await;
    rename(&away, &log);
    case.assert_next_seq(2).await;
}
