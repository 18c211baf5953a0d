//! The handle by which other threads reach the connections of a relay's worker thread.

use std::sync::Arc;

use actix::prelude::*;

use crate::domain::UserId;
use actix_socketio::engineio::CloseReason;

use super::machine::RelayId;

/// A request to the connections of one worker thread, by pid. Pids without a connection are ignored.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum RelayCommand {
    /// Save the recovery state of these connections and end their subscriptions.
    Suspend { pids: Vec<String> },
    /// Suspend the connection and close its transport, if it belongs to this user.
    TakeOver {
        pid: String,
        user: UserId,
        reason: CloseReason,
    },
    /// Close the transports of these connections.
    Close {
        pids: Vec<String>,
        reason: CloseReason,
    },
    /// Close all connections that have joined a vault.
    EndPositions,
}

/// Sends requests to the connections of one worker thread. Clones reach the same relay.
///
/// Each asynchronous method returns when the relay has handled the request, which is after all notices that vaults sent before. A
/// relay that has panicked handles nothing; its connections are closed.
#[derive(Clone)]
pub(in crate::gateway) struct RelayHandle {
    id: RelayId,
    commands: Arc<Recipient<RelayCommand>>,
}

impl RelayHandle {
    pub(super) fn new(id: RelayId, commands: Recipient<RelayCommand>) -> Self {
        Self {
            id,
            commands: Arc::new(commands),
        }
    }

    /// Returns the id of the relay. No other relay of this process has it.
    pub(in crate::gateway) fn id(&self) -> RelayId {
        self.id
    }

    /// Saves the recovery state of these connections and ends their subscriptions.
    pub(in crate::gateway) async fn suspend(&self, pids: Vec<String>) -> Result<(), MailboxError> {
        self.commands.send(RelayCommand::Suspend { pids }).await
    }

    /// Suspends the connection of this pid and closes its transport, if it belongs to this user.
    pub(in crate::gateway) async fn take_over(
        &self,
        pid: &str,
        user: &UserId,
        reason: CloseReason,
    ) -> Result<(), MailboxError> {
        let (pid, user) = (pid.to_owned(), user.clone());
        let command = RelayCommand::TakeOver { pid, user, reason };
        self.commands.send(command).await
    }

    /// Closes all connections that have joined a vault, because the database has another history. Does not wait.
    pub(in crate::gateway) fn end_positions(&self) {
        #[allow(
            clippy::disallowed_methods,
            reason = "one message for each change of the database's epoch"
        )]
        self.commands.do_send(RelayCommand::EndPositions);
    }

    /// Closes the transports of these connections.
    pub(in crate::gateway) async fn close(
        &self,
        pids: Vec<String>,
        reason: CloseReason,
    ) -> Result<(), MailboxError> {
        self.commands
            .send(RelayCommand::Close { pids, reason })
            .await
    }
}
