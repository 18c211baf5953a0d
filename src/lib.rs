//! vaultcast: shared vaults, durably and in one order, on every Socket.IO client.
//!
//! Two columns stand side by side and meet in [`gateway`]: the vaults ([`domain`] → [`journal`] → [`vault`]) and
//! the sockets ([`engineio`] → [`socketio`]), which know nothing of each other.
//!
//! Reading order:
//! 1. [`domain`]: what a vault is. Rules as data and functions.
//! 2. [`journal`]: what vaults remember. One transaction, one order.
//! 3. [`vault`]: a vault, alive. An actor that decides when, and tells everybody.
//! 4. [`auth`]: who is speaking; [`origin`] and [`proxies`]: from which page, and through whom; [`limits`]: how often.
//!    [`forms`] and [`problem`]: what people write, and what they are told.
//! 5. [`api`]: door one, HTTP.
//! 6. [`engineio`] and [`socketio`]: a Socket.IO server for actix-web in its own right.
//! 7. [`gateway`]: door two, sockets.
//! 8. [`metrics`]: what each of them counts; [`panics`] and [`watchdog`]: what nobody else would.
//!    [`listener`]: the connections of it all.
//! 9. [`config`], [`cli`] and [`app`]: how all of it is set, asked for and wired.

pub mod api;
pub mod app;
pub mod auth;
pub mod cli;
pub mod config;
pub mod demo;
pub mod domain;
pub mod door;
pub mod engineio;
pub mod forms;
pub mod gateway;
pub mod journal;
pub mod limits;
pub mod listener;
pub mod metrics;
pub mod origin;
pub mod panics;
pub mod problem;
pub mod proxies;
pub mod socketio;
pub mod vault;
pub mod watchdog;
