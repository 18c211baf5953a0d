//! Schemas by name.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema},
};

use super::build::reference;

/// Schemas by name. A schema refers to another one as `#/components/schemas/NAME`, the place of both kinds of document.
#[derive(Clone, Default, Serialize)]
#[serde(transparent)]
pub struct SchemaSet(BTreeMap<String, RefOr<Schema>>);

impl SchemaSet {
    /// Adds a type and the types that it refers to, and returns a reference to it.
    pub fn add<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let mut referenced = Vec::new();
        T::schemas(&mut referenced);
        self.extend(referenced);
        self.insert(&T::name(), T::schema())
    }

    /// Adds a schema and returns a reference to it.
    pub fn insert(&mut self, name: &str, schema: impl Into<RefOr<Schema>>) -> RefOr<Schema> {
        self.0.insert(name.to_owned(), schema.into());
        reference(name)
    }

    /// Adds schemas.
    pub fn extend(&mut self, schemas: impl IntoIterator<Item = (String, RefOr<Schema>)>) {
        self.0.extend(schemas);
    }

    /// Returns the names and schemas, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &RefOr<Schema>)> {
        self.0.iter()
    }
}
