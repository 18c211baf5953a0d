//! A node for tests: a database of its own, the vaults of one node on it, and the commands that tests submit.
//! `test_sink.rs` has the sink that receives notices.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, Database as DirectDatabase, DatabaseTransaction, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};
use vaultcast::{
    domain::{
        Command, Mutation, MutationAnswer, NewSource, Principal, Role, Seq, SourceId, UserId,
        UserRef, VaultId, ids::MembershipId,
    },
    journal::{
        Database, DatabaseOptions, DatabaseSharing, Journal, JournalRecord, NewVault, Retention,
    },
    vault::{VaultError, VaultHandle, VaultOptions, Vaults},
    verify::verify,
};

use crate::common::database::TestDatabase;

/// After this time a wait fails its test. It is longer than anything that the tests wait for.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(60);

/// More than the service waits for a database that does not answer, even on a busy machine.
pub const MAX_WAIT: Duration = Duration::from_secs(30);

/// The default bounds of vaults in tests.
pub const OPTIONS: VaultOptions = VaultOptions {
    mailbox: 1024,
    commit_batch: 256,
    idle: Duration::from_secs(300),
    memory: usize::MAX,
    threads: 2,
};

/// The default retention in tests: all events are kept.
const RETAIN_ALL: Retention = Retention {
    events: u64::MAX,
    age: Duration::MAX,
};

/// A database and the vaults of one node on it.
pub struct TestNode {
    pub database: TestDatabase,
    pub vaults: Vaults,
}

impl TestNode {
    pub async fn new() -> Self {
        Self::with_options(OPTIONS).await
    }

    pub async fn with_options(options: VaultOptions) -> Self {
        let database = TestDatabase::create().await;
        connect(&database.url).await.migrate().await.unwrap();
        let vaults = open_vaults(&database.url, options).await;
        Self { database, vaults }
    }

    /// Returns a node whose database other nodes may open as well, also if it is a SQLite file.
    pub async fn shared() -> Self {
        let database = TestDatabase::create().await;
        connect(&database.url).await.migrate().await.unwrap();
        let vaults = open_shared_vaults(&database.url, RETAIN_ALL).await;
        Self { database, vaults }
    }

    /// Opens the vaults of another node on the same database.
    pub async fn another_node(&self) -> Vaults {
        self.another_node_retaining(RETAIN_ALL).await
    }

    /// Opens the vaults of another node with this retention on the same database.
    pub async fn another_node_retaining(&self, retention: Retention) -> Vaults {
        open_shared_vaults(&self.database.url, retention).await
    }

    /// Creates a vault that the user ana owns.
    pub async fn create_vault(&self) -> VaultHandle {
        let id = create_vault(&self.vaults).await;
        self.vaults.open(&id)
    }

    pub fn journal(&self) -> &Journal {
        self.vaults.journal()
    }

    /// Returns the single number that a query selects.
    pub async fn query_number(&self, sql: &str) -> i64 {
        let connection = DirectDatabase::connect(&self.database.url).await.unwrap();
        let statement = Statement::from_string(connection.get_database_backend(), sql);
        let row = connection.query_one_raw(statement).await.unwrap().unwrap();
        connection.close().await.unwrap();
        row.try_get_by_index(0).unwrap()
    }

    /// Locks what every commit needs, as another node could. The lock ends with the transaction.
    pub async fn lock_commits(&self) -> DatabaseTransaction {
        let connection = DirectDatabase::connect(&self.database.url).await.unwrap();
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

    /// Waits until one statement with this beginning waits for a lock. PostgreSQL only.
    pub async fn wait_for_lock_waiter(&self, statement: &str) {
        let waiting = format!(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
             AND wait_event_type = 'Lock' AND query LIKE '{statement}%'"
        );
        let has_waiter = async || self.query_number(&waiting).await == 1;
        wait_until(statement, has_waiter).await;
    }

    /// Returns the journal records of a vault. Checks that they have no gap and that `verify` finds nothing.
    pub async fn verified_records(&self, id: &VaultId) -> Vec<JournalRecord> {
        let records = self
            .journal()
            .records_after(id, Seq::ZERO, 1_000_000)
            .await
            .unwrap();
        let seqs: Vec<_> = records.iter().map(|record| record.seq.0).collect();
        assert_eq!(seqs, seq_range(1, seqs.len() as u64));
        if let Some(vault) = self.journal().load(id).await.unwrap() {
            assert_eq!(vault.head.0, seqs.len() as u64);
        }
        let verdict = verify(&self.database.url, None, Some(id), |_| {})
            .await
            .unwrap();
        assert_eq!(verdict.findings.first(), []);
        records
    }
}

/// Connects the journal's database.
pub async fn connect(url: &str) -> Database {
    connect_with(url, DatabaseSharing::of_url(url)).await
}

async fn connect_with(url: &str, sharing: DatabaseSharing) -> Database {
    let options = DatabaseOptions {
        url: url.to_owned(),
        schema: None,
        full_sync: true,
        max_connections: 0,
        sharing,
    };
    Database::connect(&options).await.unwrap()
}

/// Opens the vaults of a node that keeps all events.
pub async fn open_vaults(url: &str, options: VaultOptions) -> Vaults {
    open_on(connect(url).await, RETAIN_ALL, options).await
}

async fn open_shared_vaults(url: &str, retention: Retention) -> Vaults {
    let database = connect_with(url, DatabaseSharing::SeveralProcesses).await;
    open_on(database, retention, OPTIONS).await
}

async fn open_on(database: Database, retention: Retention, options: VaultOptions) -> Vaults {
    let journal = Journal::open(database, retention, Default::default())
        .await
        .unwrap();
    Vaults::new(journal, options, Default::default())
}

/// Creates a vault that the user ana owns.
pub async fn create_vault(vaults: &Vaults) -> VaultId {
    let id = VaultId::generate();
    let new = NewVault {
        id: id.clone(),
        membership: MembershipId::generate(),
        name: "Physics".to_owned(),
        by: principal("ana"),
        key: None,
    };
    vaults.create(new).await.unwrap();
    id
}

pub fn user_id(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

pub fn principal(name: &str) -> Principal {
    Principal {
        id: user_id(name),
        name: Some(name.to_owned()),
        email: None,
    }
}

/// Returns the mutation that requests `command` for the user `by`, without an idempotency key.
pub fn mutation_by(by: &str, command: Command) -> Mutation {
    Mutation {
        by: principal(by),
        command,
        key: None,
    }
}

pub fn create_source(title: &str) -> Command {
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

pub fn add_member(name: &str, role: Role) -> Command {
    Command::AddMember {
        id: MembershipId::generate(),
        user: UserRef::Id(user_id(name)),
        role,
    }
}

pub fn change_role(name: &str, role: Role) -> Command {
    let user = user_id(name);
    Command::ChangeRole { user, role }
}

pub fn remove_member(name: &str) -> Command {
    Command::RemoveMember {
        user: user_id(name),
    }
}

/// Submits commands and checks the kind of the outcome.
pub trait SubmitExt {
    /// Submits a command that must be committed.
    async fn submit_ok(&self, by: &str, command: Command) -> MutationAnswer;
    /// Submits a command that must fail.
    async fn submit_err(&self, by: &str, command: Command) -> VaultError;
    /// Creates `count` sources, one after the other, for the user ana.
    async fn create_sources(&self, count: usize);
}

impl SubmitExt for VaultHandle {
    async fn submit_ok(&self, by: &str, command: Command) -> MutationAnswer {
        self.submit(mutation_by(by, command)).await.unwrap()
    }

    async fn submit_err(&self, by: &str, command: Command) -> VaultError {
        self.submit(mutation_by(by, command)).await.unwrap_err()
    }

    async fn create_sources(&self, count: usize) {
        for n in 0..count {
            let command = create_source(&format!("source {n}"));
            self.submit_ok("ana", command).await;
        }
    }
}

/// Waits until the condition holds, and fails the test after [`TEST_TIMEOUT`].
pub async fn wait_until(condition: &str, holds: impl AsyncFn() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(TEST_TIMEOUT, wait).await;
    assert!(waited.is_ok(), "timed out: {condition}");
}

/// Returns the numbers from `first` to `last`, both included.
pub fn seq_range(first: u64, last: u64) -> Vec<u64> {
    (first..=last).collect()
}
