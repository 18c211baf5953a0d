//! Schemas of errors: the general one, and one for each code, so that a route can list the codes of its errors.

use utoipa::{
    ToSchema,
    openapi::{
        Schema,
        schema::{ArrayBuilder, ObjectBuilder},
    },
};

use crate::contract::problem::{ErrorCode, FieldError, KeptEvents, Problem, UnknownOutcome};

use super::{
    build::{literal, reference, string},
    schema_set::SchemaSet,
};

/// Adds the schemas of all errors.
pub(super) fn add(schemas: &mut SchemaSet) {
    schemas.add::<Problem>();
    for code in ErrorCode::ALL {
        schemas.insert(&problem_name(code), problem(code));
    }
}

/// Returns the name of the schema of the errors with this code.
pub fn problem_name(code: ErrorCode) -> String {
    format!("{code:?}Problem")
}

fn problem(code: ErrorCode) -> Schema {
    let object = ObjectBuilder::new()
        .description(Some(code.meaning()))
        .property(
            "message",
            string().description(Some("Describes the problem in words.")),
        )
        .required("message")
        .property("code", literal(&code.name()))
        .required("code");
    match code {
        ErrorCode::ValidationFailed => {
            let fields = ArrayBuilder::new().items(reference(&FieldError::name()));
            object.property("details", fields).required("details")
        }
        ErrorCode::JournalTrimmed => {
            let kept = reference(&KeptEvents::name());
            object.property("details", kept).required("details")
        }
        ErrorCode::Unavailable => object.property("details", reference(&UnknownOutcome::name())),
        ErrorCode::InvalidJson
        | ErrorCode::InvalidVaultId
        | ErrorCode::Unauthorized
        | ErrorCode::AuthenticationFailed
        | ErrorCode::OriginNotAllowed
        | ErrorCode::AccessDenied
        | ErrorCode::InsufficientPermissions
        | ErrorCode::NotFound
        | ErrorCode::MethodNotAllowed
        | ErrorCode::PayloadTooLarge
        | ErrorCode::UnsupportedMediaType
        | ErrorCode::Conflict
        | ErrorCode::LastOwner
        | ErrorCode::IdempotencyMismatch
        | ErrorCode::PreconditionFailed
        | ErrorCode::RateLimited
        | ErrorCode::LimitExceeded
        | ErrorCode::VaultBusy
        | ErrorCode::Internal => object,
    }
    .into()
}
