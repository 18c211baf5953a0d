//! Conversions from database rows to domain types.

use entity::{event, source, user};
use sea_orm::DbErr;

use crate::domain::{
    EventKind, Principal, Role, Seq, Source, SourceId, Timestamp, User, UserId, UserProfile,
    VaultId,
};

use super::record::JournalRecord;

/// Converts a row of `sources`.
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

/// Converts a row of `users`.
pub(super) fn user(row: user::Model) -> User {
    User {
        id: UserId::from_row(row.id),
        name: row.name,
        email: row.email,
    }
}

/// Converts a row of `users` with the time of its name and email.
pub(super) fn user_profile(row: user::Model) -> UserProfile {
    let issued_at = Some(Timestamp(row.updated_at)).filter(|at| at.0 > 0);
    let User { id, name, email } = user(row);
    UserProfile {
        principal: Principal { id, name, email },
        issued_at,
    }
}

/// Converts the role column of `vault_users`.
///
/// # Errors
/// When the role is unknown.
pub(super) fn role(name: &str) -> Result<Role, DbErr> {
    name.parse()
        .map_err(|()| DbErr::Type(format!("unknown role {name:?} in vault_users")))
}

/// Converts a row of `vault_events`.
///
/// # Errors
/// When the kind is unknown.
pub(super) fn record(row: event::Model) -> Result<JournalRecord, DbErr> {
    let kind = EventKind::parse(&row.kind)
        .ok_or_else(|| DbErr::Type(format!("unknown kind {:?} in vault_events", row.kind)))?;
    Ok(JournalRecord {
        seq: Seq::from_row(row.seq),
        kind,
        payload: row.payload.into(),
    })
}
