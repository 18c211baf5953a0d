//! Stories of the recovery machine.

mod claims;
mod nodes;
mod peers;
mod story;
