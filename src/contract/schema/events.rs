//! Schemas of events, one for each kind.

use utoipa::openapi::{RefOr, Schema};

use crate::{domain::EventKind, journal::event_schema};

use super::schema_set::SchemaSet;

/// Adds the schemas of all events.
pub(super) fn add(schemas: &mut SchemaSet) {
    for kind in EventKind::ALL {
        let mut referenced = Vec::new();
        let mut schema = event_schema(kind, &mut referenced);
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.description = Some(kind.meaning().to_owned());
        }
        schemas.extend(referenced);
        schemas.insert(&event_name(kind), schema);
    }
}

/// Returns the name of the schema of the events of this kind.
pub fn event_name(kind: EventKind) -> String {
    format!("{kind:?}Event")
}
