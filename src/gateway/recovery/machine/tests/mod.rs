//! Stories of the recovery machine.

mod claims;
mod story;
