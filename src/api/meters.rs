//! What is counted of HTTP requests: by route, as it was configured, so that ids make no new names.

use std::time::Instant;

use actix_web::{
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web,
};
use prometheus::{HistogramVec, IntCounterVec};

use crate::metrics::{Metrics, SECONDS, counters, histograms};

/// What is counted of HTTP requests. Cheap to clone; clones count together.
#[derive(Clone, Debug)]
pub struct Meters {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl Meters {
    /// Registers them.
    pub fn register(metrics: &Metrics) -> Self {
        let meters = Self::default();
        metrics.add(meters.requests.clone());
        metrics.add(meters.seconds.clone());
        meters
    }

    fn request(&self, (method, route): (&str, &str), status: u16, since: Instant) {
        let status = status.to_string();
        let labels = [method, route, status.as_str()];
        self.requests.with_label_values(&labels).inc();
        let seconds = self.seconds.with_label_values(&[method, route]);
        seconds.observe(since.elapsed().as_secs_f64());
    }
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            requests: counters(
                "http_requests_total",
                "HTTP requests by method, route and status; polls and upgrades of sockets are among them.",
                &["method", "route", "status"],
            ),
            seconds: histograms(
                "http_request_seconds",
                "How long a request took to be answered; a poll is answered when something waits for its socket.",
                &["method", "route"],
                SECONDS,
            ),
        }
    }
}

/// The middleware, for [`from_fn`](actix_web::middleware::from_fn).
///
/// # Errors
/// None of its own.
pub async fn count_requests(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let since = Instant::now();
    let meters = request.app_data::<web::Data<Meters>>().cloned();
    // One that the client made up would be a name of its own.
    let method = match request.method().as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PATCH" | "DELETE" | "PUT" | "OPTIONS") => known,
        _ => "other",
    };
    let method = method.to_owned();
    let answered = next.call(request).await;
    if let (Some(meters), Ok(response)) = (meters, &answered) {
        let pattern = response.request().match_pattern();
        let route = pattern.as_deref().unwrap_or("none");
        meters.request((&method, route), response.status().as_u16(), since);
    }
    answered
}
