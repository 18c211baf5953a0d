//! The parameters, headers and credentials that operations refer to.

use serde_json::json;
use utoipa::{
    ToSchema,
    openapi::{
        Components, ComponentsBuilder, Header, HeaderBuilder, RefOr, Required, Schema,
        SecurityRequirement, Type,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::ObjectBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::{
    api::page_query::{DEFAULT_LIMIT, LIMITS, MAX_SEQ},
    contract::{
        problem::ErrorCode,
        schema::{SchemaSet, cuid_pattern, idempotency_key, reference, string},
    },
    domain::{Seq, SourceId, UserId, VaultId},
};

/// A parameter of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterPart {
    VaultId,
    UserId,
    UserIdQuery,
    SourceId,
    Limit,
    VaultCursor,
    MemberCursor,
    SourceCursor,
    Since,
    IdempotencyKey,
    IfMatch,
    /// `If-Match` of a resource without ETags.
    NoEtag,
    IfNoneMatch,
}

/// A header of responses.
#[derive(Clone, Copy, Debug)]
pub enum HeaderPart {
    VaultSeq,
    SourceTag,
    DocumentTag,
    RetryAfter,
    Allow,
    RequestId,
    CacheControl,
    WwwAuthenticate,
}

impl ParameterPart {
    const ALL: [Self; 13] = [
        Self::VaultId,
        Self::UserId,
        Self::UserIdQuery,
        Self::SourceId,
        Self::Limit,
        Self::VaultCursor,
        Self::MemberCursor,
        Self::SourceCursor,
        Self::Since,
        Self::IdempotencyKey,
        Self::IfMatch,
        Self::NoEtag,
        Self::IfNoneMatch,
    ];

    /// Returns the codes of the errors that the parameter can cause.
    pub fn errors(self) -> &'static [ErrorCode] {
        match self {
            Self::VaultId | Self::UserId | Self::SourceId | Self::IfNoneMatch => &[],
            Self::UserIdQuery
            | Self::Limit
            | Self::VaultCursor
            | Self::MemberCursor
            | Self::SourceCursor
            | Self::Since => &[ErrorCode::ValidationFailed],
            Self::IdempotencyKey => &[ErrorCode::ValidationFailed, ErrorCode::IdempotencyMismatch],
            Self::IfMatch | Self::NoEtag => &[ErrorCode::PreconditionFailed],
        }
    }

    fn describe(self) -> Parameter {
        match self {
            Self::VaultId => in_path("id", reference(&VaultId::name()), "The id of the vault."),
            Self::UserId => in_path(
                "userId",
                reference(&UserId::name()),
                "The id of the member.",
            ),
            Self::UserIdQuery => required(in_query(
                "userId",
                reference(&UserId::name()),
                "The id of the member.",
            )),
            Self::SourceId => in_path("id", reference(&SourceId::name()), "The id of the source."),
            Self::Limit => in_query("limit", limit(), "The largest number of rows."),
            Self::VaultCursor => cursor(&cuid_pattern()),
            Self::MemberCursor => cursor(&format!("[0-9]{{1,18}}-{}", cuid_pattern())),
            Self::SourceCursor => cursor("[0-9]{1,18}"),
            Self::Since => in_query(
                "since",
                since(),
                "The number of the event after which the listing starts.",
            ),
            Self::IdempotencyKey => in_header(
                "Idempotency-Key",
                idempotency_key(),
                "Prevents a second execution.",
            ),
            Self::IfMatch => in_header(
                "If-Match",
                string(),
                "One or more ETags, or `*`: the request is refused with `PRECONDITION_FAILED` if the source has none of these versions.",
            ),
            Self::NoEtag => in_header(
                "If-Match",
                string().enum_values(Some(["*"])),
                "Only `*` is accepted, because vaults and members have no ETag.",
            ),
            Self::IfNoneMatch => in_header(
                "If-None-Match",
                string(),
                "ETags of the versions that the client has, or `*`.",
            ),
        }
    }
}

impl HeaderPart {
    const ALL: [Self; 8] = [
        Self::VaultSeq,
        Self::SourceTag,
        Self::DocumentTag,
        Self::RetryAfter,
        Self::Allow,
        Self::RequestId,
        Self::CacheControl,
        Self::WwwAuthenticate,
    ];

    /// Returns the name of the header.
    pub fn name(self) -> &'static str {
        match self {
            Self::VaultSeq => "X-Vault-Seq",
            Self::SourceTag | Self::DocumentTag => "ETag",
            Self::RetryAfter => "Retry-After",
            Self::Allow => "Allow",
            Self::RequestId => "X-Request-Id",
            Self::CacheControl => "Cache-Control",
            Self::WwwAuthenticate => "WWW-Authenticate",
        }
    }

    fn describe(self) -> Header {
        let seconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1));
        let (schema, description): (RefOr<Schema>, _) = match self {
            Self::VaultSeq => (
                reference(&Seq::name()),
                "The number of the event that the mutation became; 0 for a new vault.",
            ),
            Self::SourceTag => (
                string()
                    .pattern(Some("^\"[0-9]+\"$"))
                    .examples([json!("\"7\"")])
                    .into(),
                "The number of the event that made the source so, in quotes. `If-Match` accepts it.",
            ),
            Self::DocumentTag => (
                string().into(),
                "The version of the document. `If-None-Match` accepts it.",
            ),
            Self::RetryAfter => (
                seconds.into(),
                "Seconds until a new attempt is worth while.",
            ),
            Self::Allow => (string().into(), "The methods of the route."),
            Self::RequestId => (
                string().min_length(Some(1)).into(),
                "The id of the request: the one that it was sent with, or a new one. Log lines have the same.",
            ),
            Self::CacheControl => (
                string().into(),
                "`no-store`: answers belong to one user. `no-cache` for the descriptions of the service.",
            ),
            Self::WwwAuthenticate => (string().into(), "`Bearer`."),
        };
        HeaderBuilder::new()
            .schema(Some(schema))
            .description(Some(description))
            .build()
    }
}

/// Returns the credentials, of which any one is accepted.
pub fn credentials() -> Vec<SecurityRequirement> {
    let require = |name: &str| SecurityRequirement::new(name, [] as [&str; 0]);
    let names = ["bearer"].into_iter().chain(COOKIES.map(|(name, _)| name));
    names.map(require).collect()
}

/// The names of the schemes and of the cookies with a user session.
const COOKIES: [(&str, &str); 4] = [
    ("authjsSecure", "__Secure-authjs.session-token"),
    ("authjs", "authjs.session-token"),
    ("nextAuthSecure", "__Secure-next-auth.session-token"),
    ("nextAuth", "next-auth.session-token"),
];

/// Returns the components of the document.
pub fn components(schemas: SchemaSet) -> Components {
    let mut components = ComponentsBuilder::new();
    for (name, schema) in schemas.iter() {
        components = components.schema(name, schema.clone());
    }
    for part in ParameterPart::ALL {
        components = components.parameter(format!("{part:?}"), part.describe());
    }
    for part in HeaderPart::ALL {
        components = components.header(format!("{part:?}"), part.describe());
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some(
            "A NextAuth 4 or Auth.js 5 session token, or a JWT signed with the same secret.",
        ))
        .build();
    components = components.security_scheme("bearer", SecurityScheme::Http(bearer));
    for (scheme, cookie) in COOKIES {
        let description = "A session cookie of the application, whole or in chunks (`NAME.0`, `NAME.1`, …). `auth.cookies` may name others.";
        let key = ApiKey::Cookie(ApiKeyValue::with_description(cookie, description));
        components = components.security_scheme(scheme, SecurityScheme::ApiKey(key));
    }
    components.build()
}

/// Returns the parameter with the `nextCursor` of a page, which has this form.
fn cursor(pattern: &str) -> Parameter {
    let schema = string().pattern(Some(format!("^{pattern}$")));
    let description = "The `nextCursor` of the previous page of this listing.";
    in_query("cursor", schema, description)
}

fn limit() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(*LIMITS.start()))
        .maximum(Some(*LIMITS.end()))
        .default(Some(json!(DEFAULT_LIMIT)))
}

fn since() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0))
        .maximum(Some(MAX_SEQ))
        .default(Some(json!(0)))
}

fn in_path(name: &str, schema: RefOr<Schema>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Path, schema, description)
}

fn in_query(name: &str, schema: impl Into<RefOr<Schema>>, description: &str) -> Parameter {
    parameter(name, ParameterIn::Query, schema.into(), description)
}

fn required(mut parameter: Parameter) -> Parameter {
    parameter.required = Required::True;
    parameter
}

fn in_header(name: &str, schema: ObjectBuilder, description: &str) -> Parameter {
    parameter(name, ParameterIn::Header, schema.into(), description)
}

fn parameter(
    name: &str,
    place: ParameterIn,
    schema: RefOr<Schema>,
    description: &str,
) -> Parameter {
    let required = match place {
        ParameterIn::Path => Required::True,
        _ => Required::False,
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(schema))
        .description(Some(description))
        .build()
}
