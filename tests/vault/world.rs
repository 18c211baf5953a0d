//! What the stories need: a database, processes on it, and people who ask. Who hears is `ear.rs`.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, Database as Connect, DatabaseTransaction, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use vaultcast::{
    domain::{
        Answer, Command, Mutation, NewSource, Principal, Role, Seq, SourceId, UserId, UserRef,
        VaultId, ids::MembershipId,
    },
    journal::{Database, DatabaseOptions, Journal, NewVault, Record, Retention},
    vault::{VaultError, VaultHandle, VaultOptions, Vaults},
    verify::verify,
};

use crate::common::database::TestDatabase;

/// Longer than anything here takes, shorter than a patience with tests.
pub const AT_LAST: Duration = Duration::from_secs(60);

/// The bounds that tests start from.
pub const OPTIONS: VaultOptions = VaultOptions {
    mailbox: 1024,
    commit_batch: 256,
    idle: Duration::from_secs(300),
    threads: 2,
};

/// What tests keep: everything.
const EVERYTHING: Retention = Retention {
    events: u64::MAX,
    age: Duration::MAX,
};

/// A database and the vaults of one process on it.
pub struct World {
    pub database: TestDatabase,
    pub vaults: Vaults,
}

impl World {
    pub async fn new() -> Self {
        Self::with(OPTIONS).await
    }

    pub async fn with(options: VaultOptions) -> Self {
        let database = TestDatabase::fresh().await;
        connect(&database.url).await.migrate().await.unwrap();
        let vaults = process(&database.url, options).await;
        Self { database, vaults }
    }

    /// Another process on the same database.
    pub async fn another(&self) -> Vaults {
        process(&self.database.url, OPTIONS).await
    }

    /// A new vault; ana owns it.
    pub async fn vault(&self) -> VaultHandle {
        let id = new_vault(&self.vaults).await;
        self.vaults.open(&id)
    }

    pub fn journal(&self) -> &Journal {
        self.vaults.journal()
    }

    /// Does something to the database behind the journal's back.
    pub async fn execute(&self, sql: &str) {
        let connection = Connect::connect(&self.database.url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The one number that a query answers.
    pub async fn number(&self, sql: &str) -> i64 {
        let connection = Connect::connect(&self.database.url).await.unwrap();
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        connection.close().await.unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// Holds what every commit needs, as another process might.
    pub async fn lock(&self) -> DatabaseTransaction {
        let connection = Connect::connect(&self.database.url).await.unwrap();
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Exclusive),
            ..TransactionOptions::default()
        };
        let txn = connection.begin_with_options(options).await.unwrap();
        if self.database.is_postgres() {
            let sql = "LOCK TABLE vault_heads IN EXCLUSIVE MODE";
            txn.execute_unprepared(sql).await.unwrap();
        }
        txn
    }

    /// Waits until a statement that begins so waits for somebody's lock. PostgreSQL alone can tell.
    pub async fn waits_for_a_lock(&self, statement: &str) {
        let waiting = format!(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND query LIKE '{statement}%'"
        );
        until(statement, async || self.number(&waiting).await == 1).await;
    }

    /// What the journal holds of a vault, which has no gaps and agrees with the rows.
    pub async fn records(&self, id: &VaultId) -> Vec<Record> {
        let records = self
            .journal()
            .after(id, Seq::ZERO, 1_000_000)
            .await
            .unwrap();
        let seqs: Vec<_> = records.iter().map(|record| record.seq.0).collect();
        assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
        if let Some(vault) = self.journal().load(id).await.unwrap() {
            assert_eq!(vault.head.0, seqs.len() as u64);
        }
        let verdict = verify(&self.database.url, Some(id), |_| {}).await.unwrap();
        assert_eq!(verdict.findings.first(), []);
        records
    }
}

pub async fn connect(url: &str) -> Database {
    let options = DatabaseOptions {
        url: url.to_owned(),
        full_sync: true,
    };
    Database::connect(&options).await.unwrap()
}

pub async fn process(url: &str, options: VaultOptions) -> Vaults {
    keeping(url, EVERYTHING, options).await
}

/// A process that keeps no more than this.
pub async fn keeping(url: &str, retention: Retention, options: VaultOptions) -> Vaults {
    let journal = Journal::open(connect(url).await, retention, Default::default())
        .await
        .unwrap();
    Vaults::new(journal, options, Default::default())
}

pub async fn new_vault(vaults: &Vaults) -> VaultId {
    let id = VaultId::generate();
    let new = NewVault {
        id: id.clone(),
        membership: MembershipId::generate(),
        name: "Physics".to_owned(),
        by: person("ana"),
        key: None,
    };
    vaults.create(new).await.unwrap();
    id
}

pub fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn person(name: &str) -> Principal {
    Principal {
        id: user(name),
        name: Some(name.to_owned()),
        email: None,
    }
}

pub fn asks(by: &str, command: Command) -> Mutation {
    Mutation {
        by: person(by),
        command,
        key: None,
    }
}

pub fn post(title: &str) -> Command {
    Command::CreateSource {
        id: SourceId::generate(),
        source: NewSource {
            title: title.to_owned(),
            file_url: "https://files.example/a.pdf".to_owned(),
            file_key: None,
            file_size: None,
            mime_type: "application/pdf".to_owned(),
        },
    }
}

pub fn add(name: &str, role: Role) -> Command {
    Command::AddMember {
        id: MembershipId::generate(),
        user: UserRef::Id(user(name)),
        role,
    }
}

pub fn change(name: &str, role: Role) -> Command {
    let user = user(name);
    Command::ChangeRole { user, role }
}

pub fn remove(name: &str) -> Command {
    Command::RemoveMember { user: user(name) }
}

/// Verbs that stories use.
pub trait Asked {
    async fn done(&self, by: &str, command: Command) -> Answer;
    async fn refused(&self, by: &str, command: Command) -> VaultError;
    /// Posts so many sources, one after the other.
    async fn posts(&self, count: usize);
}

impl Asked for VaultHandle {
    async fn done(&self, by: &str, command: Command) -> Answer {
        self.submit(asks(by, command)).await.unwrap()
    }

    async fn refused(&self, by: &str, command: Command) -> VaultError {
        self.submit(asks(by, command)).await.unwrap_err()
    }

    async fn posts(&self, count: usize) {
        for n in 0..count {
            self.done("ana", post(&format!("source {n}"))).await;
        }
    }
}

/// Waits until something is so.
pub async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(AT_LAST, wait).await;
    assert!(waited.is_ok(), "never: {what}");
}

/// From one place to another, both included.
pub fn places(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}
