//! The binary: arguments, configuration, logs, and then whatever was asked for.

use std::{
    io::{IsTerminal, Write, stderr, stdout},
    process::ExitCode,
    time::SystemTime,
};

use clap::Parser;
use tracing_subscriber::EnvFilter;
use vaultcast::{
    app::{self, Mode},
    auth::{Secrets, Tokens},
    cli::{Cli, Command, Epoch, Token},
    config::{Config, environment},
    domain::Principal,
    verify::Summary,
};

/// What is logged where `RUST_LOG` does not say otherwise: our own news, and the troubles of others.
const LOGGED: &str = "warn,vaultcast=info";

/// Gives back what sockets that have left do not need any more (settings: `.cargo/config.toml`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    match carry_out(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vaultcast: {error}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(cli: &Cli) -> Result<(), Failure> {
    let file = cli.config.as_deref();
    let command = cli.command();
    let config = match command {
        Command::Demo => Config::load_for_demo(file, environment())?,
        Command::Serve
        | Command::Token(_)
        | Command::Migrate { .. }
        | Command::Epoch { .. }
        | Command::Verify { .. }
        | Command::Check => Config::load(file, environment())?,
    };
    let secrets = || Secrets::obtain(environment(), &config.database.url.secret_file());
    let system = actix::System::new();
    match command {
        Command::Serve => system.block_on(app::run(&config, &secrets()?, Mode::Serve))?,
        Command::Demo => system.block_on(app::run(&config, &secrets()?, Mode::Demo))?,
        Command::Token(token) => {
            let audience = config.auth.jwt_audience.clone();
            let tokens = Tokens::new(&secrets()?).for_audience(audience);
            writeln!(stdout(), "{}", issue(token, &tokens))?;
        }
        Command::Migrate { step } => {
            for line in system.block_on(app::migrate(&config, *step))? {
                writeln!(stdout(), "{line}")?;
            }
        }
        Command::Epoch { step: Epoch::Renew } => {
            let epoch = system.block_on(app::renew_epoch(&config))?;
            writeln!(stdout(), "{epoch}")?;
        }
        Command::Verify { vault } => {
            // Who has closed our output reads the status all the same.
            let each = |summary: &Summary| drop(writeln!(stdout(), "{summary}"));
            let verdict = system.block_on(app::verify(&config, vault.as_ref(), each))?;
            if verdict.findings.count() > 0 {
                return Err(verdict.findings.to_string().into());
            }
            writeln!(stdout(), "proven: {}", verdict.totals)?;
        }
        Command::Check => write!(stdout(), "{config}")?,
    }
    Ok(())
}

fn issue(token: &Token, tokens: &Tokens) -> String {
    let principal = Principal {
        id: token.user.clone(),
        name: token.name.clone(),
        email: token.email.clone(),
    };
    tokens.issue(&principal, SystemTime::now(), token.ttl)
}
