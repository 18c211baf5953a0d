//! Sends payloads of the gateway to one socket. A payload that cannot be encoded is a defect: it is logged, and nothing is
//! sent.

use serde::Serialize;
use tracing::error;

use actix_socketio::{Ack, Socket};

/// Emits an event to the socket.
pub(super) fn emit<T: Serialize + ?Sized>(socket: &Socket, event: &str, payload: &T) {
    if let Err(error) = socket.emit(event, payload) {
        error!(%error, event, "event payload could not be encoded");
    }
}

/// Acknowledges a client's event.
pub(super) fn acknowledge<T: Serialize + ?Sized>(ack: Ack, payload: &T) {
    if let Err(error) = ack.send(payload) {
        error!(%error, "acknowledgement payload could not be encoded");
    }
}
