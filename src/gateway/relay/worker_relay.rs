//! The relay of a worker thread, which is replaced after a panic.

use std::{cell::RefCell, rc::Rc};

use crate::gateway::connections::ConnectionRegistry;

use super::{actor::start_relay, options::RelayOptions, state::Relay};

/// The relay of a worker thread. Clones refer to the same one.
#[derive(Clone)]
pub(in crate::gateway) struct WorkerRelay(Rc<WorkerRelayState>);

struct WorkerRelayState {
    options: RelayOptions,
    connections: ConnectionRegistry,
    current: RefCell<Relay>,
}

impl WorkerRelay {
    /// Starts the relay of this worker thread. Its commands act on the connections in the registry.
    pub(in crate::gateway) fn start(
        options: RelayOptions,
        connections: ConnectionRegistry,
    ) -> Self {
        let current = RefCell::new(start_relay(options.clone(), connections.clone()));
        Self(Rc::new(WorkerRelayState {
            options,
            connections,
            current,
        }))
    }

    /// Returns the relay for a new connection. Starts another one if the relay has panicked.
    pub(in crate::gateway) fn current(&self) -> Relay {
        let mut current = self.0.current.borrow_mut();
        if current.has_ended() {
            *current = start_relay(self.0.options.clone(), self.0.connections.clone());
        }
        current.clone()
    }
}
