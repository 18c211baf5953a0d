//! The paths of the API and their handlers.

use actix_web::{HttpResponse, http::Method, web};

use crate::contract::problem::Problem;

use super::{
    admin::{self, AdminApi},
    context::Api,
    error::ApiError,
    health, history,
    member_target::USER_ID,
    members,
    pages::Pages,
    path_routes::{PathRoutes, path},
    sources, vaults,
};

/// Configures the context of all handlers and middleware of the main listener, and the paths that have no prefix, whatever
/// `server.base_path` is: the health checks.
pub fn root_routes(api: Api) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(api))
            .configure(health_routes);
    }
}

/// Configures every other path of the main listener's API.
pub fn routes(config: &mut web::ServiceConfig) {
    for path in paths() {
        config.service(path);
    }
}

/// Returns the paths of the API. The frequent ones come first: a path with an id is a regular expression, and each request is
/// compared with those before its own. No request matches two.
fn paths() -> Vec<PathRoutes> {
    vec![
        path("/api/vaults/{id}/sources")
            .get(sources::list)
            .post(sources::create),
        path("/api/sources/{id}")
            .get(sources::read)
            .patch(sources::update)
            .delete(sources::delete),
        path("/api/vaults/{id}/events").get(vaults::events),
        path("/api/me").get(vaults::me),
        path("/api/vaults").get(vaults::list).post(vaults::create),
        path("/api/vaults/{id}")
            .get(vaults::read)
            .patch(vaults::rename)
            .delete(vaults::delete),
        path("/api/vaults/{id}/members")
            .get(members::list)
            .post(members::add)
            .with_parameter(USER_ID, Method::PATCH, members::change)
            .with_parameter(USER_ID, Method::DELETE, members::remove),
        path("/api/vaults/{id}/members/{userId}")
            .patch(members::change)
            .delete(members::remove),
    ]
}

/// Returns the paths of the health checks.
fn health_paths() -> [PathRoutes; 2] {
    [
        path(health::HEALTHZ).get(health::healthz),
        path(health::READYZ).get(health::readyz),
    ]
}

/// Configures the paths of the admin listener.
pub fn admin_routes(
    api: Api,
    admin: AdminApi,
    pages: Pages,
) -> impl FnOnce(&mut web::ServiceConfig) {
    move |config| {
        config
            .app_data(web::Data::new(api))
            .app_data(web::Data::new(admin))
            .service(path("/metrics").get(admin::metrics))
            .service(path("/actors").get(admin::actors))
            .service(path("/history").get(history::history))
            .service(path("/bounds").get(history::bounds))
            .configure(pages.operators_routes())
            .configure(health_routes);
    }
}

/// Handles every unknown path.
///
/// # Errors
/// Always `NOT_FOUND`.
pub async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(Problem::not_found("Path").into())
}

fn health_routes(config: &mut web::ServiceConfig) {
    for path in health_paths() {
        config.service(path);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::api::{descriptions, openapi};

    use super::*;

    #[test]
    fn openapi_document_has_every_route_and_no_other() {
        let described = openapi("")
            .paths
            .paths
            .into_iter()
            .flat_map(|(path, item)| {
                let methods = [
                    (Method::GET, item.get),
                    (Method::POST, item.post),
                    (Method::PUT, item.put),
                    (Method::PATCH, item.patch),
                    (Method::DELETE, item.delete),
                ];
                let present = methods
                    .into_iter()
                    .filter(|(_, operation)| operation.is_some());
                present.map(move |(method, _)| (path.clone(), method.to_string()))
            });
        let described: BTreeSet<_> = described.collect();
        let mut served = paths();
        served.extend(health_paths());
        served.extend(descriptions::paths());
        let served: BTreeSet<_> = served
            .iter()
            .flat_map(PathRoutes::operations)
            // Its description states once that HEAD is accepted wherever GET is.
            .filter(|(_, method)| method != Method::HEAD)
            .map(|(path, method)| (path, method.to_string()))
            .collect();
        assert_eq!(described, served);
    }
}
