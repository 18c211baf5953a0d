//! Vaults with a journal of their own, for tests of the gateway.

use std::{path::Path, time::Duration};

use crate::{
    domain::{Command, NewSource, Principal, SourceId, UserId, VaultId, ids::MembershipId},
    journal::{Database, DatabaseOptions, DatabaseSharing, Journal, NewVault, Retention},
    vault::{VaultHandle, VaultOptions, Vaults},
};

/// Opens a new database in this directory.
pub(super) async fn open_vaults(directory: &Path) -> Vaults {
    let options = DatabaseOptions {
        url: format!("sqlite://{}/vaultcast.db", directory.display()),
        schema: None,
        full_sync: false,
        max_connections: 0,
        sharing: DatabaseSharing::ThisProcess,
    };
    let database = Database::connect(&options).await.unwrap();
    database.migrate().await.unwrap();
    let unlimited = Retention {
        events: u64::MAX,
        age: Duration::MAX,
    };
    let journal = Journal::open(database, unlimited, Default::default())
        .await
        .unwrap();
    let options = VaultOptions {
        mailbox: 1024,
        commit_batch: 64,
        idle: Duration::from_secs(30),
        memory: usize::MAX,
        threads: 2,
    };
    Vaults::new(journal, options, Default::default())
}

/// Returns a user of this id and name.
pub(super) fn principal(name: &str) -> Principal {
    Principal {
        id: UserId::new(name).unwrap(),
        name: Some(name.to_owned()),
        email: None,
    }
}

/// Creates a vault of the user `ana`.
pub(super) async fn create_vault(vaults: &Vaults) -> VaultHandle {
    let id = VaultId::generate();
    let new = NewVault {
        id: id.clone(),
        membership: MembershipId::generate(),
        name: "Physics".to_owned(),
        by: principal("ana"),
        key: None,
    };
    vaults.create(new).await.unwrap();
    vaults.open(&id)
}

/// Returns a command that creates a source.
pub(super) fn create_source() -> Command {
    Command::CreateSource {
        id: SourceId::generate(),
        source: NewSource {
            title: "notes".to_owned(),
            file_url: "https://files.example/a.pdf".to_owned(),
            file_key: None,
            file_size: None,
            mime_type: "application/pdf".to_owned(),
        },
    }
}
