//! Health: whether the service is alive, and whether it takes work.

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::{
    journal::report,
    problem::{Code, Problem},
};

use super::{Api, error::ApiError};

/// Alive: the process answers.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Ready: the database answers, and the service is not about to stop.
pub async fn readyz(api: web::Data<Api>) -> Result<HttpResponse, ApiError> {
    let reason = if !api.readiness.is_ready() {
        "The service is about to stop"
    } else if let Err(error) = api.journal().ping().await {
        report!(error, "not ready: the database does not answer");
        "The database does not answer"
    } else {
        return Ok(HttpResponse::Ok().json(json!({ "status": "ready" })));
    };
    Err(Problem::new(Code::Unavailable, reason).into())
}
