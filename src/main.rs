//! The binary: arguments, configuration, logs, and then whatever was asked for.

use std::{
    io::{ErrorKind, Write, stdout},
    process::ExitCode,
    thread,
    time::SystemTime,
};

use clap::Parser;
use vaultcast::{
    actors::{self, ActorsError, Table},
    app::{self, Mode},
    auth::{Secrets, Tokens},
    cli::{Actors, Cli, Command, Epoch, Token},
    config::{Config, Source, environment},
    domain::Principal,
    telemetry,
    verify::Summary,
};

/// Gives back what sockets that have left do not need any more (settings: `.cargo/config.toml`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let cli = Cli::parse();
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
    let mut source = match command {
        Command::Demo => Source::for_demo(file),
        Command::Serve
        | Command::Token(_)
        | Command::Migrate { .. }
        | Command::Epoch { .. }
        | Command::Actors(_)
        | Command::Verify { .. }
        | Command::Check => Source::new(file),
    };
    let config = source.read()?;
    let log = telemetry::init(&config.telemetry);
    let secrets = || Secrets::obtain(environment(), &config.database.url.secret_file());
    let system = actix::System::new();
    match command {
        Command::Serve => {
            system.block_on(app::run((&config, source), &log, &secrets()?, Mode::Serve))?
        }
        Command::Demo => {
            system.block_on(app::run((&config, source), &log, &secrets()?, Mode::Demo))?
        }
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
        Command::Actors(wanted) => show_actors(&config, wanted)?,
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

/// Once, or until the terminal is gone.
fn show_actors(config: &Config, wanted: &Actors) -> Result<(), ActorsError> {
    loop {
        let live = actors::ask(config.admin.bind, wanted.by, wanted.limit)?;
        match writeln!(stdout(), "{}", Table(&live)) {
            // Whoever has closed our output has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            told => told?,
        }
        let Some(pause) = wanted.watch else {
            return Ok(());
        };
        thread::sleep(pause);
        writeln!(stdout())?;
    }
}

fn issue(token: &Token, tokens: &Tokens) -> String {
    let principal = Principal {
        id: token.user.clone(),
        name: token.name.clone(),
        email: token.email.clone(),
    };
    tokens.issue(&principal, SystemTime::now(), token.ttl)
}
