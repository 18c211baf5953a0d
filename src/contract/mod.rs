//! The parts of the contract that HTTP and sockets share: error codes, the validation of requests, the admission of mutations
//! and the schemas of both.

pub mod admission;
pub mod asyncapi;
pub mod problem;
pub mod schema;
pub mod validation;
