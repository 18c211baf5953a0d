//! The session: one actor per client, on the worker thread that accepted it. It performs the effects of the
//! [lifecycle machine](super::machine::lifecycle).

pub(super) mod actor;
mod messages;
