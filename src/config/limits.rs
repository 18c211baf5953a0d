//! The section `limits`: what one user, one socket and one address may do.

use serde::{Deserialize, Serialize};

use super::field::{MILLION, read_integer};

/// Rate and count limits for each user, socket and address; 0 disables a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitsConfig {
    /// The number of mutations of one user per second. A burst may have twice as many.
    #[serde(deserialize_with = "read_integer::<0, MILLION, _, _>")]
    pub mutations_per_second: u32,
    /// The number of HTTP reads of one user per second. A burst may have twice as many.
    #[serde(deserialize_with = "read_integer::<0, MILLION, _, _>")]
    pub reads_per_second: u32,
    /// The number of events and other packets from one socket per second. A burst may have twice as many.
    #[serde(deserialize_with = "read_integer::<0, MILLION, _, _>")]
    pub socket_events_per_second: u32,
    /// The number of bytes from one socket per second. A burst may have twice as many.
    #[serde(deserialize_with = "read_integer::<0, { 1000 * MILLION }, _, _>")]
    pub socket_bytes_per_second: u32,
    /// The number of vaults that one socket may have joined at a time.
    #[serde(deserialize_with = "read_integer::<0, MILLION, _, _>")]
    pub joins_per_socket: u32,
    /// The number of open sockets of one user.
    #[serde(deserialize_with = "read_integer::<0, MILLION, _, _>")]
    pub sockets_per_user: u32,
    /// The number of open sockets of one address.
    #[serde(deserialize_with = "read_integer::<0, MILLION, _, _>")]
    pub sockets_per_address: u32,
    /// The number of open sockets in total.
    #[serde(deserialize_with = "read_integer::<0, { 100 * MILLION }, _, _>")]
    pub sockets: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            mutations_per_second: 100,
            reads_per_second: 100,
            socket_events_per_second: 100,
            socket_bytes_per_second: 4_000_000,
            joins_per_socket: 1000,
            sockets_per_user: 0,
            sockets_per_address: 0,
            sockets: 0,
        }
    }
}
