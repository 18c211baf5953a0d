//! `vaultcast token`: prints a signed session token.

use std::{
    io::{Write, stderr, stdout},
    time::{Duration, SystemTime},
};

use clap::Args;

use super::{
    args::{time_to_live, user_id},
    error::CliError,
};
use crate::{
    auth::{JwtKeys, Secrets},
    config::Config,
    domain::{Principal, UserId},
};

/// The user and the lifetime of the token.
#[derive(Args, Debug, PartialEq)]
pub struct TokenArgs {
    /// Id of the user
    #[arg(long, value_name = "ID", value_parser = user_id)]
    pub user: UserId,
    /// Display name
    #[arg(long)]
    pub name: Option<String>,
    /// Email address
    #[arg(long)]
    pub email: Option<String>,
    /// Lifetime of the token
    #[arg(long, default_value = "1h", value_parser = time_to_live)]
    pub ttl: Duration,
}

/// Prints the token on the standard output, and on the standard error which secret signed it: a token of a generated secret
/// is valid only at a service that has the same secret.
pub(super) fn run(args: &TokenArgs, config: &Config, secrets: &Secrets) -> Result<(), CliError> {
    let tokens = JwtKeys::new(secrets).for_audience(config.auth.jwt_audience.clone());
    let principal = Principal {
        id: args.user.clone(),
        name: args.name.clone(),
        email: args.email.clone(),
    };
    let token = tokens.issue(&principal, SystemTime::now(), args.ttl);
    // The token is still valid if the standard error is closed.
    let _ = writeln!(stderr(), "signed with {}", secrets.origin());
    writeln!(stdout(), "{token}").map_err(CliError::Output)
}
