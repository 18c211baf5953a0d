//! Schemas of ids, sequence numbers and times, from the bounds that the domain checks.

use std::borrow::Cow;

use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, RefOr, Schema, SchemaFormat, Type, schema::ObjectBuilder},
};

use crate::domain::{
    Seq, SourceId, Timestamp, UserId, VaultId,
    ids::{CUID_TAIL, USER_ID_LENGTH},
};

use super::build::string;

/// The characters of ids of users and of idempotency keys.
pub(super) const VISIBLE_ASCII: &str = "^[!-~]+$";

macro_rules! scalar {
    ($type:ident, $schema:expr) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                stringify!($type).into()
            }
        }
    };
}

scalar!(
    VaultId,
    cuid("The id of a vault, a cuid.", "clx123abc456def")
);
scalar!(
    SourceId,
    cuid("The id of a source, a cuid.", "clx789ghi012jkl")
);
scalar!(
    UserId,
    string()
        .description(Some(
            "The id of a user, assigned by the application: visible ASCII characters."
        ))
        .pattern(Some(VISIBLE_ASCII))
        .min_length(Some(*USER_ID_LENGTH.start()))
        .max_length(Some(*USER_ID_LENGTH.end()))
        .examples([json!("user-1")])
);
scalar!(
    Seq,
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some(
            "The number of an event in its vault: 1, 2, 3, … without gaps. 0 is the state of a new vault."
        ))
        .minimum(Some(0))
        .examples([json!(7)])
);
scalar!(
    Timestamp,
    string()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("A time in ISO 8601, UTC with milliseconds."))
        .pattern(Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"))
        .examples([json!("2026-02-15T10:00:00.000Z")])
);

/// Returns the regular expression of a cuid.
pub fn cuid_pattern() -> String {
    let (min, max) = (CUID_TAIL.start(), CUID_TAIL.end());
    format!("c[a-z0-9]{{{min},{max}}}")
}

fn cuid(description: &str, example: &str) -> ObjectBuilder {
    string()
        .description(Some(description))
        .pattern(Some(format!("^{}$", cuid_pattern())))
        .examples([json!(example)])
}
