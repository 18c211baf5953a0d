//! The decisions of a session as pure state machines without I/O, with the time as an argument: the session's
//! [lifecycle] and the [upgrade] from polling to a websocket. The session actor performs the effects.

pub(super) mod lifecycle;
pub(super) mod upgrade;

#[cfg(test)]
mod tests;
