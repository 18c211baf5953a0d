//! vaultcast: shared vaults, durably and in one order, on every Socket.IO client.

pub mod domain;
pub mod journal;
pub mod vault;
