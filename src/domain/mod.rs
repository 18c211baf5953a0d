//! The model of a vault: its members and roles, the commands it accepts and the events they become.
//!
//! This module contains data and functions only: no actors, no async, no SQL and no wire format of events.
//! Time and ids are arguments, so every rule can be tested without a clock. Types that clients see as JSON
//! derive `serde` with one spelling (camelCase) for HTTP responses, acknowledgements and remembered answers.
//!
//! Reading order: `ids`, `role`, `member`, `members`, `source`, `event_kind` (the table of event kinds),
//! `command` (a requested change), `event` (an accepted one), `vault` (the rules), `batch` (several
//! commands in one transaction), `answer`, `idempotency`, `subscribers`, `refusal`, `text`.

pub mod command;
pub mod event;
pub mod idempotency;
pub mod ids;
pub mod subscribers;
pub mod text;

mod answer;
mod batch;
mod batch_context;
mod epoch;
mod event_kind;
mod member;
mod members;
mod monotonic_time;
mod refusal;
mod role;
mod source;
mod sparse_table;
mod state_change;
mod time;
mod unordered_hash;
mod user_profile;
mod vault;
mod vault_head;

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod test_vault;

pub use answer::{MutationAnswer, Resource, VaultView};
pub use batch::{BatchDraft, Decision, RowChanges};
pub use batch_context::BatchContext;
pub use command::{Command, Mutation, UserRef};
pub use epoch::Epoch;
pub use event::Event;
pub use event_kind::{EventData, EventKind, VaultUpdate};
pub use ids::{Principal, Seq, SourceId, SubscriberId, User, UserId, VaultId};
pub use member::{Member, MemberView, Membership};
pub use members::Members;
pub use monotonic_time::MonotonicTime;
pub use refusal::Refusal;
pub use role::{Action, Role};
pub use source::{FieldChange, NewSource, Source, SourcePatch};
pub use sparse_table::shrink_if_sparse;
pub use state_change::StateChange;
pub use time::Timestamp;
pub use unordered_hash::hash_unordered;
pub use user_profile::UserProfile;
pub use vault::Vault;
pub use vault_head::VaultHead;
