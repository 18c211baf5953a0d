//! Writes the rows of a transaction in as few statements as there are tables.

use sea_orm::{DbErr, Value};

use crate::domain::{
    Membership, Role, Source, Timestamp, UserId, UserProfile, VaultId, ids::MembershipId,
};

use super::{
    pending_rows::{CreatedVault, PendingRows, text},
    sql_executor::SqlExecutor,
    statements::SqlScript,
    update_rows::{self, file_size},
};

/// The value of `users.updated_at` for a name and email of no dated session.
const UNDATED: i64 = 0;

/// Rows to insert, by table.
#[derive(Default)]
struct InsertRows {
    vaults: Vec<[Value; 6]>,
    heads: Vec<[Value; 2]>,
    members: Vec<[Value; 6]>,
    sources: Vec<[Value; 11]>,
}

/// Writes everything but heads and answers, which were claimed before. Returns the statements that remain to be executed
/// with the commit.
///
/// # Errors
/// When the database rejects a statement, or a row to be changed does not exist.
pub(super) async fn write(txn: &impl SqlExecutor, rows: PendingRows) -> Result<SqlScript, DbErr> {
    let now = Timestamp::now();
    let new = collect(&rows);
    let seen_users = rows.seen_users.values().map(|user| user_row(user, now));
    let referenced_users = rows
        .referenced_users
        .iter()
        .map(|id| [text(id), now.0.into(), UNDATED.into()]);

    let mut script = SqlScript::new(txn);
    script.add_rows(
        "INSERT INTO vault_events (vault_id, seq, kind, payload, created_at) VALUES",
        rows.events,
        "",
    );
    script.add_rows(
        "INSERT INTO sources (id, vault_id, title, file_url, file_key, file_size, mime_type, seq, \
         created_seq, created_at, updated_at) VALUES",
        new.sources,
        "",
    );
    script.add_rows(
        "INSERT INTO users (id, name, email, created_at, updated_at) VALUES",
        seen_users.collect(),
        &update_user(),
    );
    script.add_rows(
        "INSERT INTO users (id, created_at, updated_at) VALUES",
        referenced_users.collect(),
        "ON CONFLICT (id) DO NOTHING",
    );
    script.add_rows(
        "INSERT INTO vaults (id, name, created_name, created_by, created_at, updated_at) VALUES",
        new.vaults,
        "",
    );
    script.add_rows(
        "INSERT INTO vault_heads (vault_id, head) VALUES",
        new.heads,
        "",
    );
    script.add_rows(
        "INSERT INTO vault_users (vault_id, user_id, id, role, created_at, updated_at) VALUES",
        new.members,
        "",
    );
    script.add_rows(
        "INSERT INTO stored_sockets (pid, state, expires) VALUES",
        rows.sockets.into_values().collect(),
        "ON CONFLICT (pid) DO UPDATE SET state = excluded.state, expires = excluded.expires",
    );
    if !rows
        .changes
        .iter()
        .any(|changes| changes.rows.changes_rows())
    {
        return Ok(script);
    }
    script.execute(txn).await?;
    for changes in rows.changes {
        update_rows::write(txn, changes).await?;
    }
    Ok(SqlScript::new(txn))
}

/// Collects the rows of new vaults, members, and sources.
fn collect(rows: &PendingRows) -> InsertRows {
    let mut new_rows = InsertRows::default();
    for CreatedVault { new, at } in &rows.new_vaults {
        let name: Value = new.name.as_str().into();
        new_rows.vaults.push([
            text(&new.id),
            name.clone(),
            name,
            text(&new.by.id),
            at.0.into(),
            at.0.into(),
        ]);
        new_rows.heads.push([text(&new.id), 0_i64.into()]);
        let owner = Membership {
            role: Role::Owner,
            created_at: *at,
        };
        let member = member_row(&new.id, &new.by.id, &new.membership, owner);
        new_rows.members.push(member);
    }
    for changes in &rows.changes {
        for (user, new) in &changes.rows.members_added {
            let member = member_row(&changes.vault.id, user, &new.id, new.membership);
            new_rows.members.push(member);
        }
        let sources = changes.rows.sources_created.values();
        new_rows.sources.extend(sources.map(source_row));
    }
    new_rows
}

fn member_row(
    vault: &VaultId,
    user: &UserId,
    id: &MembershipId,
    membership: Membership,
) -> [Value; 6] {
    [
        text(vault),
        text(user),
        text(id),
        membership.role.as_str().into(),
        membership.created_at.0.into(),
        membership.created_at.0.into(),
    ]
}

fn source_row(source: &Source) -> [Value; 11] {
    [
        text(&source.id),
        text(&source.vault_id),
        source.title.as_str().into(),
        source.file_url.as_str().into(),
        source.file_key.clone().into(),
        file_size(source.file_size).into(),
        source.mime_type.as_str().into(),
        source.seq.to_row().into(),
        source.created_seq.to_row().into(),
        source.created_at.0.into(),
        source.updated_at.0.into(),
    ]
}

fn user_row(user: &UserProfile, now: Timestamp) -> [Value; 5] {
    let UserProfile {
        principal,
        issued_at,
    } = user;
    [
        text(&principal.id),
        principal.name.clone().into(),
        principal.email.clone().into(),
        now.0.into(),
        issued_at.map_or(UNDATED, |at| at.0).into(),
    ]
}

/// Returns the update of a recorded user, by the rules of [`UserProfile::merge`]: another process may have recorded a
/// session that was issued later.
fn update_user() -> String {
    let newer =
        format!("excluded.updated_at = {UNDATED} OR excluded.updated_at >= users.updated_at");
    let merged = |column: &str| {
        format!(
            "{column} = CASE WHEN {newer} THEN COALESCE(excluded.{column}, users.{column}) \
             ELSE COALESCE(users.{column}, excluded.{column}) END"
        )
    };
    format!(
        "ON CONFLICT (id) DO UPDATE SET {}, {}, updated_at = CASE \
         WHEN excluded.updated_at > users.updated_at THEN excluded.updated_at ELSE users.updated_at END",
        merged("name"),
        merged("email"),
    )
}
