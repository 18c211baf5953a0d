//! A path with a handler for each method that it has: `HEAD` is answered wherever `GET` is, and every other method is
//! told which ones there are (`Allow`).

use actix_web::{
    FromRequest, Handler, Resource, Responder, ResponseError, Route,
    dev::{AppService, HttpServiceFactory},
    guard,
    http::{Method, header},
    web,
};

use crate::problem::{Code, Problem};

use super::error::ApiError;

/// A path and its methods; for [`ServiceConfig::service`](web::ServiceConfig::service).
pub struct At {
    resource: Resource,
    methods: Vec<Method>,
}

/// Begins a path that has no method yet.
pub fn at(path: &str) -> At {
    At {
        resource: web::resource(path),
        methods: Vec::new(),
    }
}

impl At {
    /// Answers `GET`, and `HEAD` with the same headers.
    pub fn get<F, Args>(mut self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let either = guard::Any(guard::Get()).or(guard::Head());
        self.methods.extend([Method::GET, Method::HEAD]);
        self.with(web::route().guard(either).to(handler))
    }

    /// Answers `POST`.
    pub fn post<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::POST, handler)
    }

    /// Answers `PATCH`.
    pub fn patch<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::PATCH, handler)
    }

    /// Answers `DELETE`.
    pub fn delete<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.on(Method::DELETE, handler)
    }

    fn on<F, Args>(mut self, method: Method, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.methods.push(method.clone());
        self.with(web::method(method).to(handler))
    }

    fn with(mut self, route: Route) -> Self {
        self.resource = self.resource.route(route);
        self
    }
}

impl HttpServiceFactory for At {
    fn register(self, config: &mut AppService) {
        let methods: Vec<_> = self.methods.iter().map(Method::as_str).collect();
        let allow = methods.join(", ");
        let refuse = move || {
            let problem = Problem::new(Code::MethodNotAllowed, "Method not allowed");
            let mut response = ApiError::from(problem).error_response();
            let allow = header::HeaderValue::from_str(&allow).expect("methods are ASCII");
            response.headers_mut().insert(header::ALLOW, allow);
            std::future::ready(response)
        };
        self.resource
            .default_service(web::to(refuse))
            .register(config);
    }
}
