//! Vaults: one actor per vault orders its mutations, commits them and delivers its events to the subscribers.
//!
//! Other modules hold a [`VaultHandle`]; the messages of the actor are private. [`Vaults::open`] returns at once, so
//! that the requests of one caller reach the vault in the order sent, also while the vault is being loaded. Each
//! mutation takes a slot of the vault's queue and holds it until it is answered.
//!
//! Reading order: `vaults.rs` and `handle.rs` (the API), `directory.rs` (which vaults are loaded), `state.rs` and
//! `actor.rs` (a vault's life), `commits.rs` (mutations), `attach.rs`, `replay.rs` and `head_check.rs`
//! (subscriptions), `members_snapshot.rs` (the members, read without the actor), `fanout.rs` and `notice.rs` (delivery).

mod actor;
mod attach;
mod commits;
mod directory;
mod error;
mod fanout;
mod gauges;
mod handle;
mod head_check;
mod members_snapshot;
mod message;
mod metrics;
mod missed_events;
mod notice;
mod options;
mod pending_reads;
mod permits;
mod queue;
mod replay;
mod ring;
mod state;
mod stats;
mod subscribe;
mod subscription;
mod vaults;
mod waiting_joins;

pub use error::VaultError;
pub use gauges::register_gauges;
pub use handle::{Sink, SinkFull, SinkId, VaultHandle};
pub use metrics::VaultMetrics;
pub use notice::{
    AttachOutcome, Attached, Delivery, Joined, Notice, NoticeBody, NoticeReceivers, REPLAY_PAGE,
};
pub use options::VaultOptions;
pub use stats::{VaultStats, VaultTotals};
pub use subscription::{Attach, Subscription};
pub use vaults::Vaults;
