//! Schemas as HTML.

use std::collections::BTreeMap;

use maud::{Markup, html};
use utoipa::{
    Number,
    openapi::{
        RefOr, Schema, Type,
        schema::{Array, ArrayItems, Object, SchemaFormat, SchemaType},
    },
};

use super::prose::inline;

/// The longest regular expression that the page shows, in bytes. A longer one helps programs only.
const LONGEST_PATTERN: usize = 48;

/// The schemas of both documents by name.
pub type Schemas<'a> = BTreeMap<&'a str, &'a RefOr<Schema>>;

/// Returns the name of a schema and, below it, what it contains.
pub fn expanded(schemas: &Schemas<'_>, schema: &RefOr<Schema>) -> Markup {
    html! {
        p.type { (type_of(schema)) }
        @if let RefOr::Ref(reference) = schema
            && let Some(RefOr::T(named)) = schemas.get(name_in(&reference.ref_location)) {
            (body(named))
        }
    }
}

/// Returns a schema with its name as a heading.
pub fn named_schema(name: &str, schema: &RefOr<Schema>) -> Markup {
    html! {
        article.schema id={ "schema-" (name) } {
            h3 { a.anchor href={ "#schema-" (name) } { (name) } }
            @match schema {
                RefOr::Ref(_) => p { (type_of(schema)) },
                RefOr::T(schema) => (definition(schema)),
            }
        }
    }
}

/// Returns the type of a value: a link to a named schema, or a short description.
pub fn type_of(schema: &RefOr<Schema>) -> Markup {
    match schema {
        RefOr::Ref(reference) => link(&reference.ref_location),
        RefOr::T(Schema::Object(object)) => scalar(object),
        RefOr::T(Schema::Array(array)) => html! { "array of " (item_type(array)) },
        RefOr::T(Schema::OneOf(union)) => alternatives(&union.items, " or "),
        RefOr::T(Schema::AnyOf(union)) => alternatives(&union.items, " or "),
        RefOr::T(Schema::AllOf(all)) => alternatives(&all.items, " and "),
        RefOr::T(_) => html! { "any value" },
    }
}

fn link(target: &str) -> Markup {
    let name = name_in(target);
    html! { a href={ "#schema-" (name) } { (name) } }
}

/// Returns the name of the schema that a reference leads to.
fn name_in(target: &str) -> &str {
    target.rsplit('/').next().unwrap_or(target)
}

fn item_type(array: &Array) -> Markup {
    match &array.items {
        ArrayItems::RefOrSchema(item) => type_of(item),
        ArrayItems::False => html! { "nothing" },
    }
}

fn alternatives(items: &[RefOr<Schema>], separator: &str) -> Markup {
    html! {
        @for (index, item) in items.iter().enumerate() {
            @if index > 0 { (separator) }
            (type_of(item))
        }
    }
}

/// Returns the full description of a schema.
fn definition(schema: &Schema) -> Markup {
    let description = match schema {
        Schema::Object(object) => &object.description,
        Schema::Array(array) => &array.description,
        Schema::OneOf(union) => &union.description,
        Schema::AnyOf(union) => &union.description,
        Schema::AllOf(all) => &all.description,
        _ => &None,
    };
    html! {
        @if let Some(description) = description { p { (inline(description)) } }
        (body(schema))
    }
}

fn body(schema: &Schema) -> Markup {
    match schema {
        Schema::Object(object) if !object.properties.is_empty() => fields(object),
        Schema::Object(object) => html! {
            p.type { (scalar(object)) }
            @if let Some(values) = &object.enum_values && values.len() > 1 {
                ul.values { @for value in values { li { code { (text(value)) } } } }
            }
        },
        Schema::Array(array) => html! { p.type { "array of " (item_type(array)) } },
        Schema::OneOf(union) => parts("One of", &union.items),
        Schema::AnyOf(union) => parts("At least one of", &union.items),
        Schema::AllOf(all) => parts("All of", &all.items),
        _ => html! { p.type { "any value" } },
    }
}

fn parts(label: &str, items: &[RefOr<Schema>]) -> Markup {
    html! {
        p.label { (label) }
        ul.parts {
            @for item in items {
                li {
                    @match item {
                        RefOr::T(Schema::Object(object)) if !object.properties.is_empty() => {
                            @if let Some(title) = &object.title { p.part { (title) } }
                            (fields(object))
                        },
                        RefOr::T(schema @ (Schema::OneOf(_) | Schema::AnyOf(_) | Schema::AllOf(_))) => (body(schema)),
                        other => (type_of(other)),
                    }
                }
            }
        }
    }
}

fn fields(object: &Object) -> Markup {
    html! {
        dl.fields {
            @for (name, schema) in &object.properties {
                div {
                    dt {
                        code { (name) }
                        @if !object.required.contains(name) { span.optional { "optional" } }
                    }
                    dd {
                        @match schema {
                            RefOr::T(schema) if has_fields(schema) => (body(schema)),
                            _ => span.type { (type_of(schema)) },
                        }
                        @if let Some(description) = field_description(schema) { p { (inline(description)) } }
                    }
                }
            }
        }
    }
}

/// Returns whether a schema without a name has fields to show.
fn has_fields(schema: &Schema) -> bool {
    let any_has_fields = |items: &[RefOr<Schema>]| {
        items
            .iter()
            .any(|item| matches!(item, RefOr::T(schema) if has_fields(schema)))
    };
    match schema {
        Schema::Object(object) => !object.properties.is_empty(),
        Schema::OneOf(union) => any_has_fields(&union.items),
        Schema::AnyOf(union) => any_has_fields(&union.items),
        Schema::AllOf(all) => any_has_fields(&all.items),
        _ => false,
    }
}

fn field_description(schema: &RefOr<Schema>) -> Option<&str> {
    match schema {
        RefOr::Ref(reference) => {
            Some(reference.description.as_str()).filter(|text| !text.is_empty())
        }
        RefOr::T(Schema::Object(object)) => object.description.as_deref(),
        RefOr::T(Schema::Array(array)) => array.description.as_deref(),
        RefOr::T(_) => None,
    }
}

/// Returns the type and the bounds of a value.
fn scalar(object: &Object) -> Markup {
    let bounds = bounds(object);
    html! {
        @match object.enum_values.as_deref() {
            Some([value]) => code { (text(value)) },
            _ => (type_name(&object.schema_type)),
        }
        @for bound in bounds { " " span.bound { (bound) } }
        @if let Some(pattern) = &object.pattern && pattern.len() <= LONGEST_PATTERN {
            " " code.pattern { (pattern) }
        }
    }
}

fn bounds(object: &Object) -> Vec<String> {
    let mut bounds = Vec::new();
    // A whole number of the type `f64` is displayed without a decimal point.
    let number = |number: &Number| match number {
        Number::Int(value) => value.to_string(),
        Number::UInt(value) => value.to_string(),
        Number::Float(value) => value.to_string(),
    };
    match (&object.minimum, &object.maximum) {
        (Some(min), Some(max)) => bounds.push(format!("{} to {}", number(min), number(max))),
        (Some(min), None) => bounds.push(format!("at least {}", number(min))),
        (None, Some(max)) => bounds.push(format!("at most {}", number(max))),
        (None, None) => {}
    }
    match (object.min_length, object.max_length) {
        (Some(min), Some(max)) => bounds.push(format!("{min} to {max} characters")),
        (Some(min), None) => bounds.push(format!("at least {min} characters")),
        (None, Some(max)) => bounds.push(format!("at most {max} characters")),
        (None, None) => {}
    }
    if let Some(SchemaFormat::Custom(format)) = &object.format {
        bounds.push(format.clone());
    }
    if let Some(default) = &object.default {
        bounds.push(format!("default {}", text(default)));
    }
    bounds
}

fn type_name(schema_type: &SchemaType) -> String {
    match schema_type {
        SchemaType::Type(name) => name_of(name).to_owned(),
        SchemaType::Array(names) => names.iter().map(name_of).collect::<Vec<_>>().join(" or "),
        SchemaType::AnyValue => "any value".to_owned(),
    }
}

fn name_of(schema_type: &Type) -> &'static str {
    match schema_type {
        Type::Object => "object",
        Type::String => "string",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
        Type::Array => "array",
        Type::Null => "null",
    }
}

/// Returns a JSON value as text; a string without quotes.
fn text(value: &serde_json::Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
