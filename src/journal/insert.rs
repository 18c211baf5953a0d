//! The rows that a transaction comes to, collected while it is decided and written in as few statements as
//! there are tables.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, DbErr, Value};

use crate::domain::{
    Answer, Principal, Role, Seq, Timestamp, UserId, Vault, VaultId,
    draft::Net,
    idempotency::{IdempotencyKey, REMEMBERED_FOR_MILLIS},
    ids::MembershipId,
    vault::Membership,
};

use super::{
    kept::KeptSocket,
    lookup,
    record::Record,
    statements::{Script, execute, execute_rows},
    witness::Witness,
    work::NewVault,
};

/// What all works of a transaction come to in rows.
#[derive(Default)]
pub(super) struct Rows {
    /// By vault, so that processes that meet in several vaults take their rows in the same order.
    heads: BTreeMap<VaultId, (Seq, Seq)>,
    /// Heads that do not move: what was refused was refused for what is true at this place.
    still: Vec<[Value; 2]>,
    events: Vec<[Value; 5]>,
    keys: Vec<[Value; 7]>,
    seen: BTreeMap<UserId, Principal>,
    named: BTreeSet<UserId>,
    /// By pid, in whose order processes that keep the same sockets take their rows.
    kept: BTreeMap<String, [Value; 3]>,
    vaults: Vec<(NewVault, Timestamp)>,
    nets: Vec<(Vault, Net, Timestamp)>,
    witness: Option<Witness>,
}

impl Rows {
    /// An event, as its record.
    pub(super) fn event(&mut self, vault: &VaultId, record: &Record, at: Timestamp) {
        self.events.push([
            text(vault),
            record.seq.to_row().into(),
            record.kind.as_str().into(),
            record.payload.as_ref().into(),
            at.0.into(),
        ]);
        self.witness
            .get_or_insert_with(|| Witness::Event(vault.clone(), record.clone()));
    }

    /// What a vault's batch comes to beside its events.
    pub(super) fn batch(&mut self, before: &Vault, after: &Vault, net: Net, now: Timestamp) {
        if after.head == before.head {
            let head = before.head.to_row().into();
            return self.still.push([text(&before.id), head]);
        }
        self.heads
            .insert(before.id.clone(), (before.head, after.head));
        self.named.extend(net.users.iter().cloned());
        self.nets.push((after.clone(), net, now));
    }

    /// An answer to be remembered.
    pub(super) fn answer(
        &mut self,
        by: &Principal,
        key: &IdempotencyKey,
        answer: &Answer,
        now: Timestamp,
    ) {
        let json = serde_json::to_string(&answer.resource).expect("texts and numbers are JSON");
        self.keys.push([
            text(&by.id),
            key.path.as_str().into(),
            key.key.as_str().into(),
            key.fingerprint.as_str().into(),
            answer.seq.to_row().into(),
            json.into(),
            now.0.into(),
        ]);
    }

    /// A new vault with its first owner.
    pub(super) fn vault(&mut self, new: &NewVault, now: Timestamp) {
        self.named.insert(new.by.id.clone());
        self.witness
            .get_or_insert_with(|| Witness::Vault(new.id.clone()));
        self.vaults.push((new.clone(), now));
    }

    /// A user as his session tells him; the latest counts.
    pub(super) fn seen(&mut self, principal: &Principal) {
        self.seen.insert(principal.id.clone(), principal.clone());
    }

    /// Sockets to be kept; of the same pid the last counts.
    pub(super) fn keep(&mut self, sockets: &[KeptSocket]) {
        for KeptSocket {
            pid,
            state,
            expires,
        } in sockets
        {
            let row = [pid.into(), state.into(), expires.0.into()];
            self.kept.insert(pid.clone(), row);
        }
    }

    /// What to look for when nobody knows whether the commit happened.
    pub(super) fn take_witness(&mut self) -> Option<Witness> {
        self.witness.take()
    }

    /// Moves the heads of all vaults that have events, and looks whether the others' are still there; `false` when one
    /// is not where it was thought to be.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) async fn take_heads(&mut self, txn: &impl ConnectionTrait) -> Result<bool, DbErr> {
        let row = |(id, (from, to)): (VaultId, (Seq, Seq))| {
            [text(&id), from.to_row().into(), to.to_row().into()]
        };
        let heads: Vec<_> = std::mem::take(&mut self.heads)
            .into_iter()
            .map(row)
            .collect();
        let wanted = heads.len() as u64;
        let taken = execute_rows(
            txn,
            "UPDATE vault_heads SET head = v.column3 FROM (VALUES",
            heads,
            ") AS v WHERE vault_heads.vault_id = v.column1 AND vault_heads.head = v.column2",
        )
        .await?;
        Ok(taken == wanted && lookup::stand_still(txn, &self.still).await?)
    }

    /// Remembers the answers; `false` when another process has answered under one of the keys meanwhile.
    ///
    /// # Errors
    /// When the database refuses.
    pub(super) async fn take_keys(&mut self, txn: &impl ConnectionTrait) -> Result<bool, DbErr> {
        let keys = std::mem::take(&mut self.keys);
        let wanted = keys.len() as u64;
        let taken = execute_rows(
            txn,
            "INSERT INTO idempotency_keys (user_id, path, key, fingerprint, seq, answer, created_at) VALUES",
            keys,
            // A row that is older than answers are remembered for gives way.
            &format!(
                "ON CONFLICT (user_id, path, key) DO UPDATE SET fingerprint = excluded.fingerprint, \
                 seq = excluded.seq, answer = excluded.answer, created_at = excluded.created_at \
                 WHERE idempotency_keys.created_at <= excluded.created_at - {REMEMBERED_FOR_MILLIS}"
            ),
        )
        .await?;
        Ok(taken == wanted)
    }

    /// Writes everything but the heads and the answers; what is left to be executed right before the commit.
    ///
    /// # Errors
    /// When the database refuses, or a row that was decided on is no longer there.
    pub(super) async fn insert(self, txn: &impl ConnectionTrait) -> Result<Script, DbErr> {
        insert(txn, self).await
    }
}

async fn insert(txn: &impl ConnectionTrait, rows: Rows) -> Result<Script, DbErr> {
    let now = Timestamp::now().0;
    let mut members: Vec<[Value; 6]> = Vec::new();
    let mut sources: Vec<[Value; 11]> = Vec::new();
    let (mut vaults, mut heads): (Vec<[Value; 6]>, Vec<[Value; 2]>) = (Vec::new(), Vec::new());
    for (new, at) in &rows.vaults {
        let name: Value = new.name.as_str().into();
        vaults.push([
            text(&new.id),
            name.clone(),
            name,
            text(&new.by.id),
            at.0.into(),
            at.0.into(),
        ]);
        heads.push([text(&new.id), 0_i64.into()]);
        let owner = Membership {
            role: Role::Owner,
            created_at: *at,
        };
        members.push(member_row(&new.id, &new.by.id, &new.membership, owner));
    }
    for (vault, net, _) in &rows.nets {
        for (user, (id, membership)) in &net.members_added {
            members.push(member_row(&vault.id, user, id, *membership));
        }
        for source in net.sources_created.values() {
            sources.push([
                text(&source.id),
                text(&source.vault_id),
                source.title.as_str().into(),
                source.file_url.as_str().into(),
                source.file_key.clone().into(),
                size(source.file_size).into(),
                source.mime_type.as_str().into(),
                source.seq.to_row().into(),
                source.created_seq.to_row().into(),
                source.created_at.0.into(),
                source.updated_at.0.into(),
            ]);
        }
    }
    let seen: Vec<_> = rows.seen.values().map(|user| seen_row(user, now)).collect();
    let named = rows
        .named
        .iter()
        .map(|id| [text(id), now.into(), now.into()])
        .collect();

    let mut script = Script::of(txn);
    script.rows(
        "INSERT INTO vault_events (vault_id, seq, kind, payload, created_at) VALUES",
        rows.events,
        "",
    );
    script.rows(
        "INSERT INTO sources (id, vault_id, title, file_url, file_key, file_size, mime_type, seq, \
         created_seq, created_at, updated_at) VALUES",
        sources,
        "",
    );
    script.rows(
        "INSERT INTO users (id, name, email, created_at, updated_at) VALUES",
        seen,
        // A session that tells no name takes none away.
        "ON CONFLICT (id) DO UPDATE SET name = COALESCE(excluded.name, users.name), \
         email = COALESCE(excluded.email, users.email), updated_at = excluded.updated_at",
    );
    script.rows(
        "INSERT INTO users (id, created_at, updated_at) VALUES",
        named,
        "ON CONFLICT (id) DO NOTHING",
    );
    script.rows(
        "INSERT INTO vaults (id, name, created_name, created_by, created_at, updated_at) VALUES",
        vaults,
        "",
    );
    script.rows("INSERT INTO vault_heads (vault_id, head) VALUES", heads, "");
    script.rows(
        "INSERT INTO vault_users (vault_id, user_id, id, role, created_at, updated_at) VALUES",
        members,
        "",
    );
    script.rows(
        "INSERT INTO kept_sockets (pid, state, expires) VALUES",
        rows.kept.into_values().collect(),
        "ON CONFLICT (pid) DO UPDATE SET state = excluded.state, expires = excluded.expires",
    );
    if !rows.nets.iter().any(|(_, net, _)| net.changes_rows()) {
        return Ok(script);
    }
    script.execute(txn).await?;
    for (vault, net, at) in rows.nets {
        change(txn, &vault, net, at).await?;
    }
    Ok(Script::of(txn))
}

/// Writes what a batch did to rows that were there before.
async fn change(
    txn: &impl ConnectionTrait,
    vault: &Vault,
    net: Net,
    now: Timestamp,
) -> Result<(), DbErr> {
    let id = || text(&vault.id);
    let mut expected = 0;
    let mut touched = 0;
    for (source_id, source) in net.sources_changed {
        expected += 1;
        touched += match source {
            Some(source) => {
                let values = [
                    source.title.into(),
                    source.file_url.into(),
                    source.file_key.into(),
                    size(source.file_size).into(),
                    source.mime_type.into(),
                    source.seq.to_row().into(),
                    source.updated_at.0.into(),
                    text(&source_id),
                    id(),
                ];
                let sql = "UPDATE sources SET title = $1, file_url = $2, file_key = $3, file_size = $4, \
                     mime_type = $5, seq = $6, updated_at = $7 WHERE id = $8 AND vault_id = $9";
                execute(txn, sql, values).await?
            }
            None => {
                let sql = "DELETE FROM sources WHERE id = $1 AND vault_id = $2";
                execute(txn, sql, [text(&source_id), id()]).await?
            }
        };
    }
    for (user, membership) in net.members_changed {
        expected += 1;
        touched += match membership {
            Some(membership) => {
                let values = [
                    membership.role.as_str().into(),
                    membership.created_at.0.into(),
                    now.0.into(),
                    id(),
                    text(&user),
                ];
                let sql = "UPDATE vault_users SET role = $1, created_at = $2, updated_at = $3 \
                     WHERE vault_id = $4 AND user_id = $5";
                execute(txn, sql, values).await?
            }
            None => {
                let sql = "DELETE FROM vault_users WHERE vault_id = $1 AND user_id = $2";
                execute(txn, sql, [id(), text(&user)]).await?
            }
        };
    }
    if touched != expected {
        // What was decided on is not what is there: somebody else writes rows behind the journal's back.
        let vault = &vault.id;
        return Err(DbErr::Custom(format!(
            "vault {vault}: {touched} of {expected} rows to change were found"
        )));
    }
    if net.renamed {
        let values = [vault.name.as_ref().into(), vault.updated_at.0.into(), id()];
        let sql = "UPDATE vaults SET name = $1, updated_at = $2 WHERE id = $3";
        execute(txn, sql, values).await?;
    }
    if net.deleted {
        // The tombstone stays with its head and journal; everything else goes.
        let sql = "UPDATE vaults SET deleted_at = $1 WHERE id = $2";
        execute(txn, sql, [now.0.into(), id()]).await?;
        execute(txn, "DELETE FROM sources WHERE vault_id = $1", [id()]).await?;
        execute(txn, "DELETE FROM vault_users WHERE vault_id = $1", [id()]).await?;
    }
    Ok(())
}

fn member_row(vault: &VaultId, user: &UserId, id: &MembershipId, is: Membership) -> [Value; 6] {
    [
        text(vault),
        text(user),
        text(id),
        is.role.as_str().into(),
        is.created_at.0.into(),
        is.created_at.0.into(),
    ]
}

fn seen_row(user: &Principal, now: i64) -> [Value; 5] {
    [
        text(&user.id),
        user.name.clone().into(),
        user.email.clone().into(),
        now.into(),
        now.into(),
    ]
}

fn text(of: &impl ToString) -> Value {
    of.to_string().into()
}

fn size(bytes: Option<u64>) -> Option<i64> {
    bytes.and_then(|bytes| i64::try_from(bytes).ok())
}
