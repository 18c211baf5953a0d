//! The traits that an application implements: one for a namespace, one for a client in it.

use std::{collections::HashMap, rc::Rc, time::Instant};

use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::{
    error::{ConnectRefusal, DisconnectReason},
    event::IncomingEvent,
    socket::Socket,
};
use crate::engineio::{Heartbeat, OpenRequest};

/// The namespaces of a server by their names.
#[derive(Default)]
pub(crate) struct NamespaceMap {
    namespaces: HashMap<Box<str>, Box<dyn Namespace>>,
    /// Is called for each CONNECT to a namespace that does not exist.
    pub(crate) on_unknown: Option<Box<dyn Fn()>>,
}

impl NamespaceMap {
    /// Adds a namespace, or replaces the one of this name.
    pub(crate) fn insert(&mut self, name: Box<str>, namespace: Box<dyn Namespace>) {
        self.namespaces.insert(name, namespace);
    }

    /// Returns the namespace of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&dyn Namespace> {
        self.namespaces.get(name).map(AsRef::as_ref)
    }

    /// Reports a CONNECT to a namespace that does not exist, and returns its refusal.
    pub(crate) fn refuse_unknown(&self) -> ConnectRefusal {
        if let Some(report) = &self.on_unknown {
            report();
        }
        ConnectRefusal::message("Invalid namespace")
    }
}

/// A namespace of the server, which accepts or refuses clients. Each worker thread has its own instance.
pub trait Namespace {
    /// Handles the CONNECT of a client.
    ///
    /// `auth` is the client's auth payload, an empty object if it sent none. Clients of Engine.IO 3 send none; they are connected to
    /// the default namespace when their session opens. `request` is the HTTP request that opened
    /// the session. Frames that are pushed to `socket` before this returns are sent after the answer to the CONNECT.
    ///
    /// If the client disconnects before this returns, the future is dropped.
    fn connect(
        &self,
        socket: Socket,
        auth: Value,
        request: Rc<OpenRequest>,
    ) -> LocalBoxFuture<'static, Result<Box<dyn SocketHandler>, ConnectRefusal>>;

    /// Returns the answer to a CONNECT that the [`PacketMeter`](crate::PacketMeter) of its session has refused.
    fn refuse_connect(&self) -> ConnectRefusal {
        ConnectRefusal::message("rate limited")
    }
}

/// The application's handler for one client in one namespace.
pub trait SocketHandler {
    /// Handles an event of the client.
    fn on_event(&mut self, event: IncomingEvent);

    /// Handles an event that the [`PacketMeter`](crate::PacketMeter) of the session has refused. By default, it is dropped.
    ///
    /// To limit its cost, only an event of up to 1 KiB is read whole. Of a longer one, and of one with attachments, the
    /// arguments and attachments are empty.
    fn on_refused_event(&mut self, event: IncomingEvent) {
        let _ = event;
    }

    /// Handles the end of the connection to the namespace. This is the last call.
    fn on_disconnect(&mut self, reason: DisconnectReason);

    /// Handles a heartbeat of the session; see
    /// [`SessionHandler::on_heartbeat`](crate::engineio::SessionHandler::on_heartbeat).
    fn on_heartbeat(&mut self, beat: Heartbeat) {
        let _ = beat;
    }

    /// Returns when [`on_wake`](SocketHandler::on_wake) must be called. It is read after each call of another method.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// [`Socket::wake`] was called, or a deadline of this or another part of the session has passed.
    fn on_wake(&mut self, now: Instant) {
        let _ = now;
    }
}
