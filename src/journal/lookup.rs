//! Reads that opening a vault and deciding a batch need: vaults, events, referenced sources and users, remembered answers.

use std::collections::HashMap;

use entity::{event, head, idempotency_key, source, user, vault};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, TransactionTrait};

use crate::domain::{
    Members, Membership, MutationAnswer, Resource, Seq, Source, SourceId, Timestamp, User, UserId,
    Vault, VaultId,
    idempotency::{IdempotencyKey, REMEMBERED_FOR_MILLIS, RememberedAnswers},
};

use super::{
    record::JournalRecord,
    rows,
    sql_executor::SqlExecutor,
    sql_row::{FromSqlRow, SqlRow},
    statements::{execute, query, query_rows, select},
};

/// How many members one query returns.
const MEMBERS_PER_PAGE: i64 = 1024;

/// An idempotency key and the user it belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct UserKey<'a> {
    pub user: &'a UserId,
    pub key: &'a IdempotencyKey,
}

/// A page of members as one JSON text.
struct MembersPage {
    members: Option<String>,
}

/// What a loaded vault holds of a member: the user, the role and the time.
type MemberColumns = (String, String, i64);

impl FromSqlRow for MembersPage {
    const COLUMNS: &'static str = "members";

    fn from_row(mut row: SqlRow) -> Result<Self, DbErr> {
        Ok(Self {
            members: row.take("members")?,
        })
    }
}

/// Returns a vault's current state: `None` when it never existed, without members when it was deleted.
pub(super) async fn vault(db: &impl SqlExecutor, id: &VaultId) -> Result<Option<Vault>, DbErr> {
    let of_vault = || [id.as_str().into()];
    let rows = query(
        db,
        &select::<vault::Model>("FROM vaults WHERE id = $1"),
        of_vault(),
    )
    .await?;
    let Some(row): Option<vault::Model> = rows.into_iter().next() else {
        return Ok(None);
    };
    let head = head(db, id)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("head of vault {id}")))?;
    let members = members(db, id).await?;
    Ok(Some(Vault {
        id: id.clone(),
        name: row.name.into(),
        head,
        members: members.into(),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    }))
}

/// Returns the members of a vault, which may be thousands. Reads them in pages, so that the memory of a query does not grow with their
/// number, and each page as one text, because a row of a driver takes longer than a member.
async fn members(db: &impl SqlExecutor, id: &VaultId) -> Result<Members, DbErr> {
    let aggregate = match db.backend() {
        DbBackend::Sqlite => "json_group_array(json_array(user_id, role, created_at))",
        _ => "CAST(json_agg(json_build_array(user_id, role, created_at)) AS TEXT)",
    };
    let sql = format!(
        "SELECT {aggregate} AS members FROM (SELECT user_id, role, created_at FROM vault_users \
         WHERE vault_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3) AS page"
    );
    let mut members = Vec::new();
    // No user id is empty.
    let mut last = String::new();
    loop {
        let values = [id.as_str().into(), last.into(), MEMBERS_PER_PAGE.into()];
        let pages: Vec<MembersPage> = query(db, &sql, values).await?;
        let text = pages.into_iter().find_map(|page| page.members);
        let page: Vec<MemberColumns> = serde_json::from_str(text.as_deref().unwrap_or("[]"))
            .map_err(|error| DbErr::Json(format!("members of vault {id}: {error}")))?;
        let is_last = (page.len() as i64) < MEMBERS_PER_PAGE;
        last = page
            .last()
            .map(|(user, ..)| user.clone())
            .unwrap_or_default();
        for (user, role, created_at) in page {
            let membership = Membership {
                role: rows::role(&role)?,
                created_at: Timestamp(created_at),
            };
            members.push((UserId::from_row(user), membership));
        }
        if is_last {
            return Ok(members.into_iter().collect());
        }
    }
}

/// Returns a vault's head.
pub(super) async fn head(db: &impl SqlExecutor, id: &VaultId) -> Result<Option<Seq>, DbErr> {
    let sql = select::<head::Model>("FROM vault_heads WHERE vault_id = $1");
    let rows: Vec<head::Model> = query(db, &sql, [id.as_str().into()]).await?;
    Ok(rows.first().map(|row| Seq::from_row(row.head)))
}

/// Fails when a transaction in progress has moved a vault's head. Waits for the head only briefly, because other reads need
/// the connection.
pub(super) async fn check_head_is_unlocked(
    db: &DatabaseConnection,
    id: &VaultId,
) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    let txn = db.begin().await?;
    txn.execute_unprepared("SET LOCAL lock_timeout = '250ms'")
        .await?;
    let sql = "SELECT head FROM vault_heads WHERE vault_id = $1 FOR SHARE";
    execute(&txn, sql, [id.as_str().into()]).await?;
    txn.commit().await
}

/// Returns at most `limit` records after a seq, oldest first.
pub(super) async fn records(
    db: &impl SqlExecutor,
    id: &VaultId,
    after: Seq,
    limit: usize,
) -> Result<Vec<JournalRecord>, DbErr> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rest = "FROM vault_events WHERE vault_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
    let sql = select::<event::Model>(rest);
    let values = [id.as_str().into(), after.to_row().into(), limit.into()];
    let found: Vec<event::Model> = query(db, &sql, values).await?;
    found.into_iter().map(rows::record).collect()
}

/// Returns the sources with these ids that exist.
pub(super) async fn sources(
    db: &impl SqlExecutor,
    ids: &[SourceId],
) -> Result<HashMap<SourceId, Source>, DbErr> {
    let ids: Vec<_> = ids.iter().map(|id| [id.as_str().into()]).collect();
    let found: Vec<source::Model> = query_rows(
        db,
        &select::<source::Model>("FROM sources WHERE id IN (VALUES"),
        &ids,
        ")",
    )
    .await?;
    let by_id = |source: Source| (source.id.clone(), source);
    Ok(found.into_iter().map(rows::source).map(by_id).collect())
}

/// Returns the known users with these ids or emails. Emails are compared without case.
pub(super) async fn users(
    db: &impl SqlExecutor,
    ids: &[UserId],
    emails: &[String],
) -> Result<HashMap<UserId, User>, DbErr> {
    let ids: Vec<_> = ids.iter().map(|id| [id.as_str().into()]).collect();
    let emails: Vec<_> = emails.iter().map(|email| [email.as_str().into()]).collect();
    let mut found: Vec<user::Model> = query_rows(
        db,
        &select::<user::Model>("FROM users WHERE id IN (VALUES"),
        &ids,
        ")",
    )
    .await?;
    found.append(
        &mut query_rows(
            db,
            &select::<user::Model>(
                "FROM users WHERE lower(email) IN (SELECT lower(v.column1) FROM (VALUES",
            ),
            &emails,
            ") AS v)",
        )
        .await?,
    );
    let by_id = |user: User| (user.id.clone(), user);
    Ok(found.into_iter().map(rows::user).map(by_id).collect())
}

/// Returns the answers under these idempotency keys that are still remembered.
pub(super) async fn remembered_answers(
    db: &impl SqlExecutor,
    keys: &[UserKey<'_>],
) -> Result<RememberedAnswers, DbErr> {
    let row_keys: Vec<_> = keys
        .iter()
        .map(|UserKey { user, key }| [user.as_str().into(), (&key.path).into(), (&key.key).into()])
        .collect();
    let found: Vec<idempotency_key::Model> = query_rows(
        db,
        &select::<idempotency_key::Model>(
            "FROM idempotency_keys WHERE (user_id, path, key) IN (VALUES",
        ),
        &row_keys,
        ")",
    )
    .await?;
    let oldest = Timestamp::now().0 - REMEMBERED_FOR_MILLIS;
    let mut answers = RememberedAnswers::default();
    for row in found.into_iter().filter(|row| row.created_at > oldest) {
        let mut resource: Resource = serde_json::from_str(&row.answer)
            .map_err(|e| DbErr::Type(format!("answer under key {:?}: {e}", row.key)))?;
        let seq = Seq::from_row(row.seq);
        match &mut resource {
            // The stored JSON lacks both, because responses carry them in headers.
            Resource::Source(source) => (source.seq, source.created_seq) = (seq, seq),
            Resource::Member(_) | Resource::Vault(_) | Resource::Nothing => {}
        }
        let key = IdempotencyKey {
            path: row.path,
            key: row.key,
            fingerprint: row.fingerprint,
        };
        let by = UserId::from_row(row.user_id);
        answers.remember(&by, &key, MutationAnswer { seq, resource });
    }
    Ok(answers)
}
