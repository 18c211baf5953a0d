//! The command line: one module per command.
//!
//! Settings belong to the configuration, so that a service is started the same way everywhere. The only option that all
//! commands share is the configuration file.

use std::{
    io::{Write, stdout},
    path::PathBuf,
};

use clap::{Parser, Subcommand};

use crate::{
    auth::Secrets,
    config::{ConfigSource, environment},
    domain::VaultId,
    server::{self, LoadedConfig, Mode},
    telemetry,
};

mod actors;
mod address;
mod args;
mod epoch;
mod error;
mod import;
mod migrate;
mod tail;
mod token;
mod verify;

pub use actors::{ActorsArgs, ActorsError};
pub use epoch::{EpochStep, renew_epoch};
pub use error::CliError;
pub use import::ImportArgs;
pub use migrate::{MigrateStep, migrate};
pub use tail::{ServiceUrl, SessionToken, TailArgs, TailError};
pub use token::TokenArgs;

use args::vault_id;

/// Durable, ordered real-time events for shared vaults, on the official Socket.IO clients.
///
/// Without a command, vaultcast serves. Every key of the configuration can also be set in the
/// environment, for example VAULTCAST__SERVER__BIND. Secrets are read from the environment only:
/// AUTH_SECRET or NEXTAUTH_SECRET, and AUTH_SECRET_1 to AUTH_SECRET_3.
#[derive(Debug, Parser)]
#[command(name = "vaultcast", version)]
pub struct Cli {
    /// Configuration file [default: config.toml in the working directory, if present]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(subcommand)]
    command: Option<CliCommand>,
}

impl Cli {
    /// Returns the requested command; `serve` when none was given.
    pub fn command(&self) -> &CliCommand {
        self.command.as_ref().unwrap_or(&CliCommand::Serve)
    }
}

/// A command of the binary.
#[derive(Debug, PartialEq, Subcommand)]
pub enum CliCommand {
    /// Serve until SIGTERM or SIGINT, then drain (the default)
    Serve,
    /// Serve a demo vault on its own database, and print a sign-in link for each demo user
    ///
    /// The demo uses vaultcast-demo.db, unless DATABASE_URL names another database. Its sign-in
    /// links need no password, so it listens on loopback only.
    Demo,
    /// Print a signed session token
    ///
    /// The token is valid wherever the same secret is set: as `Authorization: Bearer TOKEN`, or as
    /// `token` in the auth payload of a Socket.IO client.
    Token(TokenArgs),
    /// Apply, revert or list the migrations of the database
    ///
    /// Stop the service before `up` and `down`: on a SQLite file they are refused while it runs.
    Migrate {
        /// The operation
        #[command(subcommand)]
        step: MigrateStep,
    },
    /// Manage the epoch, the id of the database's history
    Epoch {
        /// The operation
        #[command(subcommand)]
        step: EpochStep,
    },
    /// Show the live vaults of a running service: queues, waits, subscribers
    ///
    /// Queries the admin listener of the service that runs with the same configuration.
    Actors(ActorsArgs),
    /// Print the journal of a vault, one line per event
    ///
    /// Queries the API of a running service as a member of the vault. Every text of a user is printed without control
    /// characters. Messages go to the standard error. Without --since, a trimmed journal is printed from its first
    /// kept event. With --follow the command runs until it is interrupted: it outlasts restarts of the service
    /// and lost connections without a gap or a repeated event. It ends with status 1 when that is impossible, when the
    /// user is removed, when the vault is deleted, and when the token expires.
    Tail(TailArgs),
    /// Check the journal of a database: no gaps, and exactly the rows that its events produce
    ///
    /// Prints a line for each vault. If the journal and the rows disagree, the first contradictions are named and the
    /// exit status is 1. A trimmed journal is checked from its first event on. The check reads one snapshot and
    /// writes nothing, so it may run beside a service. While it runs, the
    /// write-ahead log of a SQLite database is not truncated.
    Verify {
        /// Check this vault only
        #[arg(long, value_name = "ID", value_parser = vault_id)]
        vault: Option<VaultId>,
    },
    /// Copy vaults, members, sources and users from an application's own tables
    ///
    /// The tables are Prisma's Vault, VaultUser, Source and User, or those that [import] of the configuration names. Ids and
    /// times are kept. Rows that are there already are passed over, so the command may run again, also after it was
    /// killed. Rows that cannot be taken are counted and named. On a SQLite file the service must be stopped; on
    /// PostgreSQL it may run.
    ///
    /// The exit status is 0 when every row is in the service, 1 when the import stopped, and 3 when rows were refused.
    Import(ImportArgs),
    /// Check the configuration and print the effective values, with secrets hidden
    ///
    /// If a key is wrong, a message names it and the exit status is 1.
    Check,
}

/// Runs the command to its end.
///
/// # Errors
/// When the configuration is wrong or the command fails.
pub fn run(cli: &Cli) -> Result<(), CliError> {
    let file = cli.config.as_deref();
    let command = cli.command();
    let mut source = match command {
        CliCommand::Demo => ConfigSource::for_demo(file),
        CliCommand::Serve
        | CliCommand::Token(_)
        | CliCommand::Migrate { .. }
        | CliCommand::Epoch { .. }
        | CliCommand::Actors(_)
        | CliCommand::Tail(_)
        | CliCommand::Verify { .. }
        | CliCommand::Import(_)
        | CliCommand::Check => ConfigSource::new(file),
    };
    let config = source.read()?;
    let log = telemetry::init(&config.telemetry);
    let secrets = || -> Result<Secrets, CliError> {
        let secrets = Secrets::load(environment(), &config.database.url.secret_file())?;
        secrets.log_flaws();
        Ok(secrets)
    };
    let print =
        |line: &dyn std::fmt::Display| writeln!(stdout(), "{line}").map_err(CliError::Output);
    let system = actix::System::new();
    match command {
        CliCommand::Serve | CliCommand::Demo => {
            let mode = if *command == CliCommand::Demo {
                Mode::Demo
            } else {
                Mode::Serve
            };
            let secrets = secrets()?;
            let loaded = LoadedConfig { config, source };
            system.block_on(server::run(loaded, &log, &secrets, mode))?;
        }
        CliCommand::Token(args) => token::run(args, &config, &secrets()?)?,
        CliCommand::Migrate { step } => {
            for line in system.block_on(migrate(&config, *step))? {
                print(&line)?;
            }
        }
        CliCommand::Epoch {
            step: EpochStep::Renew,
        } => print(&system.block_on(renew_epoch(&config))?)?,
        CliCommand::Actors(args) => actors::run(args, &config)?,
        CliCommand::Tail(args) => tail::run(args, &config)?,
        CliCommand::Verify { vault } => system.block_on(verify::run(&config, vault.as_ref()))?,
        CliCommand::Import(args) => system.block_on(import::run(args, &config))?,
        CliCommand::Check => {
            if let Some(secrets) = Secrets::from_env(environment()) {
                secrets.log_flaws();
            }
            write!(stdout(), "{config}").map_err(CliError::Output)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use std::time::Duration;

    use super::*;
    use crate::{
        api::VaultSortKey,
        domain::{Seq, UserId},
    };

    fn parse(line: &str) -> Result<Cli, ErrorKind> {
        Cli::try_parse_from(line.split(' ')).map_err(|error| error.kind())
    }

    fn command(line: &str) -> CliCommand {
        parse(line).unwrap().command.unwrap_or(CliCommand::Serve)
    }

    #[test]
    fn definition_is_valid() {
        <Cli as CommandFactory>::command().debug_assert();
    }

    #[test]
    fn serve_is_the_default_command() {
        assert_eq!(parse("vaultcast").unwrap().command(), &CliCommand::Serve);
        assert_eq!(command("vaultcast serve"), CliCommand::Serve);
    }

    #[test]
    fn config_option_is_accepted_before_and_after_the_command() {
        for line in [
            "vaultcast --config my.toml check",
            "vaultcast check --config my.toml",
        ] {
            let cli = parse(line).unwrap();
            assert_eq!(cli.config, Some("my.toml".into()));
            assert_eq!(cli.command(), &CliCommand::Check);
        }
        assert_eq!(
            parse("vaultcast --config my.toml").unwrap().command(),
            &CliCommand::Serve
        );
    }

    #[test]
    fn token_lives_one_hour_by_default() {
        let user = UserId::new("user_42").unwrap();
        assert_eq!(
            command("vaultcast token --user user_42"),
            CliCommand::Token(TokenArgs {
                user: user.clone(),
                name: None,
                email: None,
                ttl: Duration::from_secs(3600)
            })
        );
        assert_eq!(
            command("vaultcast token --user user_42 --name Ana --email ana@example.com --ttl 30d"),
            CliCommand::Token(TokenArgs {
                user,
                name: Some("Ana".to_owned()),
                email: Some("ana@example.com".to_owned()),
                ttl: Duration::from_secs(30 * 86_400)
            })
        );
    }

    #[test]
    fn token_without_user_or_with_invalid_lifetime_is_refused() {
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
    fn migrations_are_applied_reverted_or_listed() {
        for (line, step) in [
            ("vaultcast migrate up", MigrateStep::Up),
            ("vaultcast migrate down", MigrateStep::Down),
            ("vaultcast migrate status", MigrateStep::Status),
        ] {
            assert_eq!(command(line), CliCommand::Migrate { step });
        }
        assert!(parse("vaultcast migrate").is_err());
    }

    #[test]
    fn actors_are_sorted_by_wait_by_default() {
        let usual = ActorsArgs {
            by: VaultSortKey::Wait,
            limit: 20,
            watch: None,
        };
        assert_eq!(command("vaultcast actors"), CliCommand::Actors(usual));
        let deepest = ActorsArgs {
            by: VaultSortKey::Depth,
            limit: 5,
            watch: Some(Duration::from_secs(2)),
        };
        let line = "vaultcast actors --by depth --limit 5 --watch 2s";
        assert_eq!(command(line), CliCommand::Actors(deepest));
        for wrong in ["--by age", "--limit -1", "--watch 2", "--watch 1ms"] {
            assert!(
                parse(&format!("vaultcast actors {wrong}")).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn tail_prints_the_whole_journal_of_a_local_service_by_default() {
        let CliCommand::Tail(args) = command("vaultcast tail cphysics01") else {
            panic!("not the command tail");
        };
        assert_eq!(args.vault_id.as_str(), "cphysics01");
        assert_eq!((args.since, args.json, args.follow), (None, false, false));
        assert_eq!(args.url, None);
        let line =
            "vaultcast tail cphysics01 --since 7 --json --follow --url https://a.example --token t";
        let CliCommand::Tail(args) = command(line) else {
            panic!("not the command tail");
        };
        assert_eq!(
            (args.since, args.json, args.follow),
            (Some(Seq(7)), true, true)
        );
        assert_eq!(args.url.unwrap().to_string(), "https://a.example");
        for wrong in [
            "physics",
            "",
            "cphysics01 --since -1",
            "cphysics01 --url localhost:3000",
        ] {
            assert!(
                parse(&format!("vaultcast tail {wrong}")).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn epoch_is_renewed() {
        let renew = CliCommand::Epoch {
            step: EpochStep::Renew,
        };
        assert_eq!(command("vaultcast epoch renew"), renew);
        assert!(parse("vaultcast epoch").is_err());
    }

    #[test]
    fn import_needs_the_database_of_the_application() {
        let CliCommand::Import(args) =
            command("vaultcast import --from postgres://db/app --dry-run")
        else {
            panic!("not the command import");
        };
        assert_eq!(args.from.to_string(), "postgres://db/app");
        assert!(args.dry_run);
        assert_eq!(
            parse("vaultcast import").unwrap_err(),
            ErrorKind::MissingRequiredArgument
        );
        for wrong in ["mysql://db/app", "file:./dev.db", "app.db"] {
            let kind = parse(&format!("vaultcast import --from {wrong}")).unwrap_err();
            assert_eq!(kind, ErrorKind::ValueValidation, "{wrong}");
        }
    }

    #[test]
    fn verify_checks_all_vaults_or_one() {
        assert_eq!(
            command("vaultcast verify"),
            CliCommand::Verify { vault: None }
        );
        let vault = VaultId::parse("cphysics01");
        let one = command("vaultcast verify --vault cphysics01");
        assert_eq!(one, CliCommand::Verify { vault });
        let wrong = parse("vaultcast verify --vault physics");
        assert_eq!(wrong.unwrap_err(), ErrorKind::ValueValidation);
    }
}
