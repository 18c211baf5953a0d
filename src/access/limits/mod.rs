//! Rate and count limits for users, sockets and addresses, over HTTP and sockets alike.
//!
//! One [`Limits`] is shared by all worker threads. Its configuration can be [replaced](Limits::reconfigure) at any
//! time. A limit of 0 is disabled.

mod enforce;
mod metrics;
mod permits;
mod refusal;
mod socket_rate;

pub use enforce::{Limits, SocketPermits};
pub use permits::SocketPermit;
pub use refusal::{LimitExceeded, LimitRefusal, RateLimited};
pub use socket_rate::{RateDecision, SocketRateLimiter};
