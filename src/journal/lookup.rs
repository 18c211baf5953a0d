//! What deciding and opening need to know: vaults as they stand, sources and users by name, answers given.

use std::collections::HashMap;

use entity::{event, head, idempotency_key, member, source, user, vault};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value,
};

use crate::domain::{
    Answer, Resource, Seq, Source, SourceId, Timestamp, User, UserId, Vault, VaultId,
    idempotency::{Answers, IdempotencyKey, REMEMBERED_FOR_MILLIS},
    vault::Membership,
};

use super::{record::Record, rows, statements::query_rows};

/// The vault as it stands; `None` when it never was, no members when it was deleted.
pub(super) async fn vault(db: &impl ConnectionTrait, id: &VaultId) -> Result<Option<Vault>, DbErr> {
    let Some(row) = vault::Entity::find_by_id(id.as_str()).one(db).await? else {
        return Ok(None);
    };
    let head = head(db, id)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("head of vault {id}")))?;
    let members = member::Entity::find()
        .filter(member::Column::VaultId.eq(id.as_str()))
        .all(db)
        .await?
        .into_iter()
        .map(|row| {
            let membership = Membership {
                role: rows::role(&row.role)?,
                created_at: Timestamp(row.created_at),
            };
            Ok((UserId::from_row(row.user_id), membership))
        })
        .collect::<Result<HashMap<_, _>, DbErr>>()?;
    Ok(Some(Vault {
        id: id.clone(),
        name: row.name.into(),
        head,
        members: members.into(),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
    }))
}

/// Where a vault stands.
pub(super) async fn head(db: &impl ConnectionTrait, id: &VaultId) -> Result<Option<Seq>, DbErr> {
    let row = head::Entity::find_by_id(id.as_str()).one(db).await?;
    Ok(row.map(|row| Seq::from_row(row.head)))
}

/// At most `limit` records after a place, oldest first.
pub(super) async fn records(
    db: &impl ConnectionTrait,
    id: &VaultId,
    after: Seq,
    limit: usize,
) -> Result<Vec<Record>, DbErr> {
    event::Entity::find()
        .filter(event::Column::VaultId.eq(id.as_str()))
        .filter(event::Column::Seq.gt(after.to_row()))
        .order_by_asc(event::Column::Seq)
        .limit(limit as u64)
        .all(db)
        .await?
        .into_iter()
        .map(rows::record)
        .collect()
}

/// The vault as it stands and every record after a place; to be read from one snapshot. Of one that was deleted so long ago that
/// nothing is left, no vault.
pub(super) async fn catch_up(
    txn: &impl ConnectionTrait,
    id: &VaultId,
    after: Seq,
) -> Result<(Option<Vault>, Vec<Record>), DbErr> {
    let now = vault(txn, id).await?;
    let missed = records(txn, id, after, usize::MAX >> 1).await?;
    Ok((now, missed))
}

/// The sources of these ids that there are.
pub(super) async fn sources(
    db: &impl ConnectionTrait,
    ids: &[SourceId],
) -> Result<HashMap<SourceId, Source>, DbErr> {
    let ids: Vec<_> = ids.iter().map(|id| [id.as_str().into()]).collect();
    let found: Vec<source::Model> =
        query_rows(db, "SELECT * FROM sources WHERE id IN (VALUES", &ids, ")").await?;
    let by_id = |source: Source| (source.id.clone(), source);
    Ok(found.into_iter().map(rows::source).map(by_id).collect())
}

/// The users with these ids or emails that are known. Emails are compared in any case.
pub(super) async fn users(
    db: &impl ConnectionTrait,
    ids: &[UserId],
    emails: &[String],
) -> Result<HashMap<UserId, User>, DbErr> {
    let ids: Vec<_> = ids.iter().map(|id| [id.as_str().into()]).collect();
    let emails: Vec<_> = emails.iter().map(|email| [email.as_str().into()]).collect();
    let mut found: Vec<user::Model> =
        query_rows(db, "SELECT * FROM users WHERE id IN (VALUES", &ids, ")").await?;
    found.append(
        &mut query_rows(
            db,
            "SELECT * FROM users WHERE lower(email) IN (SELECT lower(v.column1) FROM (VALUES",
            &emails,
            ") AS v)",
        )
        .await?,
    );
    let by_id = |user: User| (user.id.clone(), user);
    Ok(found.into_iter().map(rows::user).map(by_id).collect())
}

/// Whether these vaults all have their heads where they are thought to be.
pub(super) async fn stand_still(
    db: &impl ConnectionTrait,
    heads: &[[Value; 2]],
) -> Result<bool, DbErr> {
    let found: Vec<head::Model> = query_rows(
        db,
        "SELECT * FROM vault_heads WHERE (vault_id, head) IN (VALUES",
        heads,
        ")",
    )
    .await?;
    Ok(found.len() == heads.len())
}

/// The answers that these keys were given and that are still remembered.
pub(super) async fn answers(
    db: &impl ConnectionTrait,
    keys: &[(&UserId, &IdempotencyKey)],
) -> Result<Answers, DbErr> {
    let places: Vec<_> = keys
        .iter()
        .map(|(by, key)| [by.as_str().into(), (&key.path).into(), (&key.key).into()])
        .collect();
    let found: Vec<idempotency_key::Model> = query_rows(
        db,
        "SELECT * FROM idempotency_keys WHERE (user_id, path, key) IN (VALUES",
        &places,
        ")",
    )
    .await?;
    let oldest = Timestamp::now().0 - REMEMBERED_FOR_MILLIS;
    let mut answers = Answers::default();
    for row in found.into_iter().filter(|row| row.created_at > oldest) {
        let mut resource: Resource = serde_json::from_str(&row.answer)
            .map_err(|e| DbErr::Type(format!("answer under key {:?}: {e}", row.key)))?;
        let seq = Seq::from_row(row.seq);
        if let Resource::Source(source) = &mut resource {
            // Told in headers, so not in the JSON that was kept.
            (source.seq, source.created_seq) = (seq, seq);
        }
        let key = IdempotencyKey {
            path: row.path,
            key: row.key,
            fingerprint: row.fingerprint,
        };
        let by = UserId::from_row(row.user_id);
        answers.remember(&by, &key, Answer { seq, resource });
    }
    Ok(answers)
}
