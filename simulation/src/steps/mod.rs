//! The steps of a world: what can happen next, and what then happens.

mod listing;
mod performing;
mod requests;

use vaultcast::gateway::recovery::machine::ClaimId;

use crate::{cluster_shell::BusService, names::Change, node::SocketAddress};

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    OpenVault {
        node: usize,
        vault: usize,
    },
    HandleVaultMessage {
        node: usize,
        vault: usize,
    },
    ExecuteRead {
        node: usize,
        vault: usize,
        index: usize,
    },
    FailRead {
        node: usize,
        vault: usize,
        index: usize,
    },
    DeliverResult {
        node: usize,
        vault: usize,
        index: usize,
    },
    DeliverOutcome {
        node: usize,
        vault: usize,
    },
    WakeVault {
        node: usize,
        vault: usize,
    },
    PanicVault {
        node: usize,
        vault: usize,
    },
    Lock {
        transaction: usize,
    },
    Commit {
        transaction: usize,
    },
    Fail {
        transaction: usize,
    },
    /// It commits, and its outcome is lost.
    LoseCommit {
        transaction: usize,
    },
    /// It does not commit, and its outcome is lost.
    LoseRollback {
        transaction: usize,
    },
    HandleRelayMessage {
        node: usize,
        relay: usize,
    },
    OutboxDrained {
        address: SocketAddress,
    },
    WakeRelay {
        node: usize,
        relay: usize,
    },
    PanicRelay {
        node: usize,
        relay: usize,
    },
    /// The service receives the next request of a socket.
    Receive {
        address: SocketAddress,
    },
    /// The service notices that a transport has ended.
    EndConnection {
        address: SocketAddress,
    },
    /// The service sends a ping.
    Ping {
        address: SocketAddress,
    },
    /// A client reads its next packet.
    Read {
        client: usize,
    },
    Connect {
        client: usize,
        node: usize,
        relay: usize,
    },
    /// A CONNECT that claims a former connection goes on.
    ContinueClaim {
        node: usize,
        claim: ClaimId,
    },
    /// The service notices that the client of a CONNECT is gone.
    EndClaim {
        node: usize,
        claim: ClaimId,
    },
    /// The transport of a CONNECT without an answer breaks.
    AbandonConnect {
        client: usize,
    },
    /// The connection of a client breaks, and the client notices first.
    Cut {
        client: usize,
    },
    Join {
        client: usize,
        vault: usize,
        since: Since,
    },
    Leave {
        client: usize,
        vault: usize,
    },
    Mutate {
        client: usize,
        vault: usize,
        change: Change,
    },
    /// A link learns that hints wait.
    ReportWaitingHints {
        node: usize,
    },
    /// The bus connects a node, or accepts its messages.
    CompleteBus {
        node: usize,
    },
    DeliverMessage {
        node: usize,
    },
    LoseMessage {
        node: usize,
    },
    RepeatMessage {
        node: usize,
    },
    /// The connection of a node to the bus breaks.
    BreakSession {
        node: usize,
    },
    /// The bus fails, or works again.
    SetBus {
        service: BusService,
    },
    /// The database compares the heads of a sweep.
    ReadHeads {
        node: usize,
    },
    EndSweep {
        node: usize,
    },
    FailSweep {
        node: usize,
    },
    /// A sweep reports a lower head, and is outdated.
    ReportRewound {
        node: usize,
        vault: usize,
    },
    WakeLink {
        node: usize,
    },
    UnloadVault {
        node: usize,
        vault: usize,
    },
    Trim {
        vault: usize,
    },
    Crash {
        node: usize,
    },
}

/// Whether a join asks for the events that the client misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Since {
    Now,
    LastSeen,
}

/// Which steps are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that happen sooner or later if nothing fails and no user does anything.
    Progress,
}
