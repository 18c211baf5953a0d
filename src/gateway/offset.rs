//! Offsets: what the official client takes the last argument of an event for, and tells when it comes back.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::{Seq, VaultId};

/// Names one thing that a socket was sent of a vault: the same text for everybody who was sent the same event.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offset(String);

impl Offset {
    /// That of an event.
    pub(super) fn of_event(vault: &VaultId, seq: Seq) -> Self {
        Self(format!("{}.{vault}", seq.0))
    }

    /// That of a `vault:joined`, of which each has its own.
    pub(super) fn of_join(vault: &VaultId, ticket: u64) -> Self {
        Self(format!("j{ticket}.{vault}"))
    }

    /// What a client says, whatever it is.
    pub(super) fn told(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Which event of this vault it names, if it does.
    pub(super) fn event(&self, vault: &VaultId) -> Option<Seq> {
        let (seq, _) = self.0.split_once('.')?;
        let seq = Seq(seq.parse().ok()?);
        (*self == Self::of_event(vault, seq)).then_some(seq)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
