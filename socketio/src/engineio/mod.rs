//! An Engine.IO 4 server for actix-web, which also speaks version 3: sessions that carry messages in both directions over HTTP polling or a websocket.
//! Start with [`EngineServer`].

mod abort;
mod active_transport;
mod address;
mod alias;
mod close_reason;
mod config;
mod encoded_packet;
mod error;
mod frame;
mod handler;
mod handshake;
mod machine;
mod message;
mod observer;
mod open_request;
mod outbox;
mod polling_state;
mod query;
mod registry;
mod server;
mod session;
mod session_name;
mod socket;
mod task_guard;
mod timer;
mod transport;
mod worker;

pub use engineioxide_core::{ProtocolVersion, Str, TransportType};

pub use self::{
    abort::{AbortHandle, AbortableStream},
    alias::SessionAlias,
    close_reason::CloseReason,
    config::{EngineConfig, OutboxBounds},
    error::HandshakeError,
    frame::Frame,
    handler::{EngineHandler, Heartbeat, SessionHandler, SessionPermit},
    observer::SessionObserver,
    open_request::OpenRequest,
    outbox::OutboxUsage,
    registry::{SessionCloser, SessionRegistry},
    server::EngineServer,
    socket::SessionSocket,
    transport::websocket::takeover::answer_upgrade,
};
