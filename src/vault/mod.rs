//! Vaults: one actor per vault orders its mutations, commits them and delivers its events to the subscribers.
//!
//! Other modules hold a [`VaultHandle`]; the messages of the actor are private. [`Vaults::open`] returns at once, so
//! that the requests of one caller reach the vault in the order sent, also while the vault is being loaded. Each
//! mutation takes a slot of the vault's queue and holds it until it is answered.
//!
//! Reading order: `vaults.rs` and `handle.rs` (the API), `directory.rs` (which vaults are loaded), [`machine`] (everything that
//! is decided about one vault), `actor.rs`, `message.rs` and `perform.rs` (the actor around it), `callers.rs` and `sinks.rs` (what
//! answers and notices need), `head_listener.rs` (what other nodes need), `members_snapshot.rs` (the members, read without the actor), `notice.rs` (what is delivered).

pub mod machine;

mod actor;
mod callers;
mod directory;
mod error;
mod gauges;
mod handle;
mod head_listener;
mod history_listener;
mod members_snapshot;
mod memory;
mod memory_check;
mod message;
mod metrics;
mod missed_events;
mod notice;
mod options;
mod other_nodes;
mod params;
mod perform;
mod permits;
mod sinks;
mod stats;
mod subscription;
mod vault_entry;
mod vaults;

pub use error::VaultError;
pub use gauges::register_gauges;
pub use handle::{Sink, SinkFull, SinkId, VaultHandle};
pub use head_listener::HeadListener;
pub use history_listener::HistoryListener;
pub use metrics::VaultMetrics;
pub use notice::{
    AttachOutcome, Attached, Delivery, Joined, Notice, NoticeBody, NoticeReceivers, REPLAY_PAGE,
};
pub use options::VaultOptions;
pub use stats::{VaultStats, VaultTotals};
pub use subscription::{Attach, Subscription};
pub use vaults::Vaults;
