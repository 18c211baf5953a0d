//! Checks remembered answers against their vaults and events.
//!
//! Answers are kept for a day, even if the journal is trimmed earlier, so the event of an answer may be missing.

use std::collections::HashMap;

use entity::{event, head, idempotency_key, vault};

use crate::domain::{EventKind, Resource};

use super::{
    findings::{Contradiction, Findings, format_time},
    payload::{self, ParsedChange, ParsedEvent},
};

/// The rows that a page of answers refers to.
#[derive(Debug, Default)]
pub(super) struct AnswerContext {
    /// By vault id.
    pub vaults: HashMap<String, vault::Model>,
    /// By vault id.
    pub heads: HashMap<String, head::Model>,
    /// By vault id and seq.
    pub events: HashMap<(String, i64), event::Model>,
}

/// Returns the vault id in a request path below `/api/vaults/`.
fn vault_in_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/api/vaults/")?;
    rest.split('/').next().filter(|id| !id.is_empty())
}

/// Returns the id of the vault that an answer refers to: the one in its path, or the one in the answer.
pub(super) fn vault_of_answer(row: &idempotency_key::Model) -> Option<String> {
    if let Some(vault) = vault_in_path(&row.path) {
        return Some(vault.to_owned());
    }
    match serde_json::from_str(&row.answer) {
        Ok(Resource::Vault(vault)) => Some(vault.id.to_string()),
        Ok(Resource::Source(source)) => Some(source.vault_id.to_string()),
        Ok(Resource::Member(_) | Resource::Nothing) | Err(_) => None,
    }
}

/// Compares an answer with its vault and its event.
pub(super) fn check(
    row: &idempotency_key::Model,
    context: &AnswerContext,
    findings: &mut Findings,
) {
    let resource: Resource = match serde_json::from_str(&row.answer) {
        Ok(resource) => resource,
        Err(error) => {
            let unreadable = Contradiction::UnreadableAnswer {
                path: row.path.clone(),
                user: row.user_id.clone(),
                reason: error.to_string(),
            };
            return findings.add(None, unreadable);
        }
    };
    let Some(id) = vault_of_answer(row) else {
        return;
    };
    let mut compare = |field, found: String, expected: String| {
        if found != expected {
            let contradiction = Contradiction::AnswerField {
                path: row.path.clone(),
                user: row.user_id.clone(),
                field,
                found,
                expected,
            };
            findings.add(Some(&id), contradiction);
        }
    };
    if let Some(head) = context.heads.get(&id).filter(|head| row.seq > head.head) {
        let expected = format!("at most the head {}", head.head);
        return compare("seq", row.seq.to_string(), expected);
    }
    if let (Resource::Vault(answered), Some(vault)) = (&resource, context.vaults.get(&id)) {
        compare("name", answered.name.clone(), vault.created_name.clone());
        let found = format_time(answered.created_at.0);
        compare("createdAt", found, format_time(vault.created_at));
        return;
    }
    // An unreadable event is reported with its vault.
    let Some(event) = context.events.get(&(id.clone(), row.seq)) else {
        return;
    };
    let parsed =
        EventKind::parse(&event.kind).map(|kind| payload::parse_event(kind, &event.payload));
    let Some(Ok(ParsedEvent {
        change, timestamp, ..
    })) = parsed
    else {
        return;
    };
    let event_time = format_time(timestamp.0);
    let mut compare_event =
        |expected: EventKind| compare("event", event.kind.clone(), expected.name().to_owned());
    match (&resource, &change) {
        (Resource::Source(answered), ParsedChange::SourceCreated(source)) => {
            compare("id", answered.id.to_string(), source.id.clone());
            compare("title", answered.title.clone(), source.title.clone());
            let found = format_time(answered.created_at.0);
            compare("createdAt", found, event_time);
        }
        (Resource::Member(answered), ParsedChange::MemberAdded(member)) => {
            compare(
                "userId",
                answered.user_id.to_string(),
                member.user_id.clone(),
            );
            compare("role", answered.role.to_string(), member.role.to_string());
            let found = format_time(answered.created_at.0);
            compare("createdAt", found, event_time);
        }
        // Keys are accepted for creations only, so every other event is the wrong one.
        (
            Resource::Source(_),
            ParsedChange::SourceUpdated(_)
            | ParsedChange::SourceDeleted(_)
            | ParsedChange::MemberAdded(_)
            | ParsedChange::MemberUpdated(_)
            | ParsedChange::MemberRemoved(_)
            | ParsedChange::VaultUpdated(_)
            | ParsedChange::VaultDeleted,
        ) => compare_event(EventKind::SourceCreated),
        (
            Resource::Member(_),
            ParsedChange::SourceCreated(_)
            | ParsedChange::SourceUpdated(_)
            | ParsedChange::SourceDeleted(_)
            | ParsedChange::MemberUpdated(_)
            | ParsedChange::MemberRemoved(_)
            | ParsedChange::VaultUpdated(_)
            | ParsedChange::VaultDeleted,
        ) => compare_event(EventKind::MemberAdded),
        (Resource::Vault(_) | Resource::Nothing, _) => {}
    }
}
