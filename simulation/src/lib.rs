//! Simulates the state machines that vaultcast ships: [`VaultMachine`](vaultcast::vault::machine::VaultMachine),
//! [`RelayMachine`](vaultcast::gateway::relay::machine::RelayMachine) with its delivery traces, and
//! [`RecoveryMachine`](vaultcast::gateway::recovery::machine::RecoveryMachine) and
//! [`ClusterMachine`](vaultcast::cluster::machine::ClusterMachine), on a modelled database and a modelled bus, with modelled sockets
//! and clients, on several nodes.
//!
//! [`World`](world::World) is the complete state, and [`Step`](steps::Step) lists everything that can change it. The shells
//! around the machines are modelled in [`vault_shell`], [`relay_shell`], [`recovery_shell`] and [`cluster_shell`], and the connections between
//! relays and clients in [`connections`]; a [`Mistake`](mistakes::Mistake) makes one of
//! them wrong. [`Promise`](promises::Promise) is what must be true in every state.
//!
//! [`random`] runs random schedules from a seed. [`exhaustive`] visits every state of a small world.

pub mod client;
pub mod cluster_shell;
pub mod config;
pub mod connections;
pub mod database;
pub mod epilogues;
pub mod exhaustive;
pub mod log;
pub mod mistakes;
pub mod names;
pub mod node;
pub mod promises;
pub mod random;
pub mod recovery_shell;
pub mod relay_shell;
pub mod steps;
pub mod vault_copy;
pub mod vault_shell;
pub mod world;
