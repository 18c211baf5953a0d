//! What the recovery of sockets needs from the vaults of this node.

/// Is notified when positions of clients have become unknown: another database was put in the place of the first one. It is called
/// on the threads of the vault actors and must not block.
pub trait HistoryListener: Send + Sync {
    /// Handles that numbers of events that were sent until now may belong to other events.
    fn history_replaced(&self);

    /// Handles that this is the case for the events of all vaults, also of those that are not loaded.
    fn epoch_replaced(&self);
}
