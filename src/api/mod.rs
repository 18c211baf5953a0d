//! Door one: HTTP, as the contract's interface lists it.
//!
//! Handlers are paragraphs: take what the request says (`extract.rs`, `body.rs`, `conditions.rs`,
//! `page.rs`), call one verb, map the answer
//! (`answer.rs`). Mutations go to the vault's actor, reads to the journal. Statuses are known to `error.rs` alone.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_web::{HttpRequest, HttpResponse, web};

use crate::{
    auth::Gate,
    domain::{Answer, Mutation, Refusal, UserId, VaultId},
    journal::Journal,
    limits::Limits,
    origin::Origins,
    problem::Problem,
    proxies::Proxies,
    readiness::Readiness,
    vault::{VaultError, Vaults},
};

mod answer;
mod body;
mod conditions;
mod error;
mod extract;
mod health;
mod members;
mod meters;
mod operators;
mod origin;
mod page;
mod request_id;
mod resource;
mod sources;
mod vaults;

pub use error::ApiError;
pub use meters::{Meters, count_requests};
pub use operators::{By, Live, LiveVault, Operators, Totals};
pub use origin::guard_origin;
pub use request_id::{SOCKETIO_PATH, with_request_id};
pub use resource::at;

/// What handlers work with.
#[derive(Clone)]
pub struct Api {
    /// Who is calling?
    pub gate: Gate,
    /// What is asked for is done here.
    pub vaults: Vaults,
    /// Whose pages may ask?
    pub origins: Origins,
    /// Whose word about a request is taken?
    pub proxies: Proxies,
    /// How much one user may change.
    pub limits: Limits,
    /// The most bytes of a body (`server.max_body`), which may be set anew at any time.
    pub max_body: Arc<AtomicUsize>,
    /// Whether mutations are still taken.
    pub readiness: Readiness,
}

impl Api {
    /// The one that [`routes`] were configured with.
    fn of(request: &HttpRequest) -> web::Data<Self> {
        request
            .app_data::<web::Data<Self>>()
            .expect("routes are configured together with their Api")
            .clone()
    }

    fn journal(&self) -> &Journal {
        self.vaults.journal()
    }

    fn max_body(&self) -> usize {
        self.max_body.load(Ordering::Relaxed)
    }

    /// Whether a mutation is taken from this user now; it counts as one of his.
    fn takes_mutation(&self, by: &UserId) -> Result<(), ApiError> {
        if self.readiness.is_draining() {
            return Err(VaultError::Unavailable.into());
        }
        Ok(self.limits.mutation(by)?)
    }

    async fn submit(&self, vault: &VaultId, mutation: Mutation) -> Result<Answer, ApiError> {
        self.takes_mutation(&mutation.by.id)?;
        Ok(self.vaults.open(vault).submit(mutation).await?)
    }
}

/// What a stranger is told of every vault, whether it exists or not.
fn stranger() -> ApiError {
    Problem::from(Refusal::AccessDenied).into()
}

/// Every path of the main listener's API.
pub fn routes(api: Api) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(api))
            .service(at("/api/me").get(vaults::me))
            .service(at("/api/vaults").get(vaults::list).post(vaults::create))
            .service(
                at("/api/vaults/{id}")
                    .get(vaults::read)
                    .patch(vaults::rename)
                    .delete(vaults::delete),
            )
            .service(
                at("/api/vaults/{id}/members")
                    .get(members::list)
                    .post(members::add),
            )
            .service(
                at("/api/vaults/{id}/members/{userId}")
                    .patch(members::change)
                    .delete(members::remove),
            )
            .service(
                at("/api/vaults/{id}/sources")
                    .get(sources::list)
                    .post(sources::create),
            )
            .service(at("/api/vaults/{id}/events").get(vaults::events))
            .service(
                at("/api/sources/{id}")
                    .get(sources::read)
                    .patch(sources::update)
                    .delete(sources::delete),
            )
            .configure(health_routes);
    }
}

/// The paths of the admin listener.
pub fn admin_routes(api: Api, operators: Operators) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(api))
            .app_data(web::Data::new(operators))
            .service(at("/metrics").get(operators::metrics))
            .service(at("/actors").get(operators::actors))
            .configure(health_routes);
    }
}

/// The answer to a path that there is not.
///
/// # Errors
/// Always `NOT_FOUND`.
pub async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(Problem::not_found("Path").into())
}

fn health_routes(config: &mut web::ServiceConfig) {
    config
        .service(at("/healthz").get(health::healthz))
        .service(at("/readyz").get(health::readyz));
}
