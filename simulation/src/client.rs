//! The modelled client: it behaves like the official one, and checks what it receives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    pub copies: BTreeMap<usize, Copy>,
    /// The `seq` of the last answer of the current connection, by vault.
    pub answered: BTreeMap<usize, u64>,
}

/// What a client has of one vault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Copy {
    /// Whether the user of the client wants to be subscribed.
    pub wanted: bool,
    /// The last event that the client knows of: received, or answered.
    pub known: u64,
    /// The position for `since`.
    pub seq: u64,
    /// The number of the next event, while the client is subscribed.
    pub next: Option<u64>,
    /// The joins of the current connection without an answer, in the order sent.
    pub joins: VecDeque<SentJoin>,
    /// Whether a join of a former connection may not have arrived.
    pub sends_join_again: bool,
    /// Whether the acknowledgement of a leave is missing.
    pub leaving: bool,
    /// The `seq` of the last `vault:joined`. A removal before it has not ended the subscription.
    pub joined_at: u64,
    /// Whether the last event removed the user of the client.
    pub removed: bool,
}

/// A join that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SentJoin {
    pub since: Option<u64>,
    /// What the client knew when it sent the join.
    pub known: u64,
    /// The disturbances of the vault at that time. While there are no new ones, the join keeps its place.
    pub disturbances: u64,
    /// The mutations that were sent before it on the same connection.
    pub after: BTreeSet<u64>,
}

impl Client {
    /// Forgets what ended with the connection. A recovered connection keeps its subscriptions.
    pub fn begin_connection(&mut self, recovered: bool) {
        self.answered.clear();
        for copy in self.copies.values_mut() {
            if recovered {
                // They may not have arrived, and are sent again. Those that arrived take their place when they are asked again.
                copy.sends_join_again = !copy.joins.is_empty();
                for join in &mut copy.joins {
                    join.disturbances = u64::MAX;
                }
            } else {
                copy.next = None;
                copy.leaving = false;
                copy.joins.clear();
            }
        }
    }

    pub fn copy(&mut self, vault: usize) -> &mut Copy {
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
        match (copy.next, since) {
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
                && copy.next.is_none()
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
        copy.next = Some(first + 1);
        (copy.seq, copy.joined_at) = (first, head);
        copy.known = copy.known.max(first);
        copy.removed = false;
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
        if copy.removed {
            return fail(
                Promise::NothingAfterRemoval,
                format!("event {seq} after the removal"),
            );
        }
        let Some(next) = copy.next else {
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
        copy.next = Some(seq + 1);
        copy.seq = seq;
        copy.known = copy.known.max(seq);
        match &entry.event.state_change {
            StateChange::MemberRemoved { user: removed }
                if *removed == user && seq > copy.joined_at =>
            {
                // The error that follows may be lost with the connection.
                (copy.removed, copy.wanted, copy.next) = (true, false, None);
            }
            StateChange::VaultDeleted => {
                (copy.next, copy.wanted) = (None, false);
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
