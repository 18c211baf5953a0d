//! `vaultcast tail`: prints the journal of a vault, and with `--follow` each further event.
//!
//! The command is a client of the service's own API. It reads the journal page by page over HTTP (`client.rs`). To follow, it
//! subscribes with a socket over long polling (`subscription.rs`, `packet.rs`), which needs nothing but HTTP requests.
//! `position.rs` decides which event is printed, `retry.rs` after which time a failed request is repeated, and `line.rs` what a
//! line looks like. After each lost connection the journal is read again from the last printed event.

use std::{
    convert::Infallible,
    io::{self, ErrorKind, Write, stderr, stdout},
    process, thread,
};

use clap::Args;
use rustix::event::{PollFd, PollFlags, poll};

use super::{
    address::reachable,
    args::{base_path, seq, vault_id},
};
use crate::{
    config::{BasePath, Config},
    domain::{Seq, VaultId},
};

mod client;
mod credential;
mod error;
mod line;
mod packet;
mod position;
mod printable;
mod proxy;
mod retry;
mod service_url;
mod subscription;
mod tailed_event;

pub use credential::SessionToken;
pub use error::TailError;
pub use service_url::ServiceUrl;

use client::{JournalAnswer, PollingSession, ServiceClient};
use error::Interrupt;
use line::EventLine;
use position::{Arrival, TailPosition};
use retry::RetryPolicy;
use subscription::{Reaction, VaultSubscription};
use tailed_event::TailedEvent;

/// Which events are printed, in which form, and from which service.
#[derive(Args, Debug, PartialEq)]
pub struct TailArgs {
    /// Id of the vault
    #[arg(value_parser = vault_id)]
    pub vault_id: VaultId,
    /// Print the events after this sequence number [default: every kept event]
    #[arg(long, value_name = "N", value_parser = seq)]
    pub since: Option<Seq>,
    /// Print each event as a JSON object, {seq, event, payload}, as the API answers it
    #[arg(long)]
    pub json: bool,
    /// Print further events as they happen, until interrupted
    #[arg(long)]
    pub follow: bool,
    /// Address of the service, http or https [default: server.bind of the configuration]
    #[arg(long, value_parser = ServiceUrl::parse)]
    pub url: Option<ServiceUrl>,
    /// Prefix of the service's HTTP routes [default: server.base_path of the configuration]
    #[arg(long, value_name = "PATH", value_parser = base_path)]
    pub base_path: Option<BasePath>,
    /// Session token of a member of the vault, as `vaultcast token` prints it. Prefer the environment variable:
    /// other users of the machine can see the arguments of a process
    #[arg(long, env = "VAULTCAST_TOKEN", hide_env_values = true)]
    pub token: Option<SessionToken>,
}

/// Prints the journal and, if requested, follows it. A closed output ends the command without an error.
pub(super) fn run(args: &TailArgs, config: &Config) -> Result<(), TailError> {
    let token = args.token.as_ref().ok_or(TailError::NoToken)?;
    let local = || ServiceUrl::local(reachable(config.server.bind));
    let url = args.url.clone().unwrap_or_else(local);
    let base_path = args.base_path.as_ref().unwrap_or(&config.server.base_path);
    // A proxy of the environment is for requests to the web, not for a service on this machine.
    let proxy = args.url.as_ref().and_then(proxy::of_environment);
    let mut tail = Tail {
        args,
        token,
        client: ServiceClient::new(url, base_path.clone(), token.header()?, proxy),
        position: TailPosition::new(args.since),
        retry: RetryPolicy::new(args.follow),
    };
    if args.follow {
        end_with_output();
    }
    match tail.run() {
        Err(TailError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    }
}

/// A run of the command.
struct Tail<'a> {
    args: &'a TailArgs,
    token: &'a SessionToken,
    client: ServiceClient,
    position: TailPosition,
    retry: RetryPolicy,
}

impl Tail<'_> {
    /// Prints events until all are printed. When following, returns only with an error.
    fn run(&mut self) -> Result<(), TailError> {
        loop {
            let interrupt = match self.print_events() {
                Ok(()) => return Ok(()),
                Err(interrupt) => self.position.explain(interrupt),
            };
            let wait = self.retry.after(interrupt)?;
            if let Some(notice) = wait.notice {
                notify(&notice);
            }
            thread::sleep(wait.delay);
        }
    }

    /// Prints the journal after the position and, if requested, the events of one connection.
    fn print_events(&mut self) -> Result<(), Interrupt> {
        self.print_journal()?;
        if !self.args.follow {
            return Ok(());
        }
        let session = self.client.open_session()?;
        let Err(interrupt) = self.print_subscription(&session);
        if let Interrupt::Permanent(_) = interrupt {
            // The service need not wait for the next heartbeat of this session.
            let _: Result<(), Interrupt> = self.client.send(&session, packet::CLOSE);
        }
        Err(interrupt)
    }

    /// Prints the journal from the position to its head, page by page.
    fn print_journal(&mut self) -> Result<(), Interrupt> {
        loop {
            let since = self.position.since();
            let page = match self.client.events(&self.args.vault_id, since)? {
                JournalAnswer::Page(page) => page,
                JournalAnswer::Trimmed { kept_since } => {
                    notify(&self.position.skip_trimmed(kept_since)?);
                    continue;
                }
            };
            self.position.check(page.seq, &page.epoch)?;
            self.retry.record_page();
            for event in &page.events {
                self.print(event)?;
            }
            if self.position.since() >= page.seq {
                return Ok(());
            }
        }
    }

    /// Subscribes after the position, and prints events until the connection ends.
    fn print_subscription(&mut self, session: &PollingSession) -> Result<Infallible, Interrupt> {
        let join = VaultSubscription {
            vault: &self.args.vault_id,
            since: self.position.since(),
            epoch: self.position.epoch(),
        };
        let join = join.join_packet();
        let connect = subscription::connect_packet(self.token.expose());
        self.client.send(session, &connect)?;
        loop {
            for packet in self.client.poll(session)? {
                match subscription::react(packet)? {
                    Reaction::Join => self.client.send(session, &join)?,
                    Reaction::Send(packet) => self.client.send(session, packet)?,
                    Reaction::Joined => {
                        if let Some(notice) = self.retry.succeed() {
                            notify(notice);
                        }
                    }
                    Reaction::Print(event) => self.print(&event)?,
                    Reaction::Nothing => {}
                }
            }
        }
    }

    /// Prints an event that comes next after the position. An event that was printed before is skipped.
    fn print(&mut self, event: &TailedEvent) -> Result<(), Interrupt> {
        match self.position.advance(event.seq) {
            Arrival::Next => {}
            Arrival::Repeated => return Ok(()),
            Arrival::Gap => return Err(Interrupt::lost("an event is missing")),
        }
        let line = if self.args.json {
            event.json()
        } else {
            EventLine(event).to_string()
        };
        writeln!(stdout(), "{line}").map_err(TailError::Output)?;
        event.end_of_journal().map_or(Ok(()), |end| Err(end.into()))
    }
}

/// Ends the process when the reader of a pipe closes it. Without this, the command would wait for the next event.
fn end_with_output() {
    thread::spawn(|| {
        let output = stdout();
        // No flags: only a closed or failed output ends the wait.
        let mut output = [PollFd::new(&output, PollFlags::empty())];
        if poll(&mut output, None).is_ok() {
            process::exit(0);
        }
    });
}

/// Prints a message of the command on the standard error. A closed standard error does not end the command.
fn notify(message: &str) {
    let _: io::Result<()> = writeln!(stderr(), "vaultcast: {message}");
}
