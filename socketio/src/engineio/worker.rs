//! The state that all sessions of a worker thread share.

use std::rc::Rc;

use super::{
    config::EngineConfig, handler::EngineHandler, observer::SessionObserver,
    registry::SessionRegistry, timer::SessionTimer,
    transport::websocket::wire::flusher::OutboxFlusher,
};

/// The state that all sessions of a worker thread share.
pub(super) struct WorkerState {
    pub(super) config: Rc<EngineConfig>,
    pub(super) observer: Rc<dyn SessionObserver>,
    pub(super) registry: SessionRegistry,
    pub(super) handler: Rc<dyn EngineHandler>,
    pub(super) timer: Rc<SessionTimer>,
    pub(super) flusher: Rc<OutboxFlusher>,
}
