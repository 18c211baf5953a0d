//! The command line: what the binary can be asked to do.
//!
//! It only says what was asked; each command is carried out by whoever owns its subject. What can
//! be set is set in the configuration, so that a service is started the same way everywhere; the
//! one option that all commands share is the file to read it from.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::{
    api::By,
    domain::{UserId, VaultId},
};

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Shared vaults, durably and in one order, on every Socket.IO client.
///
/// Without a command, vaultcast serves. Every key of the configuration can be set in the
/// environment too, such as VAULTCAST__SERVER__BIND; secrets only there: AUTH_SECRET or
/// NEXTAUTH_SECRET.
#[derive(Debug, Parser)]
#[command(name = "vaultcast", version)]
pub struct Cli {
    /// Configuration to read [default: config.toml in the working directory, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<Command>,
}

impl Cli {
    /// What is to be done: to serve, unless another command is given.
    pub fn command(&self) -> &Command {
        self.command.as_ref().unwrap_or(&Command::Serve)
    }
}

/// What is to be done.
#[derive(Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM or SIGINT, then let everybody go in order (the default)
    Serve,
    /// Serve a demo vault on a database of its own, and print a sign-in link for each of its users
    ///
    /// The demo uses vaultcast-demo.db, unless DATABASE_URL names another database. It signs in
    /// whoever asks, so it listens to this machine only.
    Demo,
    /// Print a signed session token
    ///
    /// The token is good wherever the same secret is set: as `Authorization: Bearer TOKEN`, or as
    /// `token` in the auth payload of a Socket.IO client.
    Token(Token),
    /// Apply, revert or list the migrations of the database
    ///
    /// Stop the service before `up` and `down`: on a SQLite file they are refused while it runs.
    Migrate {
        /// What to do with them
        #[command(subcommand)]
        step: Migrate,
    },
    /// What tells one history of the database from another
    Epoch {
        /// What to do with it
        #[command(subcommand)]
        step: Epoch,
    },
    /// Show the vaults that are alive in a running service: queues, waits, subscribers
    ///
    /// It asks the admin listener of a service that runs with the same configuration.
    Actors(Actors),
    /// Prove the journal of a database: no gaps, and exactly the rows that it leads to
    ///
    /// Prints a line for each vault; where something contradicts itself, the first contradictions are named and the
    /// status is 1. Of a trimmed journal everything from its first event on is proven. It reads from one moment and
    /// writes nothing, so it may run beside a service. Meanwhile a SQLite database's write-ahead log only grows.
    Verify {
        /// Prove this vault alone
        #[arg(long, value_name = "ID", value_parser = vault_id)]
        vault: Option<VaultId>,
    },
    /// Check the configuration and print what is in effect, with secrets hidden
    ///
    /// Where a key is wrong, a line names it and the status is 1.
    Check,
}

/// Whose token is wanted, and for how long.
#[derive(Args, Debug, PartialEq)]
pub struct Token {
    /// Id of the user
    #[arg(long, value_name = "ID", value_parser = user_id)]
    pub user: UserId,
    /// Name to show
    #[arg(long)]
    pub name: Option<String>,
    /// Email address
    #[arg(long)]
    pub email: Option<String>,
    /// How long the token is good
    #[arg(long, default_value = "1h", value_parser = time_to_live)]
    pub ttl: Duration,
}

/// Which vaults are shown, and how often.
#[derive(Args, Debug, PartialEq)]
pub struct Actors {
    /// What decides which come first: wait, depth, subscribers, inFlight, seq, idle or vault
    #[arg(long, default_value_t = By::Wait)]
    pub by: By,
    /// How many to show
    #[arg(long, default_value_t = 20)]
    pub limit: usize,
    /// Show them again and again, this long apart
    #[arg(long, value_name = "EVERY", value_parser = pause)]
    pub watch: Option<Duration>,
}

/// What to do with the database's migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Migrate {
    /// Apply those that are pending
    Up,
    /// Revert the last one
    Down,
    /// List those that are applied and those that are pending
    Status,
}

/// What to do with the database's epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Epoch {
    /// Begin a new one, after a backup was put back, and print it
    ///
    /// Clients that know events of the time after the backup list anew then, instead of trusting
    /// numbers that have been given out again. Run it before the service is started: on a SQLite file it is refused
    /// while one runs.
    Renew,
}

fn user_id(text: &str) -> Result<UserId, &'static str> {
    UserId::new(text).ok_or("an id has 1 to 128 visible ASCII characters")
}

fn pause(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .ok()
        .filter(|pause| (Duration::from_millis(100)..=YEAR).contains(pause))
        .ok_or("a duration with its unit is wanted, such as 2s, of 100ms at least")
}

fn vault_id(text: &str) -> Result<VaultId, &'static str> {
    VaultId::parse(text).ok_or("an id is a c and 8 to 31 lower case letters or digits")
}

fn time_to_live(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .ok()
        .filter(|ttl| (Duration::from_secs(1)..=10 * YEAR).contains(ttl))
        .ok_or("a duration with its unit is wanted, such as 90s, 1h or 30d, of ten years at most")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
    }

    fn command(line: &str) -> Command {
        parse(line).unwrap().command.unwrap_or(Command::Serve)
    }

    #[test]
    fn the_definition_is_sound() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn without_a_command_it_serves() {
        assert_eq!(parse("vaultcast").unwrap().command(), &Command::Serve);
        assert_eq!(command("vaultcast serve"), Command::Serve);
    }

    #[test]
    fn the_file_can_be_named_before_and_after_the_command() {
        for line in [
            "vaultcast --config my.toml check",
            "vaultcast check --config my.toml",
        ] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.config, Some("my.toml".into()));
            assert_eq!(cli.command(), &Command::Check);
        }
        assert_eq!(
            parse("vaultcast --config my.toml").unwrap().command(),
            &Command::Serve
        );
    }

    #[test]
    fn a_token_is_for_a_user_and_an_hour_unless_told_otherwise() {
        let user = UserId::new("user_42").unwrap();
        assert_eq!(
            command("vaultcast token --user user_42"),
            Command::Token(Token {
                user: user.clone(),
                name: None,
                email: None,
                ttl: Duration::from_secs(3600)
            })
        );
        assert_eq!(
            command("vaultcast token --user user_42 --name Ana --email ana@example.com --ttl 30d"),
            Command::Token(Token {
                user,
                name: Some("Ana".to_owned()),
                email: Some("ana@example.com".to_owned()),
                ttl: Duration::from_secs(30 * 86_400)
            })
        );
    }

    #[test]
    fn a_token_for_nobody_or_no_time_is_refused() {
        assert_eq!(
            parse("vaultcast token").unwrap_err(),
            ErrorKind::MissingRequiredArgument
        );
        for wrong in [
            "--user=",
            "--user=zoë",
            "--user u --ttl 0s",
            "--user u --ttl 60",
            "--user u --ttl 11y",
        ] {
            let kind = parse(&format!("vaultcast token {wrong}")).unwrap_err();
            assert_eq!(kind, ErrorKind::ValueValidation, "{wrong}");
        }
    }

    #[test]
    fn migrations_go_up_down_or_are_listed() {
        for (line, step) in [
            ("vaultcast migrate up", Migrate::Up),
            ("vaultcast migrate down", Migrate::Down),
            ("vaultcast migrate status", Migrate::Status),
        ] {
            assert_eq!(command(line), Command::Migrate { step });
        }
        assert!(parse("vaultcast migrate").is_err());
    }

    #[test]
    fn the_vaults_that_wait_longest_are_shown_first() {
        let usual = Actors {
            by: By::Wait,
            limit: 20,
            watch: None,
        };
        assert_eq!(command("vaultcast actors"), Command::Actors(usual));
        let deepest = Actors {
            by: By::Depth,
            limit: 5,
            watch: Some(Duration::from_secs(2)),
        };
        let line = "vaultcast actors --by depth --limit 5 --watch 2s";
        assert_eq!(command(line), Command::Actors(deepest));
        for wrong in ["--by age", "--limit -1", "--watch 2", "--watch 1ms"] {
            assert!(
                parse(&format!("vaultcast actors {wrong}")).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn an_epoch_is_renewed() {
        let renew = Command::Epoch { step: Epoch::Renew };
        assert_eq!(command("vaultcast epoch renew"), renew);
        assert!(parse("vaultcast epoch").is_err());
    }

    #[test]
    fn all_vaults_are_proven_or_one() {
        assert_eq!(command("vaultcast verify"), Command::Verify { vault: None });
        let vault = VaultId::parse("cphysics01");
        let one = command("vaultcast verify --vault cphysics01");
        assert_eq!(one, Command::Verify { vault });
        let wrong = parse("vaultcast verify --vault physics");
        assert_eq!(wrong.unwrap_err(), ErrorKind::ValueValidation);
    }
}
