//! Health: whether the service is alive, and whether it takes work.

use actix_web::{HttpResponse, web};
use serde_json::json;
use tracing::warn;

use super::Api;

/// Alive: the process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Ready: the database answers, and the service is not about to stop.
pub async fn readyz(api: web::Data<Api>) -> HttpResponse {
    let reason = if api.is_draining() {
        "draining"
    } else if let Err(error) = api.journal().ping().await {
        warn!(%error, "not ready: the database does not answer");
        "the database does not answer"
    } else {
        return HttpResponse::Ok().json(json!({ "status": "ready" }));
    };
    HttpResponse::ServiceUnavailable().json(json!({ "status": "not ready", "reason": reason }))
}
