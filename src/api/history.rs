//! Handles `GET /history` of the admin listener: facts about the process, and its metrics of the last 15 minutes.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use url::form_urlencoded;

use crate::{
    contract::problem::Problem,
    telemetry::{
        history::{HistorySample, MetricsHistory, SAMPLE_INTERVAL},
        snapshot::MetricsSnapshot,
    },
};

use super::{admin::AdminApi, context::Api, error::ApiError, process_facts::ProcessFacts};

/// The response of `GET /history`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct HistoryView {
    service: ServiceView,
    interval_seconds: u64,
    samples: Vec<HistorySample>,
}

/// The state of the service at the time of the request.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServiceView {
    node: Arc<str>,
    version: &'static str,
    started_at: Arc<str>,
    uptime_seconds: u64,
    /// Whether the service is about to stop.
    stopping: bool,
    panics: f64,
    /// Threads without progress for a second or more.
    stalled_threads: Vec<StalledThread>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct StalledThread {
    thread: String,
    seconds: f64,
}

/// Handles `GET /history?after`.
///
/// # Errors
/// `VALIDATION_FAILED` if `after` is given twice.
pub async fn history(
    admin: web::Data<AdminApi>,
    api: web::Data<Api>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let after = after(request.query_string())?;
    let metrics = admin.metrics.snapshot();
    let service = service_view(&admin.process, &metrics, !api.readiness.is_ready());
    Ok(HttpResponse::Ok().json(HistoryView {
        service,
        interval_seconds: SAMPLE_INTERVAL.as_secs(),
        samples: MetricsHistory::samples(&admin.history, after.as_deref()),
    }))
}

/// Handles `GET /bounds`.
pub async fn bounds(admin: web::Data<AdminApi>) -> HttpResponse {
    HttpResponse::Ok().json(admin.bounds.view(&admin.metrics.snapshot()))
}

fn service_view(process: &ProcessFacts, metrics: &MetricsSnapshot, stopping: bool) -> ServiceView {
    let stalled = metrics.by_label("thread_stalled_seconds", "thread");
    let stalled = stalled.filter(|(_, seconds)| *seconds > 0.0);
    ServiceView {
        node: process.node.clone(),
        version: process.version,
        started_at: process.started_at.clone(),
        uptime_seconds: process.started.elapsed().as_secs(),
        stopping,
        panics: metrics.sum("panics", &[]).unwrap_or_default(),
        stalled_threads: stalled
            .map(|(thread, seconds)| StalledThread {
                thread: thread.to_owned(),
                seconds,
            })
            .collect(),
    }
}

fn after(query: &str) -> Result<Option<String>, Problem> {
    let parameters = form_urlencoded::parse(query.as_bytes());
    let mut given = parameters.filter(|(name, _)| name == "after");
    match (given.next(), given.next()) {
        (after, None) => Ok(after.map(|(_, value)| value.into_owned())),
        (_, Some(_)) => Err(Problem::invalid_field("after", "must be given once")),
    }
}
