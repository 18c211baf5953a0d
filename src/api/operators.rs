//! What operators see: every meter, and every vault that is alive. On the admin listener alone, for it tells a lot.

use std::{cmp::Reverse, fmt, str::FromStr};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::{
    engineio::Sessions,
    metrics::Metrics,
    problem::Problem,
    vault::{Vaults, Vital},
};

use super::error::ApiError;

/// What the admin listener tells of.
#[derive(Clone)]
pub struct Operators {
    pub metrics: Metrics,
    pub vaults: Vaults,
    pub sessions: Sessions,
}

/// The text form of Prometheus, in the version that every one of its kind reads.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Every meter.
pub async fn metrics(operators: web::Data<Operators>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(PROMETHEUS)
        .body(operators.metrics.text())
}

/// What the list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Wait,
    Depth,
    Subscribers,
    InFlight,
    Seq,
    Idle,
    Vault,
}

/// A vault that is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveVault {
    pub vault_id: String,
    /// Where it stands.
    pub seq: u64,
    pub subscribers: usize,
    /// Mutations in its queue, those in flight included, and how many may be.
    pub depth: usize,
    pub capacity: usize,
    /// How long the one that came first has waited.
    pub oldest_wait_ms: u64,
    /// Mutations in the transaction that is in flight.
    pub in_flight: usize,
    pub idle_ms: u64,
    /// The thread that it lives on.
    pub arbiter: usize,
}

/// The answer of `GET /actors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    pub vaults: Vec<LiveVault>,
    pub totals: Totals,
}

/// Of all vaults, however many are listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub vaults: usize,
    pub sockets: usize,
    pub subscribers: usize,
}

/// Every vault that is alive: those first of which most is asked for, by `?by`, and no more than `?limit`.
///
/// # Errors
/// `VALIDATION_FAILED` for an order that there is not, or a limit that is no number.
pub async fn actors(
    operators: web::Data<Operators>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (by, limit) = read(request.query_string())?;
    let mut vaults = operators.vaults.vitals();
    let totals = Totals {
        vaults: vaults.len(),
        sockets: operators.sessions.open(),
        subscribers: vaults.iter().map(|vault| vault.subscribers).sum(),
    };
    sort(&mut vaults, by);
    vaults.truncate(limit);
    let vaults = vaults.into_iter().map(LiveVault::from).collect();
    Ok(HttpResponse::Ok().json(Live { vaults, totals }))
}

fn read(query: &str) -> Result<(By, usize), Problem> {
    let (mut by, mut limit) = (None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let twice = match name.as_ref() {
            "by" => by.replace(value).is_some(),
            "limit" => limit.replace(value).is_some(),
            _ => false,
        };
        if twice {
            return Err(Problem::invalid_field(&name, "must be given once"));
        }
    }
    let by = by.map_or(Ok(By::Wait), |by| by.parse());
    let by = by.map_err(|message| Problem::invalid_field("by", message))?;
    let limit = limit.map_or(Ok(usize::MAX), |limit| limit.parse());
    let limit = limit.map_err(|_| Problem::invalid_field("limit", "must be a whole number"))?;
    Ok((by, limit))
}

impl By {
    /// Every order, by the name that it is asked for.
    const NAMES: [(&str, Self); 7] = [
        ("wait", Self::Wait),
        ("depth", Self::Depth),
        ("subscribers", Self::Subscribers),
        ("inFlight", Self::InFlight),
        ("seq", Self::Seq),
        ("idle", Self::Idle),
        ("vault", Self::Vault),
    ];
}

impl FromStr for By {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        let (_, by) =
            found.ok_or("must be wait, depth, subscribers, inFlight, seq, idle or vault")?;
        Ok(*by)
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, by)| by == self);
        f.write_str(name.map_or("", |(name, _)| name))
    }
}

/// Those of which most is asked for first; where that is the same, by id, so that the order stays.
fn sort(vaults: &mut [Vital], by: By) {
    vaults.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    match by {
        By::Wait => vaults.sort_by_key(|vault| Reverse(vault.oldest_wait)),
        By::Depth => vaults.sort_by_key(|vault| Reverse(vault.depth)),
        By::Subscribers => vaults.sort_by_key(|vault| Reverse(vault.subscribers)),
        By::InFlight => vaults.sort_by_key(|vault| Reverse(vault.in_flight)),
        By::Seq => vaults.sort_by_key(|vault| Reverse(vault.head)),
        By::Idle => vaults.sort_by_key(|vault| Reverse(vault.idle)),
        By::Vault => {}
    }
}

impl From<Vital> for LiveVault {
    fn from(vault: Vital) -> Self {
        let millis =
            |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            vault_id: vault.id.as_str().to_owned(),
            seq: vault.head.0,
            subscribers: vault.subscribers,
            depth: vault.depth,
            capacity: vault.capacity,
            oldest_wait_ms: millis(vault.oldest_wait),
            in_flight: vault.in_flight,
            idle_ms: millis(vault.idle),
            arbiter: vault.arbiter,
        }
    }
}
