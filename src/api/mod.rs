//! Door one: HTTP, as the contract's interface lists it.
//!
//! Handlers are paragraphs: take what the request says (`extract.rs`), call one verb, map the answer
//! (`answer.rs`). Mutations go to the vault's actor, reads to the journal. Statuses are known to `error.rs` alone.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use actix_web::{HttpRequest, HttpResponse, Resource, web};

use crate::{
    auth::Gate,
    domain::{Answer, Mutation, Refusal, VaultId},
    journal::Journal,
    problem::{Code, Problem},
    vault::{VaultError, Vaults},
};

mod answer;
mod error;
mod extract;
mod health;
mod members;
mod request_id;
mod sources;
mod vaults;

pub use error::ApiError;
pub use request_id::with_request_id;

/// What handlers work with.
#[derive(Clone)]
pub struct Api {
    /// Who is calling?
    pub gate: Gate,
    /// What is asked for is done here.
    pub vaults: Vaults,
    /// The most bytes of a body (`server.max_body`).
    pub max_body: usize,
    /// Set when the service stops: mutations are no longer taken then.
    pub draining: Arc<AtomicBool>,
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

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    fn takes_mutations(&self) -> Result<(), ApiError> {
        if self.is_draining() {
            return Err(VaultError::Unavailable.into());
        }
        Ok(())
    }

    async fn submit(&self, vault: &VaultId, mutation: Mutation) -> Result<Answer, ApiError> {
        self.takes_mutations()?;
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
            .app_data(web::QueryConfig::default().error_handler(|error, _| {
                ApiError::from(Problem::invalid_field("query", &error.to_string())).into()
            }))
            .service(at("/api/me").route(web::get().to(vaults::me)))
            .service(
                at("/api/vaults")
                    .route(web::get().to(vaults::list))
                    .route(web::post().to(vaults::create)),
            )
            .service(
                at("/api/vaults/{id}")
                    .route(web::get().to(vaults::read))
                    .route(web::patch().to(vaults::rename))
                    .route(web::delete().to(vaults::delete)),
            )
            .service(
                at("/api/vaults/{id}/members")
                    .route(web::get().to(members::list))
                    .route(web::post().to(members::add)),
            )
            .service(
                at("/api/vaults/{id}/members/{userId}")
                    .route(web::patch().to(members::change))
                    .route(web::delete().to(members::remove)),
            )
            .service(
                at("/api/vaults/{id}/sources")
                    .route(web::get().to(sources::list))
                    .route(web::post().to(sources::create)),
            )
            .service(at("/api/vaults/{id}/events").route(web::get().to(vaults::events)))
            .service(
                at("/api/sources/{id}")
                    .route(web::get().to(sources::read))
                    .route(web::patch().to(sources::update))
                    .route(web::delete().to(sources::delete)),
            )
            .configure(health_routes);
    }
}

/// The paths of the admin listener.
pub fn admin_routes(api: Api) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(api))
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
        .service(at("/healthz").route(web::get().to(health::healthz)))
        .service(at("/readyz").route(web::get().to(health::readyz)));
}

/// A path that answers every method it has no handler for.
fn at(path: &str) -> Resource {
    web::resource(path).default_service(web::to(|| async {
        let problem = Problem::new(Code::MethodNotAllowed, "Method not allowed");
        Err::<HttpResponse, _>(ApiError::from(problem))
    }))
}
