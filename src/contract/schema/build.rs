//! Builds schemas.

use utoipa::openapi::{
    Object, Ref, RefOr, Schema, Type,
    schema::{ObjectBuilder, OneOfBuilder, SchemaType},
};

/// Returns a reference to a named schema.
pub fn reference(name: &str) -> RefOr<Schema> {
    Ref::from_schema_name(name).into()
}

/// Returns a schema of which exactly one of the named ones is valid.
pub fn one_of(names: impl IntoIterator<Item = String>) -> Schema {
    let references = names.into_iter().map(|name| reference(&name));
    let union = references.fold(OneOfBuilder::new(), OneOfBuilder::item);
    union.into()
}

/// Returns a string.
pub fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Returns the string with this value.
pub fn literal(value: &str) -> Object {
    string().enum_values(Some([value])).build()
}

/// Returns the boolean `true`.
pub fn literal_true() -> Object {
    boolean(true)
}

/// Returns the boolean `false`.
pub fn literal_false() -> Object {
    boolean(false)
}

fn boolean(value: bool) -> Object {
    let boolean = ObjectBuilder::new().schema_type(Type::Boolean);
    boolean.enum_values(Some([value])).build()
}

/// Returns the schema of this type, or `null`.
pub(super) fn nullable(schema: ObjectBuilder, schema_type: Type) -> ObjectBuilder {
    schema.schema_type(SchemaType::from_iter([schema_type, Type::Null]))
}
