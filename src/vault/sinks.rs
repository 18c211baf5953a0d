//! The sinks of a vault's subscribers, and the requests to subscribe that are not finished.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::OwnedSemaphorePermit;

use super::{
    handle::{Sink, SinkId, VaultHandle},
    machine::SubscribeId,
};

/// The sinks from which requests came, and the requests that are not finished.
#[derive(Default)]
pub(super) struct Sinks {
    sinks: HashMap<SinkId, Arc<dyn Sink>>,
    requests: HashMap<SubscribeId, OpenSubscribe>,
    next: u64,
}

/// A request that is not finished. If it is dropped before, because the actor has ended, its sink is notified and requests it
/// again.
pub(super) struct OpenSubscribe {
    sink: Arc<dyn Sink>,
    vault: VaultHandle,
    is_finished: bool,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Sinks {
    /// Adds a request and its sink.
    pub(super) fn add(&mut self, request: OpenSubscribe) -> (SubscribeId, SinkId) {
        let (id, sink) = (SubscribeId(self.next), request.sink.id());
        self.next += 1;
        let add_sink = || request.sink.clone();
        self.sinks.entry(sink).or_insert_with(add_sink);
        self.requests.insert(id, request);
        (id, sink)
    }

    /// Finishes a request.
    pub(super) fn finish(&mut self, request: SubscribeId) {
        if let Some(mut request) = self.requests.remove(&request) {
            request.is_finished = true;
        }
    }

    /// Returns a sink.
    pub(super) fn get(&self, sink: SinkId) -> Option<&Arc<dyn Sink>> {
        self.sinks.get(&sink)
    }

    /// Returns all sinks.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<dyn Sink>> {
        self.sinks.values()
    }

    /// Removes the sinks that have ended.
    pub(super) fn take_closed(&mut self) -> Vec<SinkId> {
        let closed = self.sinks.extract_if(|_, sink| sink.is_closed());
        closed.map(|(id, _)| id).collect()
    }
}

impl OpenSubscribe {
    pub(super) fn new(
        sink: Arc<dyn Sink>,
        vault: VaultHandle,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            sink,
            vault,
            is_finished: false,
            _permit: permit,
        }
    }
}

impl Drop for OpenSubscribe {
    fn drop(&mut self) {
        if !self.is_finished {
            self.sink.fell_behind(self.vault.clone());
        }
    }
}
