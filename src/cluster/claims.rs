//! Claims between nodes: a node whose client names the pid of a connection of another node asks all others for it.
//!
//! A claim carries a hash of the pid, because the pid alone lets its holder continue the connection. The answer carries no state:
//! the node that has the connection closes it and moves its state to the database, where the node that has asked takes it.

use std::sync::{Arc, OnceLock};

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use super::{
    machine::ClaimOutcome, message::ClaimAnswer, metrics::ClusterMetrics, pid_hash::PeerClaim,
};

/// How many claims of the clients of this node wait for its link.
pub const CLAIM_QUEUE_CAPACITY: usize = 1024;

/// Answers the claims of other nodes.
pub trait ClaimResponder: Send + Sync {
    /// Hands a connection over, or its state, if this node has it.
    fn answer(&self, claim: PeerClaim) -> BoxFuture<'static, ClaimAnswer>;
}

/// The responder of this node, which exists later than its link. Until then the node has no connections.
pub(super) type ResponderSlot = Arc<OnceLock<Arc<dyn ClaimResponder>>>;

/// Asks the other nodes for connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PeerClaims {
    requests: mpsc::Sender<ClaimRequest>,
    metrics: ClusterMetrics,
}

/// A claim on its way to the link of this node.
pub(super) struct ClaimRequest {
    pub(super) claim: PeerClaim,
    /// The receiver may be gone.
    pub(super) reply: oneshot::Sender<Option<ClaimAnswer>>,
}

impl PeerClaims {
    /// Returns the handle, and the requests that it makes.
    pub(super) fn new(metrics: ClusterMetrics) -> (Self, mpsc::Receiver<ClaimRequest>) {
        let (requests, requested) = mpsc::channel(CLAIM_QUEUE_CAPACITY);
        (Self { requests, metrics }, requested)
    }

    /// Asks the other nodes for the connection of this pid, and waits for their answers for one second at most. Without other nodes
    /// it returns `None` at once.
    pub async fn ask(&self, claim: PeerClaim) -> Option<ClaimAnswer> {
        let (reply, answered) = oneshot::channel();
        if self
            .requests
            .try_send(ClaimRequest { claim, reply })
            .is_err()
        {
            self.metrics.record_claim(ClaimOutcome::QueueFull);
            return ClaimOutcome::QueueFull.answer();
        }
        // The link has ended.
        answered.await.unwrap_or(None)
    }
}
