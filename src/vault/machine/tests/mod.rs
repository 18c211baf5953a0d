//! Stories of the machine, one file per theme. [`Story`] gives inputs and describes the effects as short texts.

mod hints;
mod joins;
mod lifetime;
mod membership;
mod mutations;
mod replay;
mod rewinds;
mod sinks;
mod story;
mod unknown_commits;

use story::Story;
