//! Stories of the relay machine, one file per theme.

mod joins;
mod pages;
mod properties;
mod recovery;
mod restarts;
mod story;
