//! The simulated world: the state, and what its parts need of each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use vaultcast::{
    domain::MonotonicTime,
    gateway::recovery::machine::{ClaimScope, RecoveryMachine, RecoveryOptions, StateBounds},
    vault::{VaultError, machine::Batch},
};

use crate::{
    client::Client,
    cluster_shell::BusService,
    config::{Budget, Config},
    database::{Database, EPOCH},
    log::Log,
    names::Change,
    node::{Caller, Node, SocketAddress},
    promises::{Promise, Violation},
};

/// The complete state of a simulation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub config: Arc<Config>,
    pub budget: Budget,
    pub now: MonotonicTime,
    pub bus: BusService,
    pub database: Database,
    pub transactions: Vec<Transaction>,
    pub nodes: Vec<Node>,
    pub clients: Vec<Client>,
    /// All mutations that were sent, by number.
    pub mutations: Vec<SentMutation>,
    /// How often the order of joins of a vault was disturbed: an actor, a relay or a connection ended or fell behind.
    pub disturbances: Vec<u64>,
    /// How often events became unreadable: they were trimmed, or a read failed.
    pub losses: u64,
    /// The vault whose last event was removed, because an older database was put back.
    pub put_back: Option<usize>,
    /// The sinks of relays that have panicked.
    pub ended_sinks: Vec<vaultcast::vault::SinkId>,
    pub next_id: u64,
    /// The first promise that was broken.
    pub violation: Option<Violation>,
}

/// A transaction of one vault.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    pub node: usize,
    pub vault: usize,
    /// The actor that started it.
    pub instance: u64,
    pub batch: Batch,
    pub callers: Vec<(vaultcast::vault::machine::CallerId, Caller)>,
    pub lock: Lock,
}

/// Whether a transaction holds the lock of its vault's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    Waiting,
    Held,
}

/// A mutation that a client has sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SentMutation {
    pub client: usize,
    pub vault: usize,
    pub change: Change,
    /// The connection over which it was sent.
    pub address: SocketAddress,
    pub answer: Option<Result<u64, VaultError>>,
}

impl World {
    /// Returns a world in which nothing has happened.
    pub fn new(config: Config) -> Self {
        let mut world = Self {
            budget: config.budget.clone(),
            now: MonotonicTime::default(),
            bus: BusService::default(),
            database: Database::new(config.vaults, config.clients),
            transactions: Vec::new(),
            nodes: Vec::new(),
            clients: Vec::new(),
            mutations: Vec::new(),
            disturbances: vec![0; config.vaults],
            losses: 0,
            put_back: None,
            ended_sinks: Vec::new(),
            next_id: 1,
            violation: None,
            config: Arc::new(config),
        };
        for _ in 0..world.config.nodes {
            let node = world.new_node();
            world.nodes.push(node);
        }
        for node in 0..world.config.nodes {
            world.start_link(node, &mut Log::default());
        }
        for index in 0..world.config.clients {
            world.clients.push(Client {
                index,
                ..Client::default()
            });
        }
        world
    }

    fn new_node(&mut self) -> Node {
        let mut node = Node {
            vaults: BTreeMap::new(),
            relays: Vec::new(),
            recovery: RecoveryMachine::new(RecoveryOptions {
                window: Duration::from_secs(120),
                epoch: EPOCH.into(),
                bounds: StateBounds::default(),
                scope: match self.config.nodes {
                    0 | 1 => ClaimScope::ThisNode,
                    _ => ClaimScope::AllNodes,
                },
            }),
            claims: BTreeMap::new(),
            link: self.new_link(),
        };
        for _ in 0..self.config.relays_per_node {
            node.relays.push(self.new_relay());
        }
        node
    }

    /// Replaces a node that was killed.
    pub fn replace_node(&mut self, node: usize, log: &mut Log) {
        self.nodes[node] = self.new_node();
        self.start_link(node, log);
    }

    /// Returns a number that was not used before.
    pub fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Records that a promise was broken, unless one was before.
    pub fn fail(&mut self, promise: Promise, detail: impl Into<String>) {
        self.violation
            .get_or_insert_with(|| Violation::new(promise, detail));
    }

    pub fn check(&mut self, result: Result<(), Violation>) {
        if let Err(violation) = result {
            self.violation.get_or_insert(violation);
        }
    }

    /// Records an answer, and checks it against the database.
    pub fn record_answer(&mut self, mutation: u64, answer: Result<u64, VaultError>) {
        let vault = self.mutations[mutation as usize].vault;
        let written: BTreeSet<_> = self.seqs_of(vault, mutation);
        match &answer {
            Ok(seq) if !written.contains(seq) => self.fail(
                Promise::Durability,
                format!(
                    "mutation {mutation} was answered with {seq}, which is not its event on disk"
                ),
            ),
            Err(error) if !written.is_empty() && !matches!(error, VaultError::Unknown) => self
                .fail(
                    Promise::Durability,
                    format!("mutation {mutation} was answered with an error, and is on disk"),
                ),
            Ok(_) | Err(_) => {}
        }
        self.check_order(mutation, &answer);
        let sent = &mut self.mutations[mutation as usize];
        if sent.answer.replace(answer).is_some() {
            self.fail(
                Promise::Durability,
                format!("mutation {mutation} was answered twice"),
            );
        }
    }

    /// Mutations of one socket in one vault take effect in the order sent.
    fn check_order(&mut self, mutation: u64, answer: &Result<u64, VaultError>) {
        let Ok(seq) = *answer else {
            return;
        };
        let sent = &self.mutations[mutation as usize];
        let others = self.mutations.iter().enumerate();
        let mut same_socket = others.filter(|(_, other)| {
            (other.client, other.vault, other.address) == (sent.client, sent.vault, sent.address)
        });
        let is_overtaken = |(number, other): (usize, &SentMutation)| match &other.answer {
            Some(Ok(other)) => (number as u64).cmp(&mutation) != other.cmp(&seq),
            Some(Err(_)) | None => false,
        };
        if same_socket.any(is_overtaken) {
            self.fail(
                Promise::InOrderSent,
                format!("mutation {mutation} took effect at {seq}, out of the order sent"),
            );
        }
    }

    fn seqs_of(&self, vault: usize, mutation: u64) -> BTreeSet<u64> {
        let events = self.database.vaults[vault].events.iter();
        let own = events.filter(|entry| entry.mutation == mutation);
        own.map(|entry| entry.event.record.seq.0).collect()
    }

    /// Checks the journals: no gaps, and each mutation once.
    pub fn check_journals(&mut self) {
        for vault in 0..self.database.vaults.len() {
            let mut seen = BTreeMap::new();
            let mut failure = None;
            for (index, entry) in self.database.vaults[vault].events.iter().enumerate() {
                let seq = entry.event.record.seq.0;
                if seq != index as u64 + 1 {
                    failure = Some((
                        Promise::OnDiskFirst,
                        format!("vault {vault}: event {seq} at place {}", index + 1),
                    ));
                }
                if let Some(first) = seen.insert(entry.mutation, seq) {
                    failure = Some((
                        Promise::Durability,
                        format!(
                            "mutation {} was written as {first} and {seq}",
                            entry.mutation
                        ),
                    ));
                }
            }
            if let Some((promise, detail)) = failure {
                self.fail(promise, detail);
            }
        }
    }
}
