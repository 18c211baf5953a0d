//! Responses to the events of a client: acknowledgements and `error` events.

use tracing::{Span, debug, field::display, info};

use crate::{
    contract::problem::{ErrorCode, Problem},
    domain::{Principal, VaultId},
    gateway::{
        emit::{acknowledge, emit},
        protocol,
    },
};
use actix_socketio::{Ack, Socket};

/// What the response to an event needs.
pub(super) struct ResponseContext {
    pub(super) event: String,
    /// The vault that the event names.
    pub(super) vault: Option<VaultId>,
    pub(super) ack: Option<Ack>,
    /// The span of the event. It ends with the response.
    pub(super) span: Span,
}

impl ResponseContext {
    /// Responds with an `error` event, and with a negative acknowledgement if the client requested one.
    pub(super) fn fail(self, socket: &Socket, user: &Principal, problem: Problem) {
        let Self {
            event,
            vault,
            ack,
            span,
        } = self;
        let code = problem.code.metric_label();
        debug!(parent: &span, code, "event refused");
        if problem.code == ErrorCode::Internal {
            // The cause was logged where it occurred. This line shows which caller it affected.
            let vault = vault.as_ref().map(display);
            info!(parent: &span, user.id = %user.id, vault.id = vault, event.name = event, "answered INTERNAL; the error line before it has the cause");
        }
        let error = protocol::ErrorPayload::new(problem, &event, vault);
        emit(socket, protocol::ERROR, &error);
        if let Some(ack) = ack {
            acknowledge(ack, &error.acknowledgement());
        }
    }
}
