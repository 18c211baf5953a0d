//! The connection between the nodes on one PostgreSQL: hints that a vault has new events, and the sweep that finds what
//! hints have missed. A SQLite file belongs to one process, so there is no cluster on it.
//!
//! A hint says "vault V is at head N". It carries no event, and may be lost, late or repeated: the journal is the only source
//! of order. A commit of this node puts the head into the [`HintQueue`], which coalesces; a bus carries it to the other
//! nodes; a node with subscribers of the vault reads the events that it misses. Once a second, and whenever the bus is connected
//! again, the sweep compares the heads of all vaults with subscribers by one query, so a lost hint delays an event by about a
//! second. [`machine`] decides when what is sent, connected and compared, without I/O.
//!
//! The bus also carries claims: a client comes back to another node than before, and this node asks the others for its connection.
//!
//! Reading order: `pid_hash.rs`, `message.rs` (what nodes send), `hint_queue.rs`, [`machine`], `bus.rs` with `postgres_bus.rs` and
//! `redis_bus.rs` (what carries messages), `claims.rs`, `session.rs` (one connection of the bus), `node_link.rs` (the shell of the machine).

pub mod machine;

mod bus;
mod claims;
mod hint_queue;
mod link_claims;
mod message;
mod metrics;
mod node_link;
mod options;
mod pid_hash;
mod postgres_bus;
mod redis_bus;
mod session;

pub use bus::BusError;
pub use claims::{CLAIM_QUEUE_CAPACITY, ClaimResponder, PeerClaims};
pub use hint_queue::{HINT_QUEUE_CAPACITY, HintQueue, QueuedHints};
pub use message::{
    AnsweredClaim, BusMessage, BusMessageBody, ClaimAnswer, ClaimKey, ClaimSupport, NodeId,
    NumberedClaim, encode_claims, encode_heartbeat, encode_hints,
};
pub use metrics::ClusterMetrics;
pub use node_link::{NodeLink, NodeLinkError, NodeLinkParams};
pub use options::BusOptions;
pub use pid_hash::{PeerClaim, PidHash};
