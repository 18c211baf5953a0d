//! Rows ↔ domain, nothing else.

use entity::{event, source, user};
use sea_orm::DbErr;

use crate::domain::{Role, Seq, Source, SourceId, Timestamp, User, UserId, VaultId};

use super::record::{Kind, Record};

/// A source from its row.
pub(super) fn source(row: source::Model) -> Source {
    Source {
        id: SourceId::from_row(row.id),
        title: row.title,
        file_url: row.file_url,
        file_key: row.file_key,
        file_size: row.file_size.and_then(|size| u64::try_from(size).ok()),
        mime_type: row.mime_type,
        vault_id: VaultId::from_row(row.vault_id),
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
        seq: Seq::from_row(row.seq),
        created_seq: Seq::from_row(row.created_seq),
    }
}

/// A user from his row.
pub(super) fn user(row: user::Model) -> User {
    User {
        id: UserId::from_row(row.id),
        name: row.name,
        email: row.email,
    }
}

/// A role from its column.
pub(super) fn role(name: &str) -> Result<Role, DbErr> {
    name.parse()
        .map_err(|()| DbErr::Type(format!("unknown role {name:?} in vault_users")))
}

/// An event from its row.
pub(super) fn record(row: event::Model) -> Result<Record, DbErr> {
    let kind = Kind::parse(&row.kind)
        .ok_or_else(|| DbErr::Type(format!("unknown kind {:?} in vault_events", row.kind)))?;
    Ok(Record {
        seq: Seq::from_row(row.seq),
        kind,
        payload: row.payload.into(),
    })
}
