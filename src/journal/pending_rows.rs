//! The rows of one transaction, collected while its requests are decided.
//!
//! [`PendingRows`] also moves the heads, and claims what concurrent processes may contend for: idempotency keys.
//! `insert_rows.rs` writes the rest.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{DbBackend, DbErr, Value};

use crate::domain::{
    MutationAnswer, Principal, RowChanges, Seq, Timestamp, UserId, UserProfile, Vault, VaultId,
    idempotency::{IdempotencyKey, REMEMBERED_FOR_MILLIS},
};

use super::{
    commit_probe::CommitProbe,
    record::JournalRecord,
    request::{NewVault, StoredSocket},
    sql_executor::SqlExecutor,
    statements::{SHORT_RUN, execute_rows, execute_with_rows},
};

/// The rows that the requests of a transaction add or change.
#[derive(Default)]
pub(super) struct PendingRows {
    /// Ordered by vault, so that concurrent processes lock rows in the same order.
    head_moves: BTreeMap<VaultId, HeadMove>,
    /// Ordered by key, so that concurrent processes lock rows in the same order.
    answers: BTreeMap<AnswerKey, [Value; 7]>,
    probe: Option<CommitProbe>,
    pub(super) events: Vec<[Value; 5]>,
    pub(super) seen_users: BTreeMap<UserId, UserProfile>,
    pub(super) referenced_users: BTreeSet<UserId>,
    /// Ordered by pid, so that concurrent processes lock rows in the same order.
    pub(super) sockets: BTreeMap<String, [Value; 3]>,
    pub(super) new_vaults: Vec<CreatedVault>,
    pub(super) changes: Vec<VaultChanges>,
}

/// The primary key of a remembered answer.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct AnswerKey {
    user: UserId,
    path: String,
    key: String,
}

/// A vault's head before and after the transaction.
struct HeadMove {
    from: Seq,
    to: Seq,
}

/// A vault to be created, and the time.
pub(super) struct CreatedVault {
    pub new: NewVault,
    pub at: Timestamp,
}

/// The row changes of a vault's batch, with the vault's state after it and the time.
pub(super) struct VaultChanges {
    pub vault: Vault,
    pub rows: RowChanges,
    pub at: Timestamp,
}

/// Whether all rows were claimed that the decisions rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RowClaim {
    Granted,
    /// Another process has changed one of them.
    Conflict,
}

impl PendingRows {
    /// Adds an event.
    pub(super) fn add_event(&mut self, vault: &VaultId, record: &JournalRecord, at: Timestamp) {
        self.events.push([
            text(vault),
            record.seq.to_row().into(),
            record.kind.name().into(),
            record.payload.as_ref().into(),
            at.0.into(),
        ]);
        self.probe.get_or_insert_with(|| CommitProbe::Event {
            vault: vault.clone(),
            record: record.clone(),
        });
    }

    /// Adds the changes of a vault's batch besides its events.
    pub(super) fn add_batch(
        &mut self,
        before: &Vault,
        after: &Vault,
        rows: RowChanges,
        at: Timestamp,
    ) {
        if after.head == before.head {
            return;
        }
        let (from, to) = (before.head, after.head);
        self.head_moves
            .insert(before.id.clone(), HeadMove { from, to });
        self.referenced_users.extend(rows.users.iter().cloned());
        let vault = after.clone();
        self.changes.push(VaultChanges { vault, rows, at });
    }

    /// Adds an answer to remember under its idempotency key.
    pub(super) fn add_answer(
        &mut self,
        by: &Principal,
        key: &IdempotencyKey,
        answer: &MutationAnswer,
        now: Timestamp,
    ) {
        let json =
            serde_json::to_string(&answer.resource).expect("a resource serializes without errors");
        let row = [
            text(&by.id),
            key.path.as_str().into(),
            key.key.as_str().into(),
            key.fingerprint.as_str().into(),
            answer.seq.to_row().into(),
            json.into(),
            now.0.into(),
        ];
        let key = AnswerKey {
            user: by.id.clone(),
            path: key.path.clone(),
            key: key.key.clone(),
        };
        self.answers.insert(key, row);
    }

    /// Adds a new vault with its first owner.
    pub(super) fn add_vault(&mut self, new: &NewVault, at: Timestamp) {
        self.referenced_users.insert(new.by.id.clone());
        self.probe
            .get_or_insert_with(|| CommitProbe::NewVault(new.id.clone()));
        let new = new.clone();
        self.new_vaults.push(CreatedVault { new, at });
    }

    /// Adds the name and email of a user; several of one user are merged.
    pub(super) fn add_user(&mut self, profile: &UserProfile) {
        let id = profile.principal.id.clone();
        let merged = match self.seen_users.remove(&id) {
            Some(earlier) => earlier.merge(profile.clone()),
            None => profile.clone(),
        };
        self.seen_users.insert(id, merged);
    }

    /// Adds sockets to store; of equal pids the last counts.
    pub(super) fn add_sockets(&mut self, sockets: &[StoredSocket]) {
        for StoredSocket {
            pid,
            state,
            expires,
        } in sockets
        {
            let row = [pid.into(), state.into(), expires.0.into()];
            self.sockets.insert(pid.clone(), row);
        }
    }

    /// Removes and returns the probe for an unknown commit. `None` when the transaction contains neither an event nor a
    /// new vault.
    pub(super) fn take_probe(&mut self) -> Option<CommitProbe> {
        self.probe.take()
    }

    /// Moves the heads of all vaults with events, and writes the answers under their idempotency keys.
    ///
    /// # Errors
    /// When the database rejects a statement, or a head is not where it was when it was locked.
    pub(super) async fn claim(&mut self, txn: &impl SqlExecutor) -> Result<RowClaim, DbErr> {
        self.move_heads(txn).await?;
        if self.insert_answers(txn).await? {
            return Ok(RowClaim::Granted);
        }
        Ok(RowClaim::Conflict)
    }

    async fn move_heads(&mut self, txn: &impl SqlExecutor) -> Result<(), DbErr> {
        if txn.backend() == DbBackend::Postgres
            && self.events.len() <= SHORT_RUN
            && self.head_moves.len() == 1
        {
            return self.move_head_with_events(txn).await;
        }
        let moves: Vec<_> = std::mem::take(&mut self.head_moves)
            .into_iter()
            .map(|(id, HeadMove { from, to })| {
                [text(&id), from.to_row().into(), to.to_row().into()]
            })
            .collect();
        let expected = moves.len() as u64;
        let moved = execute_rows(
            txn,
            "UPDATE vault_heads SET head = v.column3 FROM (VALUES",
            moves,
            ") AS v WHERE vault_heads.vault_id = v.column1 AND vault_heads.head = v.column2",
        )
        .await?;
        if moved == expected {
            return Ok(());
        }
        Err(heads_not_found(moved, expected))
    }

    /// Moves the only head and writes its events in one statement: a busy vault waits for one round trip less.
    async fn move_head_with_events(&mut self, txn: &impl SqlExecutor) -> Result<(), DbErr> {
        let Some((id, HeadMove { from, to })) = self.head_moves.pop_first() else {
            return Ok(());
        };
        let events = std::mem::take(&mut self.events);
        let events: Vec<_> = events
            .into_iter()
            .map(|[_vault, columns @ ..]| columns)
            .collect();
        let expected = events.len() as u64;
        let written = execute_with_rows(
            txn,
            "WITH moved AS (UPDATE vault_heads SET head = $3 WHERE vault_id = $1 AND head = $2 RETURNING vault_id) \
             INSERT INTO vault_events (vault_id, seq, kind, payload, created_at) \
             SELECT moved.vault_id, e.column1, e.column2, e.column3, e.column4 FROM moved, (VALUES",
            vec![text(&id), from.to_row().into(), to.to_row().into()],
            events,
            ") AS e",
        )
        .await?;
        if written == expected {
            return Ok(());
        }
        Err(heads_not_found(0, 1))
    }

    /// Writes the answers to remember. Returns whether no other process has used one of their keys meanwhile.
    async fn insert_answers(&mut self, txn: &impl SqlExecutor) -> Result<bool, DbErr> {
        let answers = std::mem::take(&mut self.answers);
        let expected = answers.len() as u64;
        let written = execute_rows(
            txn,
            "INSERT INTO idempotency_keys (user_id, path, key, fingerprint, seq, answer, created_at) VALUES",
            answers.into_values().collect(),
            // An expired row is replaced.
            &format!(
                "ON CONFLICT (user_id, path, key) DO UPDATE SET fingerprint = excluded.fingerprint, \
                 seq = excluded.seq, answer = excluded.answer, created_at = excluded.created_at \
                 WHERE idempotency_keys.created_at <= excluded.created_at - {REMEMBERED_FOR_MILLIS}"
            ),
        )
        .await?;
        Ok(written == expected)
    }
}

/// Converts a value to a text column.
pub(super) fn text(value: &impl ToString) -> Value {
    value.to_string().into()
}

fn heads_not_found(moved: u64, expected: u64) -> DbErr {
    DbErr::Custom(format!(
        "{moved} of {expected} locked heads were found: another program writes to the tables"
    ))
}
