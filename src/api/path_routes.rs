//! Routes of one path: a handler for each method that the path supports.
//!
//! `HEAD` is supported wherever `GET` is. Any other method gets 405 with the list of supported ones (`Allow`).

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder, Route,
    dev::{AppService, HttpServiceFactory},
    guard::{self, GuardContext, fn_guard},
    http::{Method, header},
    web,
};
use url::form_urlencoded;

use crate::contract::problem::{ErrorCode, Problem};

use super::error::ApiError;

/// A path and its methods, for [`ServiceConfig::service`](web::ServiceConfig::service).
pub struct PathRoutes {
    #[cfg(test)]
    path: String,
    /// The methods that need a query parameter.
    #[cfg(test)]
    with_parameter: Vec<Method>,
    resource: Resource,
    methods: Vec<Method>,
}

/// Creates a path without methods.
pub fn path(path: &str) -> PathRoutes {
    PathRoutes {
        #[cfg(test)]
        path: path.to_owned(),
        #[cfg(test)]
        with_parameter: Vec::new(),
        resource: web::resource(path),
        methods: Vec::new(),
    }
}

impl PathRoutes {
    /// Adds the handler for `GET` and `HEAD`.
    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let get_or_head = guard::Any(guard::Get()).or(guard::Head());
        self.methods.extend([Method::GET, Method::HEAD]);
        self.route(web::route().guard(get_or_head).to(handler))
    }

    /// Adds the handler for `POST`.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::POST, handler)
    }

    /// Adds the handler for `PATCH`.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::PATCH, handler)
    }

    /// Adds the handler for `DELETE`.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::DELETE, handler)
    }

    /// Adds the handler for a method that the path supports only with this query parameter. `Allow` describes the path
    /// without it.
    #[cfg_attr(not(test), allow(unused_mut))]
    pub fn with_parameter<F, Args>(mut self, name: &'static str, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let has_parameter = move |context: &GuardContext<'_>| {
            let query = context.head().uri.query().unwrap_or_default();
            form_urlencoded::parse(query.as_bytes()).any(|(other, _)| other == name)
        };
        #[cfg(test)]
        self.with_parameter.push(method.clone());
        self.route(
            web::method(method)
                .guard(fn_guard(has_parameter))
                .to(handler),
        )
    }

    /// Makes the path exist only while `condition` is true; otherwise it is an unknown path.
    pub fn only_while(mut self, condition: impl Fn() -> bool + 'static) -> Self {
        self.resource = self.resource.guard(fn_guard(move |_| condition()));
        self
    }

    /// Returns the path and each of its methods.
    #[cfg(test)]
    pub fn operations(&self) -> impl Iterator<Item = (String, Method)> + '_ {
        let operation = |method: &Method| (self.path.clone(), method.clone());
        let methods = self.methods.iter().chain(&self.with_parameter);
        methods.map(operation)
    }

    fn method<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.push(method.clone());
        self.route(web::method(method).to(handler))
    }

    fn route(mut self, route: Route) -> Self {
        self.resource = self.resource.route(route);
        self
    }
}

impl HttpServiceFactory for PathRoutes {
    fn register(self, config: &mut AppService) {
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        let allow = methods.join(", ");
        let method_not_allowed = move || {
            let problem = Problem::new(ErrorCode::MethodNotAllowed, "Method not allowed");
            let mut response = HttpResponse::from_error(ApiError::from(problem));
            let allow = header::HeaderValue::from_str(&allow).expect("method names are ASCII");
            response.headers_mut().insert(header::ALLOW, allow);
            std::future::ready(response)
        };
        self.resource
            .default_service(web::to(method_not_allowed))
            .register(config);
    }
}
