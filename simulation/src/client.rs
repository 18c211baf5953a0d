//! The modelled client: it behaves like the official one, and checks what it receives.

use std::collections::BTreeMap;

use vaultcast::{
    domain::StateChange,
    gateway::{Offset, recovery::machine::ClaimId},
    vault::Joined,
};

use crate::{
    database::VaultRows,
    names::user_id,
    node::SocketAddress,
    promises::{Promise, Violation},
    vault_copy::{JoinAnswers, Position, SentJoin, VaultCopy},
};

/// A client with one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    pub index: usize,
    pub connection: Option<SocketAddress>,
    /// The node and the claim of a CONNECT without an answer.
    pub connecting: Option<(usize, ClaimId)>,
    pub pid: Option<u64>,
    /// The offset of the last packet that had one. The official client keeps it over a connection that was not recovered.
    pub offset: Option<Offset>,
    pub copies: BTreeMap<usize, VaultCopy>,
    /// The `seq` of the last answer of the current connection, by vault.
    pub answered: BTreeMap<usize, u64>,
}

impl Client {
    /// Forgets what ended with the connection. A recovered connection keeps its subscriptions.
    pub fn begin_connection(&mut self, recovered: bool) {
        self.answered.clear();
        for copy in self.copies.values_mut() {
            if recovered {
                // They may not have arrived, and are sent again. Those that arrived take their place when they are asked again.
                copy.join_answers = if copy.joins.is_empty() {
                    JoinAnswers::Expected
                } else {
                    JoinAnswers::Missing
                };
                for join in &mut copy.joins {
                    join.disturbances = u64::MAX;
                }
            } else {
                copy.end();
                copy.finish_leave();
                copy.joins.clear();
            }
        }
    }

    pub fn copy(&mut self, vault: usize) -> &mut VaultCopy {
        self.copies.entry(vault).or_default()
    }

    /// Receives `vault:joined`.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn receive_joined(
        &mut self,
        vault: usize,
        joined: &Joined,
        rows: &VaultRows,
        disturbances: u64,
    ) -> Result<(), Violation> {
        let client = self.index;
        let answered = self.answered.get(&vault).copied();
        let copy = self.copy(vault);
        let (head, first) = (joined.seq.0, joined.last_known_seq().0);
        let since = joined.replayed.map(|_| first);
        let fits = |join: &SentJoin| match (since, joined.resync) {
            (Some(first), _) => join.since == Some(first),
            (None, resync) => join.since.is_some() == resync,
        };
        // Joins of a former connection that was recovered may be answered twice.
        let join = copy
            .joins
            .iter()
            .position(fits)
            .and_then(|n| copy.joins.remove(n));
        let fail = |promise, what: String| {
            Err(Violation::new(
                promise,
                format!("client {client}, vault {vault}: {what}"),
            ))
        };
        if let Some(since) = since
            && since > head
        {
            return fail(Promise::Since, format!("replay from {since} beyond {head}"));
        }
        if joined.resync
            && let Some(join) = &join
            && let Some(since) = join.since
            && since >= rows.trimmed
            && since <= rows.head()
            && join.disturbances == disturbances
        {
            return fail(
                Promise::Since,
                format!("resync although events after {since} are kept"),
            );
        }
        match (copy.position.next(), since) {
            (Some(next), None) if !joined.resync && head + 1 != next => {
                return fail(
                    Promise::EveryEventAfterJoin,
                    format!("joined again at {head}, and the next event is {next}"),
                );
            }
            _ => {}
        }
        if let Some(join) = &join {
            if head < join.known && join.disturbances == disturbances {
                return fail(
                    Promise::EveryEventAfterJoin,
                    format!(
                        "joined at {head}, and {} was known when the join was sent",
                        join.known
                    ),
                );
            }
            if join.disturbances == disturbances
                && since.is_none()
                && !joined.resync
                && let Some(own) = answered
                && own <= head
                && copy.position.next().is_none()
                && rows
                    .event(own)
                    .is_some_and(|entry| !join.after.contains(&entry.mutation))
            {
                return fail(
                    Promise::InOrderSent,
                    format!(
                        "joined at {head}, behind the mutation {own} that was sent after the join"
                    ),
                );
            }
        }
        copy.position = Position::Subscribed { next: first + 1 };
        (copy.seq, copy.joined_at) = (first, head);
        copy.known = copy.known.max(first);
        Ok(())
    }

    /// Receives an event.
    ///
    /// # Errors
    /// The promise that it breaks.
    pub fn receive_event(
        &mut self,
        vault: usize,
        seq: u64,
        mutation: u64,
        rows: &VaultRows,
    ) -> Result<(), Violation> {
        let client = self.index;
        let user = user_id(client);
        let copy = self.copy(vault);
        let fail = |promise, what: String| {
            Err(Violation::new(
                promise,
                format!("client {client}, vault {vault}: {what}"),
            ))
        };
        if copy.position == Position::Removed {
            return fail(
                Promise::NothingAfterRemoval,
                format!("event {seq} after the removal"),
            );
        }
        let Some(next) = copy.position.next() else {
            return fail(
                Promise::InOrderSent,
                format!("event {seq} without a subscription"),
            );
        };
        if seq != next {
            return fail(
                Promise::InOrderOnce,
                format!("event {seq} instead of {next}"),
            );
        }
        let Some(entry) = rows.event(seq) else {
            return fail(Promise::OnDiskFirst, format!("event {seq} is not on disk"));
        };
        if entry.mutation != mutation {
            return fail(
                Promise::OnDiskFirst,
                format!("event {seq} differs from the journal"),
            );
        }
        copy.position = Position::Subscribed { next: seq + 1 };
        copy.seq = seq;
        copy.known = copy.known.max(seq);
        match &entry.event.state_change {
            StateChange::MemberRemoved { user: removed }
                if *removed == user && seq > copy.joined_at =>
            {
                // The error that follows may be lost with the connection.
                copy.lose_interest();
                copy.position = Position::Removed;
            }
            StateChange::VaultDeleted => {
                copy.end_unwanted();
                copy.joins.clear();
            }
            _ => {}
        }
        Ok(())
    }

    /// Receives the answer to a mutation.
    pub fn receive_answer(&mut self, vault: usize, seq: Option<u64>) {
        let Some(seq) = seq else {
            return;
        };
        let last = self.answered.entry(vault).or_default();
        *last = (*last).max(seq);
        let copy = self.copy(vault);
        copy.known = copy.known.max(seq);
    }
}
