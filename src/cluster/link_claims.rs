//! The claims of a node's link: where the answers to its own go, and its work on those of other nodes.

use std::collections::HashMap;

use tokio::{
    sync::{mpsc, oneshot},
    task::{Id, JoinSet},
};

use super::{
    claims::{ClaimRequest, ResponderSlot},
    machine::ClusterInput,
    message::{ClaimAnswer, ClaimKey},
    pid_hash::PeerClaim,
};

/// The claims that the link has passed on. The machine bounds them.
pub(super) struct LinkClaims {
    requests: mpsc::Receiver<ClaimRequest>,
    replies: HashMap<u64, oneshot::Sender<Option<ClaimAnswer>>>,
    /// The number of the next claim of this node.
    next: u64,
    responder: ResponderSlot,
    answers: JoinSet<ClaimAnswer>,
    /// The claims of the running tasks.
    answering: HashMap<Id, ClaimKey>,
}

impl LinkClaims {
    pub(super) fn new(requests: mpsc::Receiver<ClaimRequest>, responder: ResponderSlot) -> Self {
        Self {
            requests,
            replies: HashMap::new(),
            next: 0,
            responder,
            answers: JoinSet::new(),
            answering: HashMap::new(),
        }
    }

    /// Waits for the next claim of this node, or for an answer of it. Nothing is lost when the future is dropped.
    pub(super) async fn next_input(&mut self) -> ClusterInput {
        tokio::select! {
            Some(ClaimRequest { claim, reply }) = self.requests.recv() => {
                let number = self.next;
                self.next += 1;
                self.replies.insert(number, reply);
                ClusterInput::ClaimRequested { number, claim }
            }
            Some(joined) = self.answers.join_next_with_id() => {
                let (id, answer) = match joined {
                    Ok((id, answer)) => (id, answer),
                    // It panicked, which the panic hook has logged.
                    Err(error) => (error.id(), ClaimAnswer::NotHere),
                };
                match self.answering.remove(&id) {
                    Some(key) => ClusterInput::ClaimAnswered { key, answer },
                    None => ClusterInput::Tick,
                }
            }
            else => std::future::pending().await,
        }
    }

    /// Reports the end of a claim of this node. Its client may be gone.
    pub(super) fn reply(&mut self, number: u64, answer: Option<ClaimAnswer>) {
        if let Some(reply) = self.replies.remove(&number) {
            let _ = reply.send(answer);
        }
    }

    /// Begins to answer the claim of another node.
    pub(super) fn answer(&mut self, key: ClaimKey, claim: PeerClaim) {
        let answer = self
            .responder
            .get()
            .map(|responder| responder.answer(claim));
        let task = self.answers.spawn(async move {
            match answer {
                Some(answer) => answer.await,
                None => ClaimAnswer::NotHere,
            }
        });
        self.answering.insert(task.id(), key);
    }
}
