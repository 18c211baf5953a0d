//! Verifies a database against its journal, for `vaultcast verify`.
//!
//! Each vault's journal must have no gaps, must end at the vault's head, and must produce exactly the existing rows when it
//! is replayed. The verification reads one snapshot and writes nothing, so it may run beside a service. It holds one vault
//! in memory, and its events in pages.
//!
//! [`VaultVerifier`] checks one vault, without I/O. It shares the terms of [`domain`](crate::domain) with the code that
//! wrote the rows, but has its own parser and its own comparison. The effects of trimmed events are taken as given.

mod answers;
mod database_check;
mod error;
mod findings;
mod payload;
mod snapshot;
mod state;
mod summary;
mod vault_verifier;

pub use database_check::{VerifyReport, verify};
pub use error::VerifyError;
pub use findings::{Contradiction, Finding, FindingSubject, Findings};
pub use summary::{EventSpan, VaultSummary, VerifiedRange, VerifyTotals};
pub use vault_verifier::VaultVerifier;
