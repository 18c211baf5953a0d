//! `vaultcast actors`: shows the live vaults of a running service in the terminal.
//!
//! It requests `GET /actors` from the admin listener of the service that runs with the same configuration.

use std::{
    fmt,
    io::{self, ErrorKind, Write, stdout},
    net::SocketAddr,
    thread,
    time::Duration,
};

use clap::Args;
use thiserror::Error;

use super::{address::reachable, args::refresh_interval};
use crate::{
    api::{LiveVault, LiveVaultList, VaultSortKey},
    config::Config,
};

/// Time within which the service must answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Which vaults are shown, in which order, and how often.
#[derive(Args, Debug, PartialEq)]
pub struct ActorsArgs {
    /// Sort order: wait, depth, subscribers, inFlight, seq, idle or vault
    #[arg(long, default_value_t = VaultSortKey::Wait)]
    pub by: VaultSortKey,
    /// Number of vaults to show
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    /// Refresh at this interval until interrupted
    #[arg(long, value_name = "INTERVAL", value_parser = refresh_interval)]
    pub watch: Option<Duration>,
}

/// Why the vaults cannot be shown.
#[derive(Debug, Error)]
pub enum ActorsError {
    #[error("admin.bind is \"\": a service with this configuration has no admin listener")]
    NoListener,
    #[error(
        "the admin listener {bind} (admin.bind) does not answer: {source}; is the service running with this configuration?"
    )]
    Unanswered {
        bind: SocketAddr,
        source: ureq::Error,
    },
    #[error("cannot write to the terminal: {0}")]
    Output(#[from] io::Error),
}

/// Prints the table once, or at every interval until the output is closed.
pub(super) fn run(args: &ActorsArgs, config: &Config) -> Result<(), ActorsError> {
    loop {
        let live = request(config.admin.bind, args.by, args.limit)?;
        match writeln!(stdout(), "{}", Table(&live)) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            written => written?,
        }
        let Some(interval) = args.watch else {
            return Ok(());
        };
        thread::sleep(interval);
        writeln!(stdout())?;
    }
}

/// Requests `GET /actors` from the admin listener.
fn request(
    bind: Option<SocketAddr>,
    by: VaultSortKey,
    limit: usize,
) -> Result<LiveVaultList, ActorsError> {
    let bind = bind.ok_or(ActorsError::NoListener)?;
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        // A proxy of the environment is for requests to the web, not for the admin listener.
        .proxy(None)
        .build();
    let url = format!("http://{}/actors?by={by}&limit={limit}", reachable(bind));
    let answer = ureq::Agent::new_with_config(agent).get(url).call();
    answer
        .and_then(|answer| answer.into_body().read_json())
        .map_err(|source| ActorsError::Unanswered { bind, source })
}

/// The answer, displayed as a table.
struct Table<'a>(&'a LiveVaultList);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LiveVaultList { vaults, totals, .. } = self.0;
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

/// Formats a time in its largest unit.
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
    use crate::api::LiveTotals;

    #[test]
    fn table_is_aligned_and_counts_the_omitted_vaults() {
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
        let live = LiveVaultList {
            node: "first".to_owned(),
            vaults: vec![vault],
            totals: LiveTotals {
                vaults: 3,
                sockets: 9,
                subscribers: 4,
            },
        };
        let table = Table(&live).to_string();
        let lines: Vec<_> = table.lines().collect();
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
    fn times_are_shown_in_their_largest_unit() {
        for (millis, expected) in [
            (0, "-"),
            (999, "999ms"),
            (1_500, "1.5s"),
            (90_000, "1m"),
            (7_200_000, "2h"),
        ] {
            assert_eq!(brief(millis), expected);
        }
    }
}
