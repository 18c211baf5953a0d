//! Health checks: whether the process is alive and whether it accepts work.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    contract::problem::{ErrorCode, Problem},
    journal::report,
};

use super::{context::Api, error::ApiError};

/// The path of the check that the process is alive.
pub const HEALTHZ: &str = "/healthz";
/// The path of the check that the service accepts work.
pub const READYZ: &str = "/readyz";

/// The response of a health check.
#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub struct HealthView {
    status: HealthStatus,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum HealthStatus {
    /// The process is alive.
    Ok,
    /// The service accepts work.
    Ready,
}

/// Handles `GET /healthz`: the process is alive.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(HealthView {
        status: HealthStatus::Ok,
    })
}

/// Handles `GET /readyz`: the database can be read and written, and the service is not shutting
/// down.
pub async fn readyz(api: web::Data<Api>) -> Result<HttpResponse, ApiError> {
    let reason = if !api.readiness.is_ready() {
        "The service is about to stop"
    } else if let Err(error) = api.journal().ping().await {
        report!(error, "not ready: the database does not answer");
        "The database does not answer"
    } else if let Err(error) = api.journal().check_writable().await {
        report!(error, "not ready: the database cannot be written");
        "The database cannot be written"
    } else {
        let status = HealthStatus::Ready;
        return Ok(HttpResponse::Ok().json(HealthView { status }));
    };
    Err(Problem::new(ErrorCode::Unavailable, reason).into())
}
