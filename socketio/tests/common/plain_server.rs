//! The HTTP server of actix-web, which serves websockets itself.

pub use actix_web::HttpServer;
