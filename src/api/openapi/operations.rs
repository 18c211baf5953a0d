//! The table of the operations of the main listener.

use actix_web::http::StatusCode;
use utoipa::openapi::HttpMethod;

use crate::contract::problem::ErrorCode;

use super::{
    operation::{Access, ApiOperation, ApiTag, PathSubject, ResponseContent},
    parts::{HeaderPart, ParameterPart},
};

/// The fields that a row does not name.
const NONE: ApiOperation = ApiOperation {
    method: HttpMethod::Get,
    path: "",
    id: "",
    tag: ApiTag::Service,
    summary: "",
    description: "",
    access: Access::Anyone,
    subject: PathSubject::Nothing,
    parameters: &[],
    body: None,
    status: StatusCode::OK,
    content: ResponseContent::Nothing,
    headers: &[],
    errors: &[],
};

/// Returns every operation, in the order of the document.
pub fn all() -> impl Iterator<Item = ApiOperation> {
    let parts = [vaults(), members(), sources(), users_and_service()];
    parts.into_iter().flatten()
}

fn vaults() -> Vec<ApiOperation> {
    vec![
        ApiOperation {
            method: HttpMethod::Get,
            path: "/api/vaults",
            id: "listVaults",
            tag: ApiTag::Vaults,
            summary: "Lists the vaults of the caller, oldest first",
            access: Access::User,
            parameters: &[ParameterPart::Limit, ParameterPart::VaultCursor],
            content: ResponseContent::Json("VaultPage"),
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Post,
            path: "/api/vaults",
            id: "createVault",
            tag: ApiTag::Vaults,
            summary: "Creates a vault; the caller becomes its owner",
            access: Access::User,
            parameters: &[ParameterPart::IdempotencyKey],
            body: Some("CreateVault"),
            status: StatusCode::CREATED,
            content: ResponseContent::Json("Vault"),
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Get,
            path: "/api/vaults/{id}",
            id: "getVault",
            tag: ApiTag::Vaults,
            summary: "Returns a vault",
            access: Access::Member,
            subject: PathSubject::Vault,
            content: ResponseContent::Json("Vault"),
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Patch,
            path: "/api/vaults/{id}",
            id: "updateVault",
            tag: ApiTag::Vaults,
            summary: "Renames a vault",
            access: Access::Owner,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::NoEtag],
            body: Some("UpdateVault"),
            content: ResponseContent::Json("Vault"),
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Delete,
            path: "/api/vaults/{id}",
            id: "deleteVault",
            tag: ApiTag::Vaults,
            summary: "Deletes a vault",
            access: Access::Owner,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::NoEtag],
            status: StatusCode::NO_CONTENT,
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Get,
            path: "/api/vaults/{id}/events",
            id: "listEvents",
            tag: ApiTag::Vaults,
            summary: "Lists the events after a number, oldest first",
            access: Access::Member,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::Since, ParameterPart::Limit],
            content: ResponseContent::Json("EventPage"),
            errors: &[ErrorCode::JournalTrimmed],
            ..NONE
        },
    ]
}

fn members() -> Vec<ApiOperation> {
    vec![
        ApiOperation {
            method: HttpMethod::Get,
            path: "/api/vaults/{id}/members",
            id: "listMembers",
            tag: ApiTag::Members,
            summary: "Lists the members in the order in which they joined",
            access: Access::Member,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::Limit, ParameterPart::MemberCursor],
            content: ResponseContent::Json("MemberPage"),
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Post,
            path: "/api/vaults/{id}/members",
            id: "addMember",
            tag: ApiTag::Members,
            summary: "Adds a member",
            description: "An unknown email is `NOT_FOUND`. An existing member, or an email that several users have, is `CONFLICT`.",
            access: Access::Owner,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::IdempotencyKey],
            body: Some("AddMember"),
            status: StatusCode::CREATED,
            content: ResponseContent::Json("Member"),
            errors: &[ErrorCode::NotFound, ErrorCode::Conflict],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Patch,
            path: "/api/vaults/{id}/members/{userId}",
            id: "updateMember",
            tag: ApiTag::Members,
            summary: "Changes the role of a member",
            description: "The new role applies at once to connected sockets.",
            access: Access::Owner,
            subject: PathSubject::Member,
            parameters: &[ParameterPart::NoEtag],
            body: Some("UpdateMember"),
            content: ResponseContent::Json("Member"),
            errors: &[ErrorCode::LastOwner],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Delete,
            path: "/api/vaults/{id}/members/{userId}",
            id: "removeMember",
            tag: ApiTag::Members,
            summary: "Removes a member",
            description: "The sockets of the user leave the vault at once and receive `error` with the code `ACCESS_DENIED`.",
            access: Access::OwnerOrMember,
            subject: PathSubject::Member,
            parameters: &[ParameterPart::NoEtag],
            status: StatusCode::NO_CONTENT,
            errors: &[ErrorCode::LastOwner],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Patch,
            path: "/api/vaults/{id}/members",
            id: "updateMemberByQuery",
            tag: ApiTag::Members,
            summary: "Changes the role of a member, named by the query",
            description: "For every user id, `.` and `..` among them, which URL parsers remove from a path.",
            access: Access::Owner,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::UserIdQuery, ParameterPart::NoEtag],
            body: Some("UpdateMember"),
            content: ResponseContent::Json("Member"),
            errors: &[
                ErrorCode::NotFound,
                ErrorCode::LastOwner,
                ErrorCode::MethodNotAllowed,
            ],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Delete,
            path: "/api/vaults/{id}/members",
            id: "removeMemberByQuery",
            tag: ApiTag::Members,
            summary: "Removes a member, named by the query",
            description: "For every user id, `.` and `..` among them, which URL parsers remove from a path.",
            access: Access::OwnerOrMember,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::UserIdQuery, ParameterPart::NoEtag],
            status: StatusCode::NO_CONTENT,
            errors: &[
                ErrorCode::NotFound,
                ErrorCode::LastOwner,
                ErrorCode::MethodNotAllowed,
            ],
            ..NONE
        },
    ]
}

fn sources() -> Vec<ApiOperation> {
    vec![
        ApiOperation {
            method: HttpMethod::Get,
            path: "/api/vaults/{id}/sources",
            id: "listSources",
            tag: ApiTag::Sources,
            summary: "Lists the sources of a vault, newest first",
            access: Access::Member,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::Limit, ParameterPart::SourceCursor],
            content: ResponseContent::Json("SourcePage"),
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Post,
            path: "/api/vaults/{id}/sources",
            id: "createSource",
            tag: ApiTag::Sources,
            summary: "Creates a source",
            access: Access::Contributor,
            subject: PathSubject::Vault,
            parameters: &[ParameterPart::IdempotencyKey],
            body: Some("CreateSource"),
            status: StatusCode::CREATED,
            content: ResponseContent::Json("Source"),
            headers: &[HeaderPart::SourceTag],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Get,
            path: "/api/sources/{id}",
            id: "getSource",
            tag: ApiTag::Sources,
            summary: "Returns a source",
            access: Access::Member,
            subject: PathSubject::Source,
            parameters: &[ParameterPart::IfNoneMatch],
            content: ResponseContent::Json("Source"),
            headers: &[HeaderPart::SourceTag],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Patch,
            path: "/api/sources/{id}",
            id: "updateSource",
            tag: ApiTag::Sources,
            summary: "Changes fields of a source",
            access: Access::Contributor,
            subject: PathSubject::Source,
            parameters: &[ParameterPart::IfMatch],
            body: Some("UpdateSource"),
            content: ResponseContent::Json("Source"),
            headers: &[HeaderPart::SourceTag],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Delete,
            path: "/api/sources/{id}",
            id: "deleteSource",
            tag: ApiTag::Sources,
            summary: "Deletes a source",
            access: Access::Contributor,
            subject: PathSubject::Source,
            parameters: &[ParameterPart::IfMatch],
            status: StatusCode::NO_CONTENT,
            ..NONE
        },
    ]
}

fn users_and_service() -> Vec<ApiOperation> {
    vec![
        ApiOperation {
            method: HttpMethod::Get,
            path: "/api/me",
            id: "getMe",
            tag: ApiTag::Users,
            summary: "Returns the caller",
            access: Access::User,
            content: ResponseContent::Json("User"),
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Get,
            path: "/healthz",
            id: "getHealth",
            tag: ApiTag::Service,
            summary: "Returns whether the process runs",
            access: Access::Anyone,
            content: ResponseContent::Json("Health"),
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Get,
            path: "/readyz",
            id: "getReadiness",
            tag: ApiTag::Service,
            summary: "Returns whether the service accepts work",
            description: "The database can be read and written, and the service is not about to stop. Else 503.",
            access: Access::Anyone,
            content: ResponseContent::Json("Health"),
            errors: &[ErrorCode::Unavailable],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Get,
            path: "/openapi.json",
            id: "getOpenApi",
            tag: ApiTag::Service,
            summary: "Returns this description",
            access: Access::Anyone,
            parameters: &[ParameterPart::IfNoneMatch],
            content: ResponseContent::Document,
            headers: &[HeaderPart::DocumentTag],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Get,
            path: "/asyncapi.json",
            id: "getAsyncApi",
            tag: ApiTag::Service,
            summary: "Returns the description of the Socket.IO events",
            description: "An AsyncAPI 3 document.",
            access: Access::Anyone,
            parameters: &[ParameterPart::IfNoneMatch],
            content: ResponseContent::Document,
            headers: &[HeaderPart::DocumentTag],
            ..NONE
        },
        ApiOperation {
            method: HttpMethod::Get,
            path: "/docs",
            id: "getDocs",
            tag: ApiTag::Service,
            summary: "Returns both descriptions as a page",
            access: Access::Anyone,
            parameters: &[ParameterPart::IfNoneMatch],
            content: ResponseContent::Html,
            headers: &[HeaderPart::DocumentTag],
            ..NONE
        },
    ]
}
