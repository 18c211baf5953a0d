//! The errors of the limits, each with the configuration key of its limit.

use thiserror::Error;

/// A rate is too high. The caller may try again after a second at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RateLimited {
    /// `limits.mutations_per_second`
    #[error("Too many changes, try again in a second")]
    Mutations,
    /// `limits.reads_per_second`
    #[error("Too many reads, try again in a second")]
    Reads,
    /// `limits.socket_events_per_second`
    #[error("Too many events or bytes, try again in a second")]
    Events,
    /// `limits.socket_bytes_per_second`
    #[error("Too many events or bytes, try again in a second")]
    Bytes,
}

/// A count has reached its maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitExceeded {
    /// `limits.joins_per_socket`
    #[error("Too many vaults joined by one socket")]
    JoinsPerSocket,
    /// `limits.sockets_per_user`
    #[error("Too many sockets of one user")]
    SocketsPerUser,
    /// `limits.sockets_per_address`
    #[error("Too many sockets of one address")]
    SocketsPerAddress,
    /// `limits.sockets`
    #[error("Too many sockets")]
    Sockets,
}

/// The error of a limit.
pub trait LimitRefusal {
    /// Returns the key of the limit in the section `limits` of the configuration.
    fn config_key(&self) -> &'static str;
}

impl LimitRefusal for RateLimited {
    fn config_key(&self) -> &'static str {
        match self {
            Self::Mutations => "mutations_per_second",
            Self::Reads => "reads_per_second",
            Self::Events => "socket_events_per_second",
            Self::Bytes => "socket_bytes_per_second",
        }
    }
}

impl LimitRefusal for LimitExceeded {
    fn config_key(&self) -> &'static str {
        match self {
            Self::JoinsPerSocket => "joins_per_socket",
            Self::SocketsPerUser => "sockets_per_user",
            Self::SocketsPerAddress => "sockets_per_address",
            Self::Sockets => "sockets",
        }
    }
}
