//! vaultcast: shared vaults, durably and in one order, on every Socket.IO client.
//!
//! Two columns stand side by side and meet in [`gateway`]: the vaults ([`domain`] → [`journal`] → [`vault`]) and
//! the sockets ([`engineio`] → [`socketio`]), which know nothing of each other.
//!
//! Reading order:
//! 1. [`domain`]: what a vault is. Rules as data and functions.
//! 2. [`journal`]: what vaults remember. One transaction, one order.
//! 3. [`vault`]: a vault, alive. An actor that decides when, and tells everybody.
//! 4. [`auth`]: who is speaking; [`origin`] and [`proxies`]: from which page, and through whom; [`limits`]: how often; [`readiness`]: until when.
//!    [`forms`] and [`problem`]: what people write, and what they are told.
//! 5. [`api`]: door one, HTTP.
//! 6. [`engineio`] and [`socketio`]: a Socket.IO server for actix-web in its own right.
//! 7. [`gateway`]: door two, sockets.
//! 8. [`metrics`]: what each of them counts; [`panics`] and [`watchdog`]: what nobody else would. [`verify`]: whether what
//!    a database holds can be true.
//! 9. [`config`], [`cli`], [`startup`], [`telemetry`], [`listener`], [`app`] and [`actors`]: how all of it is set, asked for,
//!    looked at before it starts, logged, listened to, wired, and seen at work; [`supervisor`]: what systemd is told of it.

pub mod actors;
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
pub mod readiness;
pub mod seldom;
pub mod socketio;
pub mod startup;
pub mod supervisor;
pub mod telemetry;
pub mod vault;
pub mod verify;
pub mod watchdog;
