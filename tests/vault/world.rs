//! What the stories need: a database, processes on it, people who ask, and ears that hear.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ConnectionTrait, Database as Connect, DatabaseTransaction, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use tokio::sync::mpsc;
use vaultcast::{
    domain::{
        Answer, Command, Mutation, NewSource, Principal, Role, Seq, SourceId, SubscriberId, UserId,
        UserRef, VaultId, ids::MembershipId,
    },
    journal::{Database, DatabaseOptions, Journal, NewVault, Record},
    vault::{
        Attach, Audience, Body, Delivery, Full, Sink, SinkId, Subscription, VaultError,
        VaultHandle, VaultOptions, Vaults,
    },
};

use crate::common::database::TestDatabase;

/// Longer than anything here takes, shorter than a patience with tests.
const AT_LAST: Duration = Duration::from_secs(60);

/// The bounds that tests start from.
pub const OPTIONS: VaultOptions = VaultOptions {
    mailbox: 1024,
    commit_batch: 256,
    idle: Duration::from_secs(300),
    threads: 2,
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
            let sql = "LOCK TABLE vault_heads IN ACCESS EXCLUSIVE MODE";
            txn.execute_unprepared(sql).await.unwrap();
        }
        txn
    }

    /// What the journal holds of a vault, which has no gaps and agrees with the head and the sources.
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
    let journal = Journal::open(connect(url).await).await.unwrap();
    Vaults::new(journal, options)
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

/// A sink of the test's own, and what came through it.
pub struct Ear {
    sink: Arc<TestSink>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

/// What a sink is told.
#[derive(Debug)]
pub enum Heard {
    Notice(Delivery),
    FellBehind(VaultId),
}

struct TestSink {
    id: SinkId,
    /// How many more notices it takes.
    room: AtomicUsize,
    /// Dies of the next notice.
    fragile: AtomicUsize,
    tell: mpsc::UnboundedSender<Heard>,
}

impl Sink for TestSink {
    fn id(&self) -> SinkId {
        self.id
    }

    fn deliver(&self, delivery: Delivery) -> Result<(), Full> {
        let blow = self
            .fragile
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1));
        assert!(blow != Ok(1), "this sink panics on purpose");
        let take = |room: usize| room.checked_sub(1);
        let taken = self
            .room
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take);
        taken.map_err(|_| Full)?;
        let _ = self.tell.send(Heard::Notice(delivery));
        Ok(())
    }

    fn fell_behind(&self, vault: VaultHandle) {
        let _ = self.tell.send(Heard::FellBehind(vault.id().clone()));
    }
}

impl Ear {
    pub fn new() -> Self {
        Self::with_room(usize::MAX)
    }

    pub fn with_room(room: usize) -> Self {
        static SINKS: AtomicUsize = AtomicUsize::new(0);
        let (tell, heard) = mpsc::unbounded_channel();
        let sink = TestSink {
            id: SinkId(SINKS.fetch_add(1, Ordering::Relaxed) as u64),
            room: AtomicUsize::new(room),
            fragile: AtomicUsize::new(0),
            tell,
        };
        Self {
            sink: Arc::new(sink),
            heard,
        }
    }

    pub fn id(&self) -> SinkId {
        self.sink.id
    }

    pub fn make_room(&self, room: usize) {
        self.sink.room.store(room, Ordering::Release);
    }

    /// Takes so many notices and panics at the next.
    pub fn breaks_after(&self, notices: usize) {
        self.sink.fragile.store(notices + 1, Ordering::Release);
    }

    /// Attaches somebody new; his subscriber id, which is his ticket as well.
    pub fn attach(&self, vault: &VaultHandle, name: &str, attach: Attach) -> SubscriberId {
        static SUBSCRIBERS: AtomicU64 = AtomicU64::new(0);
        let subscriber = SubscriberId(SUBSCRIBERS.fetch_add(1, Ordering::Relaxed));
        self.attach_again(vault, name, subscriber, attach);
        subscriber
    }

    pub fn attach_again(
        &self,
        vault: &VaultHandle,
        name: &str,
        subscriber: SubscriberId,
        attach: Attach,
    ) {
        let subscription = Subscription {
            subscriber,
            user: user(name),
            ticket: subscriber.0,
            attach,
        };
        vault.subscribe(subscription, self.sink.clone());
    }

    /// Joins and waits until the vault has said so.
    pub async fn join(&mut self, vault: &VaultHandle, name: &str) -> SubscriberId {
        let subscriber = self.attach(vault, name, Attach::Join);
        let body = self.body().await;
        assert!(matches!(body, Body::Joined(_)), "{body:?}");
        subscriber
    }

    pub async fn next(&mut self) -> Heard {
        let next = tokio::time::timeout(AT_LAST, self.heard.recv());
        next.await
            .expect("something to hear")
            .expect("a living sink")
    }

    /// The next notice; that somebody is counted in is no news to an ear that takes everything.
    pub async fn notice(&mut self) -> Delivery {
        loop {
            match self.next().await {
                Heard::Notice(delivery) if matches!(delivery.notice.body, Body::Live) => {}
                Heard::Notice(delivery) => return delivery,
                Heard::FellBehind(vault) => panic!("fell behind in {vault}"),
            }
        }
    }

    pub async fn body(&mut self) -> Body {
        self.notice().await.notice.body.clone()
    }

    /// The next event's place.
    pub async fn event(&mut self) -> u64 {
        match self.body().await {
            Body::Event(record) => record.seq.0,
            other => panic!("not an event: {other:?}"),
        }
    }

    /// The places of so many events.
    pub async fn events(&mut self, count: usize) -> Vec<u64> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.event().await);
        }
        events
    }

    /// The places of so many events after `q`, for ana, who attaches again after the last that she got whenever her
    /// sink is told that it was left out.
    pub async fn events_after(
        &mut self,
        vault: &VaultHandle,
        ana: SubscriberId,
        q: u64,
        count: usize,
    ) -> Vec<u64> {
        let mut events: Vec<u64> = Vec::new();
        while events.len() < count {
            let last = events.last().copied().unwrap_or(q);
            match self.next().await {
                Heard::Notice(delivery) => match &delivery.notice.body {
                    // What she knows is told again after a resumption.
                    Body::Event(record) if record.seq.0 <= last => {}
                    Body::Live => {}
                    Body::Event(record) => events.push(record.seq.0),
                    other => panic!("not an event: {other:?}"),
                },
                Heard::FellBehind(_) => {
                    vault.caught_up(self.id());
                    self.attach_again(
                        vault,
                        "ana",
                        ana,
                        Attach::Resume {
                            after: Seq(last),
                            joined_at: Seq::ZERO,
                        },
                    );
                }
            }
        }
        events
    }

    /// The places of events, by vault, until there are so many in all.
    pub async fn events_by_vault(&mut self, count: usize) -> HashMap<VaultId, Vec<u64>> {
        let mut events: HashMap<_, Vec<_>> = HashMap::new();
        for _ in 0..count {
            let Delivery { vault, to, notice } = self.notice().await;
            assert!(matches!(to, Audience::Everyone));
            let Body::Event(record) = &notice.body else {
                panic!("not an event: {notice:?}");
            };
            events.entry(vault).or_default().push(record.seq.0);
        }
        events
    }

    /// Waits until the sink is told that it was left out.
    pub async fn fell_behind(&mut self) {
        loop {
            if let Heard::FellBehind(_) = self.next().await {
                return;
            }
        }
    }

    /// Nothing was heard that was not listened to.
    pub fn is_silent(&mut self) -> bool {
        self.heard.try_recv().is_err()
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
