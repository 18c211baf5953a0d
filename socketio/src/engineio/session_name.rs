//! What identifies a session and does not change.

use engineioxide_core::{ProtocolVersion, Sid};

/// The id of a session and the protocol version of its client.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionName {
    pub(super) sid: Sid,
    pub(super) version: ProtocolVersion,
}
