//! One operation of the API: a row of the table of operations.

use actix_web::http::StatusCode;
use utoipa::openapi::{HttpMethod, Tag, tag::TagBuilder};

use crate::contract::problem::ErrorCode;

use super::parts::{HeaderPart, ParameterPart};

/// The group of an operation.
#[derive(Clone, Copy)]
pub enum ApiTag {
    Vaults,
    Members,
    Sources,
    Users,
    Service,
}

/// The users that an operation accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// No user session is needed.
    Anyone,
    /// Any user with a session.
    User,
    /// The members of the vault, or of the vault of the source.
    Member,
    /// Owners and contributors.
    Contributor,
    Owner,
    /// Owners, and the member that the path names.
    OwnerOrMember,
}

impl Access {
    /// Returns the accepted users in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Anyone => "anyone",
            Self::User => "any user",
            Self::Member => "member",
            Self::Contributor => "owner, contributor",
            Self::Owner => "owner",
            Self::OwnerOrMember => "owner, or the member",
        }
    }

    /// Returns whether the role of a member matters.
    fn needs_role(self) -> bool {
        match self {
            Self::Anyone | Self::User | Self::Member => false,
            Self::Contributor | Self::Owner | Self::OwnerOrMember => true,
        }
    }
}

/// The subject that the path names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PathSubject {
    Nothing,
    Vault,
    Member,
    Source,
}

/// A row of the table of operations. Errors that follow from its other fields are not listed.
pub struct ApiOperation {
    pub method: HttpMethod,
    pub path: &'static str,
    /// The name of the operation in generated clients.
    pub id: &'static str,
    pub tag: ApiTag,
    pub summary: &'static str,
    pub description: &'static str,
    pub access: Access,
    pub subject: PathSubject,
    pub parameters: &'static [ParameterPart],
    /// The schema of the body.
    pub body: Option<&'static str>,
    pub status: StatusCode,
    pub content: ResponseContent,
    pub headers: &'static [HeaderPart],
    pub errors: &'static [ErrorCode],
}

/// The content of a successful response.
#[derive(Clone, Copy)]
pub enum ResponseContent {
    /// JSON of this schema.
    Json(&'static str),
    /// Any JSON object.
    Document,
    Html,
    Nothing,
}

impl ApiTag {
    pub const ALL: [Self; 5] = [
        Self::Vaults,
        Self::Members,
        Self::Sources,
        Self::Users,
        Self::Service,
    ];

    /// Returns the name of the tag.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vaults => "vaults",
            Self::Members => "members",
            Self::Sources => "sources",
            Self::Users => "users",
            Self::Service => "service",
        }
    }

    /// Returns the tag of the document.
    pub fn describe(self) -> Tag {
        let description = match self {
            Self::Vaults => "Vaults and their journals.",
            Self::Members => "The members of a vault and their roles.",
            Self::Sources => "The documents of a vault.",
            Self::Users => "The caller.",
            Self::Service => "Health and descriptions. No credential is needed.",
        };
        TagBuilder::new()
            .name(self.name())
            .description(Some(description))
            .build()
    }
}

impl ApiOperation {
    /// Returns whether the operation changes a vault.
    pub fn is_mutation(&self) -> bool {
        !matches!(self.method, HttpMethod::Get)
    }

    /// Returns the codes of all errors of this operation.
    pub fn codes(&self) -> Vec<ErrorCode> {
        use ErrorCode as Code;
        let mut codes = vec![Code::OriginNotAllowed, Code::Internal];
        codes.extend(self.errors);
        if self.access != Access::Anyone {
            let session = [
                Code::Unauthorized,
                Code::AuthenticationFailed,
                Code::RateLimited,
                Code::Unavailable,
            ];
            codes.extend(session);
        }
        match self.subject {
            PathSubject::Nothing => {}
            PathSubject::Vault => codes.extend([Code::InvalidVaultId, Code::AccessDenied]),
            PathSubject::Member => {
                codes.extend([Code::InvalidVaultId, Code::AccessDenied, Code::NotFound]);
            }
            PathSubject::Source => codes.push(Code::NotFound),
        }
        if self.access.needs_role() {
            codes.extend([Code::InsufficientPermissions, Code::VaultBusy]);
        }
        if self.body.is_some() {
            codes.extend([
                Code::InvalidJson,
                Code::ValidationFailed,
                Code::PayloadTooLarge,
                Code::UnsupportedMediaType,
            ]);
        }
        for parameter in self.parameters {
            codes.extend(parameter.errors());
        }
        codes
    }
}
