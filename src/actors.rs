//! `vaultcast actors`: the vaults that are alive in a running service, in the terminal.
//!
//! It asks the admin listener of the service that the same configuration starts, as anybody else would.

use std::{fmt, io, net::SocketAddr, time::Duration};

use thiserror::Error;

use crate::api::{By, Live, LiveVault};

/// How long the service may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is nothing to show.
#[derive(Debug, Error)]
pub enum ActorsError {
    #[error("admin.bind is \"\": a service with this configuration has no admin listener to ask")]
    NoListener,
    #[error(
        "cannot ask the admin listener {bind} (admin.bind): {source}; is the service running, and this its admin listener?"
    )]
    Unanswered {
        bind: SocketAddr,
        source: ureq::Error,
    },
    #[error("the terminal cannot be written to: {0}")]
    Output(#[from] io::Error),
}

/// Asks the service whose admin listener is there.
///
/// # Errors
/// When there is none, or it does not answer.
pub fn ask(bind: Option<SocketAddr>, by: By, limit: usize) -> Result<Live, ActorsError> {
    let bind = bind.ok_or(ActorsError::NoListener)?;
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // It is asked on this machine, or where the configuration says; what the environment says is meant for the web.
        .proxy(None)
        .build();
    let url = format!("http://{}/actors?by={by}&limit={limit}", reachable(bind));
    let answer = ureq::Agent::new_with_config(agent).get(url).call();
    answer
        .and_then(|answer| answer.into_body().read_json())
        .map_err(|source| ActorsError::Unanswered { bind, source })
}

/// Where a listener is asked that listens to every address.
fn reachable(bind: SocketAddr) -> SocketAddr {
    let mut at = bind;
    match bind {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => at.set_ip([127, 0, 0, 1].into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            at.set_ip(std::net::Ipv6Addr::LOCALHOST.into());
        }
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    at
}

/// The answer as a table.
pub struct Table<'a>(pub &'a Live);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Live { vaults, totals } = self.0;
        let widest = vaults.iter().map(|vault| vault.vault_id.len()).max();
        let width = widest.unwrap_or(0).max("VAULT".len());
        writeln!(
            f,
            "{:width$} {:>10} {:>11} {:>13} {:>8} {:>9} {:>8} {:>7}",
            "VAULT", "SEQ", "SUBSCRIBERS", "QUEUE", "WAIT", "IN FLIGHT", "IDLE", "ARBITER"
        )?;
        for vault in vaults {
            let LiveVault {
                depth, capacity, ..
            } = vault;
            writeln!(
                f,
                "{:width$} {:>10} {:>11} {:>13} {:>8} {:>9} {:>8} {:>7}",
                vault.vault_id,
                vault.seq,
                vault.subscribers,
                format!("{depth}/{capacity}"),
                brief(vault.oldest_wait_ms),
                vault.in_flight,
                brief(vault.idle_ms),
                vault.arbiter
            )?;
        }
        if vaults.len() < totals.vaults {
            writeln!(f, "… and {} more", totals.vaults - vaults.len())?;
        }
        write!(
            f,
            "{} vaults alive, {} sockets, {} subscribers",
            totals.vaults, totals.sockets, totals.subscribers
        )
    }
}

/// A time in the unit in which it is read at a glance.
fn brief(millis: u64) -> String {
    let (second, minute, hour) = (1_000, 60_000, 3_600_000);
    match millis {
        0 => "-".to_owned(),
        _ if millis < second => format!("{millis}ms"),
        _ if millis < minute => format!("{:.1}s", millis as f64 / second as f64),
        _ if millis < hour => format!("{}m", millis / minute),
        _ => format!("{}h", millis / hour),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Totals;

    #[test]
    fn a_table_lines_up_and_says_what_it_leaves_out() {
        let vault = LiveVault {
            vault_id: "cphysics01".to_owned(),
            seq: 123,
            subscribers: 4,
            depth: 7,
            capacity: 1024,
            oldest_wait_ms: 1_250,
            in_flight: 5,
            idle_ms: 0,
            arbiter: 1,
        };
        let live = Live {
            vaults: vec![vault],
            totals: Totals {
                vaults: 3,
                sockets: 9,
                subscribers: 4,
            },
        };
        let told = Table(&live).to_string();
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(
            lines,
            [
                "VAULT             SEQ SUBSCRIBERS         QUEUE     WAIT IN FLIGHT     IDLE ARBITER",
                "cphysics01        123           4        7/1024     1.2s         5        -       1",
                "… and 2 more",
                "3 vaults alive, 9 sockets, 4 subscribers",
            ]
        );
    }

    #[test]
    fn times_are_brief() {
        for (millis, told) in [
            (0, "-"),
            (999, "999ms"),
            (1_500, "1.5s"),
            (90_000, "1m"),
            (7_200_000, "2h"),
        ] {
            assert_eq!(brief(millis), told);
        }
    }

    #[test]
    fn who_listens_to_every_address_is_asked_on_this_machine() {
        let at = |bind: &str| reachable(bind.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:9300"), "127.0.0.1:9300");
        assert_eq!(at("[::]:9300"), "[::1]:9300");
        assert_eq!(at("10.0.0.7:9300"), "10.0.0.7:9300");
    }
}
