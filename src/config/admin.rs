//! The section `admin`: the admin listener.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::field::{read_optional_socket_address, write_optional};

/// The admin listener: health, metrics, live queues and the operators' page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdminConfig {
    /// The address to listen on; `None`, written `""`, disables the listener.
    #[serde(
        serialize_with = "write_optional",
        deserialize_with = "read_optional_socket_address"
    )]
    pub bind: Option<SocketAddr>,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self {
            bind: Some((Ipv4Addr::LOCALHOST, 9300).into()),
        }
    }
}
