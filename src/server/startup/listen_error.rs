//! The error of a listener that cannot be bound to its address.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::SocketAddr,
};

/// An address that cannot be bound. Its message says what to do.
#[derive(Debug)]
pub struct ListenError {
    /// The configuration key of the address.
    pub key: &'static str,
    /// The configured address.
    pub bind: SocketAddr,
    /// The error of the system.
    pub source: io::Error,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, bind, source } = self;
        let variable = key.to_ascii_uppercase().replace('.', "__");
        match source.kind() {
            ErrorKind::AddrInUse => write!(
                f,
                "{key}: {bind} is in use already: stop the process that listens there (`ss -ltnp` shows it), or set VAULTCAST__{variable} to another port"
            ),
            ErrorKind::PermissionDenied => write!(
                f,
                "{key}: this user may not listen to {bind}: set VAULTCAST__{variable} to a port from 1024 on, or grant CAP_NET_BIND_SERVICE"
            ),
            ErrorKind::AddrNotAvailable => write!(
                f,
                "{key}: this machine has no address {}: set VAULTCAST__{variable} to one that it has, or to 0.0.0.0 for all",
                bind.ip()
            ),
            _ => write!(f, "{key}: cannot listen to {bind}: {source}"),
        }
    }
}

impl std::error::Error for ListenError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_says_what_to_do() {
        let line = |kind: ErrorKind| {
            let (bind, source) = (([127, 0, 0, 1], 80).into(), kind.into());
            let key = "admin.bind";
            ListenError { key, bind, source }.to_string()
        };
        for (kind, expected) in [
            (ErrorKind::AddrInUse, "127.0.0.1:80 is in use already"),
            (
                ErrorKind::PermissionDenied,
                "may not listen to 127.0.0.1:80",
            ),
            (ErrorKind::AddrNotAvailable, "no address 127.0.0.1"),
        ] {
            let line = line(kind);
            assert!(line.starts_with("admin.bind: "), "{line}");
            assert!(line.contains(expected), "{line}");
            assert!(line.contains("VAULTCAST__ADMIN__BIND"), "{line}");
        }
    }
}
