//! Metrics of HTTP requests. The label `route` is the configured pattern, so ids in paths create no new series.

use std::time::Instant;

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use prometheus::{HistogramVec, IntCounterVec};

use crate::telemetry::metrics::{MetricsRegistry, SECONDS, counters, histograms};

use super::refusals::refusal_name;

/// The metrics of HTTP requests. Clones share the same values.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    refusals: IntCounterVec,
    seconds: HistogramVec,
}

impl HttpMetrics {
    /// Creates and registers the metrics.
    pub fn register(registry: &MetricsRegistry) -> Self {
        let metrics = Self::default();
        registry.register(metrics.requests.clone());
        registry.register(metrics.refusals.clone());
        registry.register(metrics.seconds.clone());
        metrics
    }

    fn observe(&self, request: &RequestLabels<'_>, status: u16, started: Instant) {
        let RequestLabels { method, route } = *request;
        let status = status.to_string();
        let labels = [method, route, status.as_str()];
        self.requests.with_label_values(&labels).inc();
        let seconds = self.seconds.with_label_values(&[method, route]);
        seconds.observe(started.elapsed().as_secs_f64());
    }
}

/// The labels of a request that are known before its response.
struct RequestLabels<'a> {
    method: &'a str,
    route: &'a str,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: counters(
                "http_requests_total",
                "HTTP requests by method, route and status, including polls and upgrades of sockets.",
                &["method", "route", "status"],
            ),
            refusals: counters(
                "http_refusals_total",
                "HTTP requests that were refused, by error code; Engine.IO requests among them.",
                &["code"],
            ),
            seconds: histograms(
                "http_request_seconds",
                "Time until a request was answered; a poll is answered when its session has data to send.",
                &["method", "route"],
                SECONDS,
            ),
        }
    }
}

/// Middleware that counts requests and refusals, for [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// Only those of the wrapped service.
pub async fn count_requests(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let metrics = request.app_data::<web::Data<HttpMetrics>>().cloned();
    // A non-standard method must not create a new series.
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PATCH" | "DELETE" | "PUT" | "OPTIONS") => known,
        _ => "other",
    };
    let method = method.to_owned();
    let result = next.call(request).await;
    if let (Some(metrics), Ok(response)) = (metrics, &result) {
        let pattern = response.request().match_pattern();
        let labels = RequestLabels {
            method: &method,
            route: pattern.as_deref().unwrap_or("none"),
        };
        metrics.observe(&labels, response.status().as_u16(), started);
        if let Some(code) = refusal_name(response) {
            metrics.refusals.with_label_values(&[code]).inc();
        }
    }
    result
}
