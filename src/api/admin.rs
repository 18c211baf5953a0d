//! Handlers of the admin listener: the metrics, and the list of live vault actors. The main listener does not
//! serve them, because they show ids of vaults.

use std::{cmp::Reverse, fmt, str::FromStr, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use crate::{
    contract::problem::Problem,
    telemetry::{history::MetricsHistory, metrics::MetricsRegistry},
    vault::{VaultStats, Vaults},
};
use actix_socketio::engineio::SessionRegistry;

use super::{bounds::EffectiveBounds, error::ApiError, process_facts::ProcessFacts};

/// The parts of the service that the admin listener reads.
#[derive(Clone)]
pub struct AdminApi {
    pub metrics: MetricsRegistry,
    pub vaults: Vaults,
    pub sessions: SessionRegistry,
    pub history: MetricsHistory,
    pub bounds: EffectiveBounds,
    pub process: ProcessFacts,
}

/// The content type of the Prometheus text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Handles `GET /metrics`.
pub async fn metrics(admin: web::Data<AdminApi>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(PROMETHEUS)
        .body(admin.metrics.text())
}

/// The sort orders of `GET /actors`. Each puts the largest value first, except `Vault`, which sorts by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaultSortKey {
    Wait,
    Depth,
    Subscribers,
    InFlight,
    Seq,
    Idle,
    Vault,
}

/// A vault whose actor is alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveVault {
    pub vault_id: String,
    /// The vault's head.
    pub seq: u64,
    pub subscribers: usize,
    /// The number of mutations in the queue, including those in flight.
    pub depth: usize,
    /// The largest number of mutations in the queue.
    pub capacity: usize,
    /// How long the oldest mutation has waited.
    pub oldest_wait_ms: u64,
    /// The number of mutations in the current transaction.
    pub in_flight: usize,
    pub idle_ms: u64,
    /// The number of the thread that runs the actor.
    pub arbiter: usize,
}

/// The response of `GET /actors`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveVaultList {
    /// The name of this process among those on the database (`cluster.node`).
    pub node: String,
    pub vaults: Vec<LiveVault>,
    pub totals: LiveTotals,
}

/// Totals of all live vaults, including those that the list omits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveTotals {
    pub vaults: usize,
    pub sockets: usize,
    pub subscribers: usize,
}

/// Handles `GET /actors?by&limit`: lists the live vaults in the order `by`, at most `limit` of them.
///
/// # Errors
/// `VALIDATION_FAILED` for an unknown order, or for a limit that is not a number.
pub async fn actors(
    admin: web::Data<AdminApi>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = ActorsQuery::parse(request.query_string())?;
    let mut vaults = admin.vaults.stats();
    let totals = LiveTotals {
        vaults: vaults.len(),
        sockets: admin.sessions.open(),
        subscribers: vaults.iter().map(|vault| vault.subscribers).sum(),
    };
    sort(&mut vaults, query.by);
    vaults.truncate(query.limit);
    let vaults = vaults.into_iter().map(LiveVault::from).collect();
    let node = admin.process.node.to_string();
    let list = LiveVaultList {
        node,
        vaults,
        totals,
    };
    Ok(HttpResponse::Ok().json(list))
}

/// The query parameters of `GET /actors`.
struct ActorsQuery {
    by: VaultSortKey,
    limit: usize,
}

impl ActorsQuery {
    fn parse(query: &str) -> Result<Self, Problem> {
        let (mut by, mut limit) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let is_repeated = match name.as_ref() {
                "by" => by.replace(value).is_some(),
                "limit" => limit.replace(value).is_some(),
                _ => false,
            };
            if is_repeated {
                return Err(Problem::invalid_field(&name, "must be given once"));
            }
        }
        let by = by.map_or(Ok(VaultSortKey::Wait), |by| by.parse());
        let by = by.map_err(|message| Problem::invalid_field("by", message))?;
        let limit = limit.map_or(Ok(usize::MAX), |limit| limit.parse());
        let limit = limit.map_err(|_| Problem::invalid_field("limit", "must be a whole number"))?;
        Ok(Self { by, limit })
    }
}

impl VaultSortKey {
    const ALL: [Self; 7] = [
        Self::Wait,
        Self::Depth,
        Self::Subscribers,
        Self::InFlight,
        Self::Seq,
        Self::Idle,
        Self::Vault,
    ];

    /// Returns the value of `?by`.
    fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Depth => "depth",
            Self::Subscribers => "subscribers",
            Self::InFlight => "inFlight",
            Self::Seq => "seq",
            Self::Idle => "idle",
            Self::Vault => "vault",
        }
    }
}

impl FromStr for VaultSortKey {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|key| key.name() == name)
            .ok_or("must be wait, depth, subscribers, inFlight, seq, idle or vault")
    }
}

impl fmt::Display for VaultSortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Sorts the vaults by the key; vaults with equal values are sorted by id, so the order is stable.
fn sort(vaults: &mut [VaultStats], by: VaultSortKey) {
    vaults.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    match by {
        VaultSortKey::Wait => vaults.sort_by_key(|vault| Reverse(vault.oldest_wait)),
        VaultSortKey::Depth => vaults.sort_by_key(|vault| Reverse(vault.depth)),
        VaultSortKey::Subscribers => vaults.sort_by_key(|vault| Reverse(vault.subscribers)),
        VaultSortKey::InFlight => vaults.sort_by_key(|vault| Reverse(vault.in_flight)),
        VaultSortKey::Seq => vaults.sort_by_key(|vault| Reverse(vault.head)),
        VaultSortKey::Idle => vaults.sort_by_key(|vault| Reverse(vault.idle)),
        VaultSortKey::Vault => {}
    }
}

impl From<VaultStats> for LiveVault {
    fn from(vault: VaultStats) -> Self {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
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
