//! A vault and the number of its last event.

use super::{ids::Seq, ids::VaultId};

/// A vault and the number of its last event, as some part of the service or the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VaultHead {
    pub vault: VaultId,
    pub head: Seq,
}
