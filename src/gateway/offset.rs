//! Offsets of connection state recovery. The official client takes the last argument of an event as its offset and
//! sends the latest offset when it reconnects.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::issued_id::issued_id;
use crate::domain::{Seq, VaultId};

/// Identifies one packet of a vault that a socket was sent. An event has the same offset for all sockets.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Offset(Box<str>);

/// Whether the frames of a socket carry an offset as their last argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetMode {
    /// The socket is recoverable: every event and `vault:joined` has an offset.
    Appended,
    /// The socket is not recoverable.
    Omitted,
}

impl Offset {
    /// Returns the offset of an event.
    pub fn for_event(vault: &VaultId, seq: Seq) -> Self {
        Self(format!("{}.{vault}", seq.0).into())
    }

    /// Returns the offset of a `vault:joined`. Each has its own `ticket`.
    pub fn for_join(vault: &VaultId, ticket: u64) -> Self {
        Self(format!("j{ticket}.{vault}").into())
    }

    /// Wraps the text that a client sent as its offset. `None` if it is longer than every offset.
    pub fn from_client(text: &str) -> Option<Self> {
        issued_id(text).map(|text| Self(text.into()))
    }

    /// Returns the seq of the event of this vault that the offset identifies, or `None` for any other offset.
    pub(super) fn event_seq(&self, vault: &VaultId) -> Option<Seq> {
        let (seq, _) = self.0.split_once('.')?;
        let seq = Seq(seq.parse().ok()?);
        (*self == Self::for_event(vault, seq)).then_some(seq)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_offset_of_the_service_is_kept_and_longer_text_is_not() {
        let vault = VaultId::parse(&format!("c{}", "a".repeat(31))).unwrap();
        for offset in [
            Offset::for_event(&vault, Seq(u64::MAX)),
            Offset::for_join(&vault, u64::MAX),
        ] {
            assert_eq!(Offset::from_client(offset.as_str()), Some(offset));
        }
        assert_eq!(Offset::from_client(&"1".repeat(900_000)), None);
    }
}
