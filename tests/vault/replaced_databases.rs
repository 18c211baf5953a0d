//! A database that was put back, or got another epoch, while two nodes run on it. PostgreSQL only, because a SQLite file belongs
//! to one process, and `epoch renew` is refused while that runs.

use sea_orm::{ConnectionTrait, Database as DirectDatabase};
use vaultcast::{
    cluster::{BusOptions, ClusterMetrics, NodeLink, NodeLinkParams},
    domain::{Epoch, Seq, VaultId},
    telemetry::metrics::MetricsRegistry,
    vault::{Attach, Joined, VaultHandle, Vaults},
};

use crate::{
    test_node::{SubmitExt, TestNode, create_source, seq_range, wait_until},
    test_sink::{NoticePart, SinkCall, TestSink},
};

/// Two nodes on one database, each with a vault at the head 5 and a live subscriber.
struct SubscribedNodes {
    node: TestNode,
    there: Vaults,
    here_vault: VaultHandle,
    there_vault: VaultHandle,
    here_sink: TestSink,
    there_sink: TestSink,
}

impl SubscribedNodes {
    /// Returns `None` on SQLite.
    async fn start() -> Option<Self> {
        let node = TestNode::shared().await;
        if !node.database.is_postgres() {
            return None;
        }
        let there = node.another_node().await;
        let here_vault = node.create_vault().await;
        here_vault.create_sources(5).await;
        let there_vault = there.open(here_vault.id());
        let (mut here_sink, mut there_sink) = (TestSink::new(), TestSink::new());
        here_sink.join(&here_vault, "ana").await;
        there_sink.join(&there_vault, "ana").await;
        Some(Self {
            node,
            there,
            here_vault,
            there_vault,
            here_sink,
            there_sink,
        })
    }

    /// Connects both nodes without a bus, so that only their sweeps compare heads.
    fn sweep(&self) -> [NodeLink; 2] {
        [&self.node.vaults, &self.there].map(|vaults| {
            let link = NodeLink::start(NodeLinkParams {
                vaults: vaults.clone(),
                bus: BusOptions::Off,
                metrics: ClusterMetrics::register(&MetricsRegistry::new()),
            });
            link.unwrap()
        })
    }

    async fn execute(&self, sql: &str) {
        let url = &self.node.database.url;
        let connection = DirectDatabase::connect(url).await.unwrap();
        connection.execute_unprepared(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Puts the vault back to the head 3, as a restored backup does.
    async fn put_back(&self) {
        let id: &VaultId = self.here_vault.id();
        self.execute(&format!(
            "BEGIN; \
             DELETE FROM sources WHERE vault_id = '{id}' AND seq > 3; \
             DELETE FROM vault_events WHERE vault_id = '{id}' AND seq > 3; \
             UPDATE vault_heads SET head = 3 WHERE vault_id = '{id}'; \
             COMMIT"
        ))
        .await;
    }
}

/// A client that knows the fifth event lists again, and receives the events after the present head.
async fn assert_resync(vault: &VaultHandle, head: u64) -> TestSink {
    let (sink, joined) = join_since(vault, None).await;
    assert_eq!((joined.seq, joined.resync), (Seq(head), true));
    sink
}

/// Joins as a client that knows the fifth event of an epoch. A vault whose history is another one ends its actor; a sink that
/// reaches the ending actor is reported as fallen behind, and the client joins again, as a relay does for it.
async fn join_since(vault: &VaultHandle, epoch: Option<&Epoch>) -> (TestSink, Joined) {
    loop {
        let mut sink = TestSink::new();
        let (seq, epoch) = (Seq(5), epoch.cloned().map(String::from));
        sink.attach(vault, "ana", Attach::JoinSince { seq, epoch });
        loop {
            match sink.next_call().await {
                SinkCall::FellBehind(_) => break,
                SinkCall::Delivered(_, NoticePart::Joined(joined)) => return (sink, joined),
                SinkCall::Delivered(_, _) | SinkCall::PositionsUnknown(_) => {}
            }
        }
    }
}

#[actix_web::test]
async fn sweep_ends_the_subscriptions_of_a_vault_whose_head_went_back() {
    let Some(mut nodes) = SubscribedNodes::start().await else {
        return;
    };
    nodes.put_back().await;
    let _links = nodes.sweep();
    for sink in [&mut nodes.here_sink, &mut nodes.there_sink] {
        assert_eq!(sink.seqs_until_positions_unknown().await, [0; 0]);
    }
    let mut back = assert_resync(&nodes.here_vault, 3).await;
    let mut back_there = assert_resync(&nodes.there_vault, 3).await;
    nodes.here_vault.create_sources(1).await;
    nodes.there_vault.create_sources(1).await;
    assert_eq!(back.next_seqs(2).await, seq_range(4, 5));
    assert_eq!(back_there.next_seqs(2).await, seq_range(4, 5));
    // No subscriber of the former history receives a number a second time.
    nodes.here_sink.wait_until_behind().await;
    assert!(nodes.here_sink.is_empty());
    let id = nodes.here_vault.id();
    let records = nodes.node.verified_records(id).await;
    assert_eq!(records.len(), 5);
}

#[actix_web::test]
async fn mutation_on_a_vault_whose_head_went_back_is_decided_on_the_present_state() {
    let Some(mut nodes) = SubscribedNodes::start().await else {
        return;
    };
    let other = nodes.node.create_vault().await;
    nodes.put_back().await;
    // Another vault of the same transaction is not affected.
    let (written, ()) = futures_util::join!(
        nodes.here_vault.submit_ok("ana", create_source("first")),
        other.create_sources(1)
    );
    assert_eq!(written.seq, Seq(4));
    assert_eq!(nodes.here_sink.seqs_until_positions_unknown().await, [0; 0]);
    // The other node has not seen the head 3, only that the head is still lower than its own.
    let written = nodes.there_vault.submit_ok("ana", create_source("second"));
    assert_eq!(written.await.seq, Seq(5));
    assert_eq!(
        nodes.there_sink.seqs_until_positions_unknown().await,
        [0; 0]
    );
    nodes.node.verified_records(nodes.here_vault.id()).await;
}

#[actix_web::test]
async fn join_on_a_vault_whose_head_went_back_gets_resync() {
    let Some(mut nodes) = SubscribedNodes::start().await else {
        return;
    };
    nodes.put_back().await;
    // The join itself finds that the head went back, and ends the vault's actor.
    assert_resync(&nodes.here_vault, 3).await;
    assert_eq!(nodes.here_sink.seqs_until_positions_unknown().await, [0; 0]);
}

#[actix_web::test]
async fn running_nodes_adopt_another_epoch() {
    let Some(mut nodes) = SubscribedNodes::start().await else {
        return;
    };
    let old = nodes.node.journal().epoch();
    let _links = nodes.sweep();
    nodes.execute("UPDATE epoch SET value = 'another'").await;
    let another = Epoch::from("another");
    for vaults in [&nodes.node.vaults, &nodes.there] {
        let is_adopted = async || vaults.journal().epoch() == another;
        wait_until("the node adopts the epoch", is_adopted).await;
    }
    for sink in [&mut nodes.here_sink, &mut nodes.there_sink] {
        assert_eq!(sink.seqs_until_positions_unknown().await, [0; 0]);
    }
    for vault in [&nodes.here_vault, &nodes.there_vault] {
        for (epoch, resync) in [(&old, true), (&another, false)] {
            let (_sink, joined) = join_since(vault, Some(epoch)).await;
            assert_eq!((joined.resync, &joined.epoch), (resync, &another));
        }
    }
}
