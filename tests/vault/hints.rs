//! Two nodes with their links: hints over each bus, and the sweep. PostgreSQL only, because a SQLite file has one node.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::net::TcpStream;
use vaultcast::{
    cluster::{BusOptions, ClusterMetrics, NodeLink, NodeLinkParams},
    domain::{Role, Seq, VaultHead, VaultId},
    telemetry::metrics::MetricsRegistry,
    vault::{VaultHandle, Vaults},
};

use crate::{
    test_node::{SubmitExt, TestNode, add_member, remove_member, seq_range, wait_until},
    test_sink::{NoticePart, TestSink},
};

/// One of two nodes.
struct LinkedNode {
    vaults: Vaults,
    metrics: MetricsRegistry,
    _link: NodeLink,
}

/// Two linked nodes on one database.
struct LinkedNodes {
    node: TestNode,
    here: LinkedNode,
    there: LinkedNode,
}

impl LinkedNode {
    fn new(vaults: &Vaults, bus: BusOptions) -> Self {
        let metrics = MetricsRegistry::new();
        let link = NodeLink::start(NodeLinkParams {
            vaults: vaults.clone(),
            bus,
            metrics: ClusterMetrics::register(&metrics),
        });
        Self {
            vaults: vaults.clone(),
            _link: link.unwrap(),
            metrics,
        }
    }

    /// Returns the value of a metric without labels; 0 if it has none.
    fn metric(&self, name: &str) -> f64 {
        let start = format!("vaultcast_{name} ");
        let text = self.metrics.text();
        let value = text.lines().find_map(|line| line.strip_prefix(&start));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

impl LinkedNodes {
    /// Returns two nodes whose buses are connected; `None` on SQLite.
    async fn connect(bus: impl Fn(&TestNode) -> BusOptions) -> Option<Self> {
        let node = TestNode::shared().await;
        if !node.database.is_postgres() {
            return None;
        }
        let here = LinkedNode::new(&node.vaults, bus(&node));
        let there = LinkedNode::new(&node.another_node().await, bus(&node));
        Some(Self { node, here, there })
    }

    async fn wait_for_peers(&self) {
        for linked in [&self.here, &self.there] {
            let is_connected = async || linked.metric("bus_peers") == 1.0;
            wait_until("the nodes notice each other", is_connected).await;
        }
    }

    /// Creates a vault with three sources, and returns it at both nodes.
    async fn vault(&self) -> (VaultHandle, VaultHandle) {
        let here = self.node.create_vault().await;
        here.create_sources(3).await;
        let there = self.there.vaults.open(here.id());
        (here, there)
    }
}

fn postgres(node: &TestNode) -> BusOptions {
    BusOptions::Postgres {
        url: node.database.url.clone(),
        schema: None,
    }
}

fn off(_: &TestNode) -> BusOptions {
    BusOptions::Off
}

/// A Redis server that ends with the test.
struct RedisProcess {
    child: Child,
    url: String,
}

impl RedisProcess {
    async fn start() -> Self {
        let probe = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = probe.local_addr().unwrap().port();
        drop(probe);
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let listens = async || TcpStream::connect(("127.0.0.1", port)).await.is_ok();
        wait_until("Redis listens", listens).await;
        let url = format!("redis://127.0.0.1:{port}");
        Self { child, url }
    }
}

impl Drop for RedisProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The subscriber there receives what is committed here, and hints were the reason.
async fn assert_delivered_by_hints(nodes: &LinkedNodes) {
    nodes.wait_for_peers().await;
    let (here, there) = nodes.vault().await;
    let mut sink = TestSink::new();
    sink.join(&there, "ana").await;
    here.create_sources(20).await;
    assert_eq!(sink.next_seqs(20).await, seq_range(4, 23));
    there.create_sources(1).await;
    assert_eq!(sink.next_seq().await, 24);
    assert!(nodes.there.metric("hints_received_total") > 0.0);
    let came_back = async || nodes.here.metric("hints_received_total") > 0.0;
    wait_until("the hint arrives", came_back).await;
}

#[actix_web::test]
async fn events_of_another_node_are_delivered_by_hints_of_postgres() {
    let Some(nodes) = LinkedNodes::connect(postgres).await else {
        return;
    };
    assert_delivered_by_hints(&nodes).await;
}

#[actix_web::test]
async fn events_of_another_node_are_delivered_by_hints_of_redis() {
    let redis = RedisProcess::start().await;
    let bus = |_: &TestNode| BusOptions::Redis {
        url: redis.url.clone(),
    };
    let Some(nodes) = LinkedNodes::connect(bus).await else {
        return;
    };
    assert_delivered_by_hints(&nodes).await;
}

#[actix_web::test]
async fn events_of_another_node_are_delivered_by_the_sweep_without_a_bus() {
    let Some(nodes) = LinkedNodes::connect(off).await else {
        return;
    };
    let (here, there) = nodes.vault().await;
    let (mut ana, mut ben) = (TestSink::new(), TestSink::new());
    ana.join(&there, "ana").await;
    here.submit_ok("ana", add_member("ben", Role::Viewer)).await;
    ben.join(&there, "ben").await;
    here.create_sources(1).await;
    here.submit_ok("ana", remove_member("ben")).await;
    here.create_sources(1).await;
    assert_eq!(ana.next_seqs(4).await, seq_range(4, 7));
    assert_eq!(ben.next_seqs(2).await, seq_range(5, 6));
    assert!(matches!(ben.next_part().await, NoticePart::Removed));
    assert_eq!(nodes.there.metric("hints_received_total"), 0.0);
    assert!(nodes.there.metric("sweep_seconds_count") > 0.0);
}

#[actix_web::test]
async fn event_whose_commit_no_actor_has_seen_is_delivered_by_the_sweep() {
    let Some(nodes) = LinkedNodes::connect(off).await else {
        return;
    };
    let (here, _) = nodes.vault().await;
    let mut sink = TestSink::new();
    sink.join(&here, "ana").await;
    // A node without a link, as a process that was killed between its commit and its hint.
    let gone = nodes.node.another_node().await.open(here.id());
    gone.create_sources(1).await;
    assert_eq!(sink.next_seq().await, 4);
}

#[actix_web::test]
async fn journal_reports_the_changed_heads_and_the_epoch_by_one_query() {
    let node = TestNode::shared().await;
    if !node.database.is_postgres() {
        return;
    }
    let (moved, same) = (node.create_vault().await, node.create_vault().await);
    moved.create_sources(2).await;
    let head = |vault: &VaultId, head| VaultHead {
        vault: vault.clone(),
        head: Seq(head),
    };
    let known = [
        head(moved.id(), 1),
        head(same.id(), 0),
        head(&VaultId::generate(), 7),
    ];
    let absent = known[2].vault.clone();
    let found = node.journal().changed_heads(&known).await.unwrap();
    assert_eq!(found.changed, [head(moved.id(), 2)]);
    assert_eq!(found.rewound, [absent]);
    assert_eq!(found.epoch, *node.journal().epoch());
    let found = node.journal().changed_heads(&[head(moved.id(), 3)]).await;
    assert_eq!(found.unwrap().rewound, [moved.id().clone()]);
    let found = node.journal().changed_heads(&[]).await.unwrap();
    assert!(found.changed.is_empty() && !found.epoch.is_empty());
}

#[actix_web::test]
async fn bus_that_does_not_answer_delays_no_commit_and_no_sweep() {
    // A listener that accepts and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let bus = |_: &TestNode| BusOptions::Redis { url: url.clone() };
    let Some(nodes) = LinkedNodes::connect(bus).await else {
        return;
    };
    let (here, there) = nodes.vault().await;
    let mut sink = TestSink::new();
    sink.join(&there, "ana").await;
    let commits = tokio::time::timeout(Duration::from_secs(20), here.create_sources(20));
    commits.await.unwrap();
    assert_eq!(sink.next_seqs(20).await, seq_range(4, 23));
    assert_eq!(nodes.there.metric("bus_up"), 0.0);
}
