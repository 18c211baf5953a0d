//! Remembered answers against what they were given for. They are kept for a day, however short the journal: of what is
//! not kept any longer an answer may still tell.

use std::collections::HashMap;

use entity::{event, head, idempotency_key, vault};

use crate::{
    domain::{Resource, Timestamp},
    journal::Kind,
};

use super::{
    contradiction::{Contradiction, Findings, time},
    payload::{self, Change, Told},
};

/// What the database has of that which some answers are about.
#[derive(Debug, Default)]
pub struct Ground {
    pub vaults: HashMap<String, vault::Model>,
    pub heads: HashMap<String, head::Model>,
    pub events: HashMap<(String, i64), event::Model>,
}

/// The vault that a path is below, if it is.
pub fn vault_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/api/vaults/")?;
    rest.split('/').next().filter(|id| !id.is_empty())
}

/// The vault that an answer is about: that of its path, or the new one that it tells of.
pub fn about(row: &idempotency_key::Model) -> Option<String> {
    if let Some(vault) = vault_of(&row.path) {
        return Some(vault.to_owned());
    }
    match serde_json::from_str(&row.answer) {
        Ok(Resource::Vault(vault)) => Some(vault.id.to_string()),
        Ok(Resource::Source(source)) => Some(source.vault_id.to_string()),
        Ok(Resource::Member(_) | Resource::Nothing) | Err(_) => None,
    }
}

/// Holds an answer against its vault and its event.
pub fn check(row: &idempotency_key::Model, ground: &Ground, findings: &mut Findings) {
    let resource: Resource = match serde_json::from_str(&row.answer) {
        Ok(resource) => resource,
        Err(why) => {
            let (path, user, why) = (row.path.clone(), row.user_id.clone(), why.to_string());
            return findings.add(None, Contradiction::UnreadableAnswer { path, user, why });
        }
    };
    let Some(id) = about(row) else { return };
    let mut differs = |field, found: String, expected: String| {
        if found != expected {
            let (path, user) = (row.path.clone(), row.user_id.clone());
            let answer = Contradiction::Answer {
                path,
                user,
                field,
                found,
                expected,
            };
            findings.add(Some(&id), answer);
        }
    };
    if let Some(head) = ground.heads.get(&id).filter(|head| row.seq > head.head) {
        let expected = format!("at most the head, {}", head.head);
        return differs("seq", row.seq.to_string(), expected);
    }
    if let (Resource::Vault(told), Some(vault)) = (&resource, ground.vaults.get(&id)) {
        differs("name", told.name.clone(), vault.created_name.clone());
        let (found, expected) = (time(told.created_at.0), time(vault.created_at));
        differs("createdAt", found, expected);
        return;
    }
    // What cannot be read was told of with the event.
    let Some(event) = ground.events.get(&(id.clone(), row.seq)) else {
        return;
    };
    let Some(Ok(told)) = Kind::parse(&event.kind).map(|kind| payload::read(kind, &event.payload))
    else {
        return;
    };
    let Told {
        change, timestamp, ..
    } = told;
    match (&resource, &change) {
        (Resource::Source(told), Change::SourceCreated(source)) => {
            differs("id", told.id.to_string(), source.id.clone());
            differs("title", told.title.clone(), source.title.clone());
            differs("createdAt", time(told.created_at.0), at(timestamp));
        }
        (Resource::Member(told), Change::MemberAdded(member)) => {
            differs("userId", told.user_id.to_string(), member.user_id.clone());
            differs("role", told.role.to_string(), member.role.to_string());
            differs("createdAt", time(told.created_at.0), at(timestamp));
        }
        (Resource::Source(_), _) => differs("event", event.kind.clone(), "source:created".into()),
        (Resource::Member(_), _) => differs("event", event.kind.clone(), "member:added".into()),
        (Resource::Vault(_) | Resource::Nothing, _) => {}
    }
}

fn at(timestamp: Timestamp) -> String {
    time(timestamp.0)
}
