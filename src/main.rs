//! The binary: parses the arguments and runs the command.

use std::process::ExitCode;

use clap::Parser;
use vaultcast::cli::{self, Cli};

/// Returns the memory of closed sockets to the system (settings: `.cargo/config.toml`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match cli::run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vaultcast: {error}");
            error.exit_status().into()
        }
    }
}
