//! Schemas of the bodies of requests, from the bounds that [`validation`](crate::contract::validation) checks. Other fields
//! are ignored.

use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{
        KnownFormat, Schema, SchemaFormat, Type,
        schema::{AllOfBuilder, AnyOfBuilder, ObjectBuilder, OneOfBuilder, SchemaType},
    },
};

use crate::{
    contract::validation::{
        IDEMPOTENCY_KEY_LENGTH,
        check::{
            DEFAULT_MIME_TYPE, MAX_EMAIL_CHARS, MAX_FILE_KEY_CHARS, MAX_FILE_URL_CHARS,
            MAX_MIME_TYPE_CHARS, MAX_NAME_CHARS, MAX_SAFE_INTEGER, MAX_TITLE_CHARS,
        },
        media_type::MAX_MIME_TYPE_PART,
    },
    domain::{Role, UserId},
};

use super::{
    build::{nullable, reference, string},
    scalars::VISIBLE_ASCII,
    schema_set::SchemaSet,
};

/// Text that has a character after trimming as ECMAScript trims, and no U+0000. `\s` differs between dialects.
const NOT_BLANK: &str = r"^[^\u0000]*[^\u0000\u0009-\u000D\u0020\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF][^\u0000]*$";

/// Characters that trimming removes.
const BLANKS: &str =
    r"[\u0009-\u000D\u0020\u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u3000\uFEFF]*";

/// A token of HTTP (RFC 9110, section 5.6.2).
const TOKEN: &str = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";

/// A quoted string of HTTP (RFC 9110, section 5.6.4).
const QUOTED: &str = r#""(?:[^"\\\u0000-\u0008\u000A-\u001F\u007F-\u009F]|\\[^\u0000-\u0008\u000A-\u001F\u007F-\u009F])*""#;

/// Text without U+0000.
const WITHOUT_NUL: &str = r"^[^\u0000]*$";

/// Adds the schemas of sources to be created or updated.
pub(super) fn add_sources(schemas: &mut SchemaSet) {
    let create_source = new_source_fields().description(Some("A source to be created."));
    schemas.insert("CreateSource", create_source);
    schemas.insert("UpdateSource", update_source());
}

/// Adds the schemas of the bodies about vaults and members.
pub(super) fn add_vaults_and_members(schemas: &mut SchemaSet) {
    schemas.add::<UserId>();
    schemas.add::<Role>();
    let object = |description| ObjectBuilder::new().description(Some(description));
    let create_vault = object("A vault to be created; the caller becomes its owner.")
        .property("name", name())
        .required("name");
    schemas.insert("CreateVault", create_vault);
    let update_vault = object("The new name of a vault.")
        .property("name", name())
        .required("name");
    schemas.insert("UpdateVault", update_vault);
    schemas.insert("AddMember", add_member());
    let update_member = object("The new role of a member.")
        .property("role", reference(&Role::name()))
        .required("role");
    schemas.insert("UpdateMember", update_member);
}

/// Returns the fields of a source to be created.
fn new_source_fields() -> ObjectBuilder {
    let default_type =
        format!("The media type of the file; {DEFAULT_MIME_TYPE} when absent, null or empty.");
    ObjectBuilder::new()
        .property("title", title())
        .required("title")
        .property("fileUrl", file_url())
        .required("fileUrl")
        .property("fileKey", nullable(file_key(), Type::String))
        .property("fileSize", nullable(file_size(), Type::Integer))
        .property(
            "mimeType",
            nullable(mime_type().description(Some(default_type)), Type::String),
        )
}

/// At least one of the fields must be present.
fn update_source() -> Schema {
    let fields = [
        ("title", title()),
        ("fileUrl", file_url()),
        ("fileKey", nullable(file_key(), Type::String)),
        ("fileSize", nullable(file_size(), Type::Integer)),
        ("mimeType", nullable(mime_type(), Type::String)),
    ];
    let (mut all, mut any) = (ObjectBuilder::new(), AnyOfBuilder::new());
    for (name, schema) in fields {
        let present = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        all = all.property(name, schema);
        any = any.item(ObjectBuilder::new().property(name, present).required(name));
    }
    let description = "The changes of a source: at least one field. An absent field is unchanged; `null` clears `fileKey` \
                       or `fileSize`.";
    AllOfBuilder::new()
        .description(Some(description))
        .item(all)
        .item(any)
        .into()
}

/// Exactly one of `userId` and `email` must be present.
fn add_member() -> Schema {
    let null = || ObjectBuilder::new().schema_type(Type::Null);
    let with_role = |object: ObjectBuilder| {
        let role = reference(&Role::name());
        object.property("role", role).required("role")
    };
    let by_id = ObjectBuilder::new()
        .title(Some("by id"))
        .property("userId", reference(&UserId::name()))
        .required("userId")
        .property("email", null());
    let by_email = ObjectBuilder::new()
        .title(Some("by email"))
        .property("email", email())
        .required("email")
        .property("userId", null());
    OneOfBuilder::new()
        .description(Some(
            "A user to become a member, named by id or by email. An unknown id is recorded: the user may connect later.",
        ))
        .item(with_role(by_id))
        .item(with_role(by_email))
        .into()
}

fn title() -> ObjectBuilder {
    trimmed(MAX_TITLE_CHARS).description(Some("The title or file name; trimmed."))
}

fn name() -> ObjectBuilder {
    trimmed(MAX_NAME_CHARS).description(Some("The name of the vault; trimmed."))
}

fn trimmed(max_chars: usize) -> ObjectBuilder {
    string()
        .min_length(Some(1))
        .max_length(Some(max_chars))
        .pattern(Some(NOT_BLANK))
}

fn file_url() -> ObjectBuilder {
    string()
        .description(Some("The absolute http or https URL of the file."))
        .format(Some(SchemaFormat::Custom("iri".to_owned())))
        .max_length(Some(MAX_FILE_URL_CHARS))
        .examples([json!("https://example.com/report.pdf")])
}

fn file_key() -> ObjectBuilder {
    string()
        .description(Some("The file's key in the object store that contains it."))
        .max_length(Some(MAX_FILE_KEY_CHARS))
        .pattern(Some(WITHOUT_NUL))
}

fn file_size() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .description(Some("The size of the file in bytes."))
        .minimum(Some(0))
        .maximum(Some(MAX_SAFE_INTEGER))
}

fn mime_type() -> ObjectBuilder {
    let part = format!(
        "[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{{0,{}}}",
        MAX_MIME_TYPE_PART - 1
    );
    let parameters = format!(r"(?:[\t ]*;[\t ]*(?:{TOKEN}=(?:{TOKEN}|{QUOTED}))?)*[\t ]*");
    string()
        .description(Some(
            "The media type of the file, with its parameters; trimmed.",
        ))
        .max_length(Some(MAX_MIME_TYPE_CHARS))
        .pattern(Some(format!(
            "^{BLANKS}(?:{part}/{part}{parameters})?{BLANKS}$"
        )))
        .examples([json!(DEFAULT_MIME_TYPE)])
}

fn email() -> ObjectBuilder {
    string()
        .description(Some(
            "The email of a known user, compared without case; trimmed.",
        ))
        .max_length(Some(MAX_EMAIL_CHARS))
        .pattern(Some(r"^[^\u0000]*@[^\u0000]*$"))
        .examples([json!("ana@example.com")])
}

/// Returns the schema of an idempotency key.
pub fn idempotency_key() -> ObjectBuilder {
    string()
        .description(Some(
            "For 24 hours, the same key with the same request receives the first answer, without a second event. \
             With another request, it is refused with `IDEMPOTENCY_MISMATCH`.",
        ))
        .min_length(Some(*IDEMPOTENCY_KEY_LENGTH.start()))
        .max_length(Some(*IDEMPOTENCY_KEY_LENGTH.end()))
        .pattern(Some(VISIBLE_ASCII))
}
