//! Acknowledgements that the server has requested from a client.
//!
//! An event that requests an acknowledgement carries an id. [`AckTable`] maps the ids of one socket to the futures that
//! wait for the responses. A [`PendingAck`] resolves with the response, at its timeout, or when the client disconnects.

use std::{
    cell::RefCell,
    collections::HashMap,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};

use super::{
    decode::{DecodedPayload, find_attachment},
    error::AckError,
};

/// The response of a client to an event that requested an acknowledgement.
#[derive(Clone, Debug, PartialEq)]
pub struct AckResponse {
    /// The arguments of the acknowledgement.
    pub args: Vec<Value>,
    /// The binary attachments, to which placeholders in the arguments refer.
    pub attachments: Vec<Bytes>,
}

impl AckResponse {
    /// Returns the attachment that a value of the arguments refers to, if the value is a placeholder.
    pub fn attachment(&self, value: &Value) -> Option<&Bytes> {
        find_attachment(value, &self.attachments)
    }
}

impl From<DecodedPayload> for AckResponse {
    fn from(payload: DecodedPayload) -> Self {
        let DecodedPayload { args, attachments } = payload;
        Self { args, attachments }
    }
}

/// The pending acknowledgements of one socket.
#[derive(Default)]
pub(crate) struct AckTable {
    next_id: i64,
    senders: HashMap<i64, oneshot::Sender<AckResponse>>,
}

/// A future that resolves with the client's acknowledgement of an event. Dropping it discards the acknowledgement.
#[must_use = "the event is sent, but its acknowledgement is discarded"]
pub struct PendingAck {
    id: i64,
    table: Rc<RefCell<AckTable>>,
    response: oneshot::Receiver<AckResponse>,
    timeout: Pin<Box<Sleep>>,
}

impl AckTable {
    /// Returns whether the acknowledgement `id` is pending.
    pub(crate) fn is_pending(&self, id: i64) -> bool {
        self.senders.contains_key(&id)
    }

    /// Completes the pending acknowledgement `id`. An unknown id is ignored.
    pub(crate) fn resolve(&mut self, id: i64, response: AckResponse) {
        if let Some(sender) = self.senders.remove(&id) {
            let _receiver_dropped = sender.send(response);
        }
    }

    /// Fails all pending acknowledgements with [`AckError::Disconnected`].
    pub(crate) fn fail_all(&mut self) {
        self.senders.clear();
    }
}

impl PendingAck {
    /// Adds an acknowledgement to `table`. Returns `None` if the table already has `max_pending` of them.
    pub(crate) fn register(
        table: &Rc<RefCell<AckTable>>,
        timeout: Duration,
        max_pending: usize,
    ) -> Option<Self> {
        let mut entries = table.borrow_mut();
        if entries.senders.len() >= max_pending {
            return None;
        }
        let id = entries.next_id;
        entries.next_id += 1;
        let (sender, response) = oneshot::channel();
        entries.senders.insert(id, sender);
        Some(Self {
            id,
            table: table.clone(),
            response,
            timeout: Box::pin(sleep(timeout)),
        })
    }

    /// Returns the id that the event must carry.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }
}

impl Future for PendingAck {
    type Output = Result<AckResponse, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(response) = Pin::new(&mut self.response).poll(cx) {
            return Poll::Ready(response.map_err(|_| AckError::Disconnected));
        }
        let timeout = self.timeout.as_mut().poll(cx);
        timeout.map(|()| Err(AckError::TimedOut))
    }
}

impl Drop for PendingAck {
    fn drop(&mut self) {
        self.table.borrow_mut().senders.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn response(value: Value) -> AckResponse {
        AckResponse {
            args: vec![value],
            attachments: vec![],
        }
    }

    #[actix_web::test]
    async fn each_response_resolves_its_own_acknowledgement() {
        let table = Rc::default();
        let first = PendingAck::register(&table, LONG, 8).unwrap();
        let second = PendingAck::register(&table, LONG, 8).unwrap();
        table.borrow_mut().resolve(second.id(), response(2.into()));
        table.borrow_mut().resolve(first.id(), response(1.into()));
        table.borrow_mut().resolve(7, response(7.into()));
        assert_eq!(first.await.unwrap(), response(1.into()));
        assert_eq!(second.await.unwrap(), response(2.into()));
    }

    #[actix_web::test]
    async fn pending_acknowledgement_ends_at_its_timeout_or_at_a_disconnect() {
        let table = Rc::default();
        let late = PendingAck::register(&table, Duration::ZERO, 8).unwrap();
        assert!(matches!(late.await, Err(AckError::TimedOut)));
        let lost = PendingAck::register(&table, LONG, 8).unwrap();
        table.borrow_mut().fail_all();
        assert!(matches!(lost.await, Err(AckError::Disconnected)));
    }

    #[actix_web::test]
    async fn number_of_pending_acknowledgements_is_bounded() {
        let table = Rc::default();
        let first = PendingAck::register(&table, LONG, 1).unwrap();
        assert!(PendingAck::register(&table, LONG, 1).is_none());
        drop(first);
        assert!(PendingAck::register(&table, LONG, 1).is_some());
    }
}
