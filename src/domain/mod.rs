//! What a vault is: its members and their roles, what may be asked of it, what became of it.
//!
//! Everything here is data and functions: no actor, no async, no SQL, no wire. Time and ids come in as
//! arguments, so every rule is tested in a microsecond. Types that people see as JSON derive `serde`
//! with the one spelling (camelCase) that HTTP answers, acknowledgements and remembered answers share.
//!
//! Reading order: [`ids`], [`role`], [`source`], [`command`] (asked) → [`event`] (a fact), [`vault`] (the
//! rules), [`draft`] (many commands, one after the other), [`idempotency`], [`subscribers`], [`refusal`].

pub mod command;
pub mod draft;
pub mod event;
pub mod idempotency;
pub mod ids;
pub mod refusal;
pub mod role;
pub mod source;
pub mod subscribers;
pub mod time;
pub mod vault;

#[cfg(test)]
pub(crate) mod properties;

pub use command::{Command, Mutation, UserRef};
pub use draft::{Draft, Named, Outcome};
pub use event::{Answer, Change, Effect, Event, Resource};
pub use ids::{Principal, Seq, SourceId, SubscriberId, User, UserId, VaultId};
pub use refusal::Refusal;
pub use role::{Action, Role};
pub use source::{NewSource, Source, SourcePatch};
pub use time::Timestamp;
pub use vault::{Membership, Vault};
