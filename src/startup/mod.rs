//! What is looked at before the service starts: that nobody else has its SQLite file (`sole.rs`), that it may open as
//! many files as it will need (`descriptors.rs`), and why it cannot listen where it should (`listening.rs`). Whatever is
//! wrong is one line, and says what to do.

mod descriptors;
mod listening;
mod sole;

pub use descriptors::look_at_descriptors;
pub use listening::CannotListen;
pub use sole::{NotSole, Sole};
