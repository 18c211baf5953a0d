//! The sending half of a websocket whose connection the HTTP server serves, and the close frame of each close reason.

use actix_ws::CloseCode;
use futures_util::FutureExt;
use tokio::task::unconstrained;

use crate::engineio::{abort::AbortHandle, close_reason::CloseReason, frame::BinaryEncoding};

/// The sending half of a websocket.
#[derive(Clone)]
pub(in crate::engineio) struct WebSocketSink {
    pub(super) session: actix_ws::Session,
    /// Aborts the connection of a peer that does not read, if the HTTP server uses abortable streams.
    pub(super) abort_handle: Option<AbortHandle>,
    pub(super) binary: BinaryEncoding,
}

/// Sends a close frame if the channel has room. It does not wait: a peer that does not read would block it indefinitely.
pub(super) fn try_close(session: actix_ws::Session, close_frame: Option<actix_ws::CloseReason>) {
    let _no_room = unconstrained(session.close(close_frame)).now_or_never();
}

/// Returns the close frame of a close reason.
pub(super) fn close_frame(reason: CloseReason) -> actix_ws::CloseReason {
    let code = match reason {
        CloseReason::TransportError => CloseCode::Protocol,
        CloseReason::InvalidText => CloseCode::Invalid,
        CloseReason::TooLarge => CloseCode::Size,
        CloseReason::Slow => CloseCode::Policy,
        CloseReason::Shutdown => CloseCode::Away,
        CloseReason::Fault => CloseCode::Error,
        CloseReason::TransportClose
        | CloseReason::ParseError
        | CloseReason::PingTimeout
        | CloseReason::ConnectTimeout
        | CloseReason::Forced
        | CloseReason::Application(_) => CloseCode::Normal,
    };
    actix_ws::CloseReason {
        code,
        description: Some(reason.as_str().to_owned()),
    }
}
