//! What an event's JSON says: read with eyes of its own, not with those of the hand that wrote it, and held against the
//! row that it stands in.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    domain::{Role, Timestamp, event::Actor},
    journal::Kind,
};

/// An event as its JSON tells it.
#[derive(Debug)]
pub(super) struct Told {
    pub seq: u64,
    /// The vault that it is said to be of.
    pub vault: String,
    pub actor: Actor,
    pub timestamp: Timestamp,
    /// The time that the thing itself carries, and under which name.
    pub inner: Option<(&'static str, Timestamp)>,
    pub change: Change,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Change {
    SourceCreated(Source),
    SourceUpdated(Source),
    SourceDeleted(String),
    MemberAdded(Member),
    MemberUpdated(Member),
    MemberRemoved(Member),
    VaultUpdated(Vault),
    VaultDeleted,
}

/// A source in an event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Source {
    pub id: String,
    pub title: String,
    pub file_url: String,
    pub file_key: Option<String>,
    pub file_size: Option<u64>,
    pub mime_type: String,
    vault_id: String,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

/// A member in an event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    pub user_id: String,
    pub role: Role,
}

/// The vault in an event.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vault {
    pub id: String,
    pub name: String,
    updated_at: Timestamp,
}

/// What every event has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Common {
    seq: u64,
    vault_id: Option<String>,
    actor: Actor,
    timestamp: Timestamp,
}

#[derive(Deserialize)]
struct AboutSource {
    source: Source,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AboutNoSource {
    source_id: String,
}

#[derive(Deserialize)]
struct AboutMember {
    member: Member,
}

#[derive(Deserialize)]
struct AboutVault {
    vault: Vault,
}

/// Reads an event of a kind.
///
/// # Errors
/// Says what is missing or not as it should be.
pub(super) fn read(kind: Kind, payload: &str) -> Result<Told, String> {
    let common: Common = parse(payload)?;
    let mut inner = None;
    let mut vault = common.vault_id;
    let mut source = |created: bool| {
        let AboutSource { source } = parse(payload)?;
        let (name, time) = if created {
            ("source.createdAt", source.created_at)
        } else {
            ("source.updatedAt", source.updated_at)
        };
        inner = Some((name, time.ok_or_else(|| format!("it has no {name}"))?));
        vault = Some(source.vault_id.clone());
        Ok::<_, String>(source)
    };
    let member = || parse(payload).map(|AboutMember { member }| member);
    let change = match kind {
        Kind::SourceCreated => Change::SourceCreated(source(true)?),
        Kind::SourceUpdated => Change::SourceUpdated(source(false)?),
        Kind::SourceDeleted => {
            let AboutNoSource { source_id } = parse(payload)?;
            Change::SourceDeleted(source_id)
        }
        Kind::MemberAdded => Change::MemberAdded(member()?),
        Kind::MemberUpdated => Change::MemberUpdated(member()?),
        Kind::MemberRemoved => Change::MemberRemoved(member()?),
        Kind::VaultUpdated => {
            let AboutVault { vault } = parse(payload)?;
            inner = Some(("vault.updatedAt", vault.updated_at));
            Change::VaultUpdated(vault)
        }
        Kind::VaultDeleted => Change::VaultDeleted,
    };
    Ok(Told {
        seq: common.seq,
        vault: vault.ok_or("it has no vaultId")?,
        actor: common.actor,
        timestamp: common.timestamp,
        inner,
        change,
    })
}

fn parse<T: DeserializeOwned>(payload: &str) -> Result<T, String> {
    serde_json::from_str(payload).map_err(|error| error.to_string())
}
