//! Transactions of the journal in a SQLite file with full synchronization, by the size of the batch.

use std::time::Duration;

use actix_web::rt::System;
use divan::{Bencher, counter::ItemsCount};
use tempfile::TempDir;
use vaultcast::{
    domain::{Vault, VaultId, ids::MembershipId},
    journal::{Database, DatabaseOptions, DatabaseSharing, Journal, NewVault, Retention},
};

use crate::fixtures::{create_source, owner};

/// A journal with one vault.
struct FileJournal {
    journal: Journal,
    vault: Vault,
    _directory: TempDir,
}

impl FileJournal {
    async fn create() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = DatabaseOptions {
            url: format!("sqlite://{}/vaultcast.db", directory.path().display()),
            schema: None,
            full_sync: true,
            max_connections: 0,
            sharing: DatabaseSharing::ThisProcess,
        };
        let database = Database::connect(&options).await.unwrap();
        database.migrate().await.unwrap();
        let retention = Retention {
            events: u64::MAX,
            age: Duration::MAX,
        };
        let journal = Journal::open(database, retention, Default::default());
        let journal = journal.await.unwrap();
        let id = VaultId::generate();
        let new = NewVault {
            id: id.clone(),
            membership: MembershipId::generate(),
            name: "Physics".to_owned(),
            by: owner(),
            key: None,
        };
        journal.create_vault(new).await.unwrap();
        let vault = journal.load(&id).await.unwrap().unwrap();
        Self {
            journal,
            vault,
            _directory: directory,
        }
    }

    /// Writes a batch of new sources in one transaction.
    async fn append(&mut self, mutations: usize) {
        let mutations = (0..mutations).map(|_| create_source()).collect();
        let append = self.journal.append(self.vault.clone(), mutations);
        let written = append.await.unwrap();
        self.vault.head = written.events.last().unwrap().record.seq;
    }
}

#[divan::bench(args = [1, 4, 16, 64, 256], sample_size = 1, min_time = 1, max_time = 3)]
fn append(bencher: Bencher, mutations: usize) {
    let system = System::new();
    let mut journal = system.block_on(FileJournal::create());
    bencher
        .counter(ItemsCount::new(mutations))
        .bench_local(|| system.block_on(journal.append(mutations)));
}
