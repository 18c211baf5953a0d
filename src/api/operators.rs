//! What operators see: every meter, and every vault that is alive. On the admin listener alone, for it tells a lot.

use std::cmp::Reverse;

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};

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

/// How the list is asked for.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    by: Option<String>,
    limit: Option<String>,
}

/// What the list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Wait,
    Depth,
    Subscribers,
    InFlight,
    Seq,
    Idle,
    Vault,
}

/// A vault that is alive.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LiveVault {
    vault_id: String,
    seq: u64,
    subscribers: usize,
    depth: usize,
    capacity: usize,
    oldest_wait_ms: u64,
    in_flight: usize,
    idle_ms: u64,
    arbiter: usize,
}

#[derive(Debug, Serialize)]
struct Live {
    vaults: Vec<LiveVault>,
    totals: Totals,
}

/// Of all vaults, however many are listed.
#[derive(Debug, Serialize)]
struct Totals {
    vaults: usize,
    sockets: usize,
    subscribers: usize,
}

/// Every vault that is alive: those first of which most is asked for, by `?by`, and no more than `?limit`.
///
/// # Errors
/// `VALIDATION_FAILED` for an order that there is not, or a limit that is no number.
pub async fn actors(
    operators: web::Data<Operators>,
    wanted: web::Query<Wanted>,
) -> Result<HttpResponse, ApiError> {
    let (by, limit) = read(&wanted)?;
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

fn read(wanted: &Wanted) -> Result<(By, usize), Problem> {
    let by = match wanted.by.as_deref() {
        None | Some("wait") => By::Wait,
        Some("depth") => By::Depth,
        Some("subscribers") => By::Subscribers,
        Some("inFlight") => By::InFlight,
        Some("seq") => By::Seq,
        Some("idle") => By::Idle,
        Some("vault") => By::Vault,
        Some(_) => {
            let message = "must be wait, depth, subscribers, inFlight, seq, idle or vault";
            return Err(Problem::invalid_field("by", message));
        }
    };
    let limit = wanted.limit.as_deref().map_or(Ok(usize::MAX), str::parse);
    let limit = limit.map_err(|_| {
        let message = "must be a whole number";
        Problem::invalid_field("limit", message)
    })?;
    Ok((by, limit))
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
