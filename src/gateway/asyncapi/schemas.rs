//! Schemas of the payloads and acknowledgements on sockets.

use serde_json::json;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema, Type,
        schema::{AllOfBuilder, AnyOfBuilder, ObjectBuilder, OneOfBuilder, SchemaType},
    },
};

use crate::{
    contract::{
        problem::Problem,
        schema::{self, SchemaSet, cuid_pattern, idempotency_key, literal_true, reference, string},
    },
    domain::{SourceId, VaultId},
    gateway::protocol::{
        ClientEvent, ErrorPayload, JoinedPayload, LeaveAck, NegativeAck, SourceAck,
        SourceDeletedAck,
    },
};

pub(super) const CONNECT_AUTH: &str = "ConnectAuth";
pub(super) const CONNECTED: &str = "Connected";
pub(super) const CONNECT_ERROR: &str = "ConnectError";
pub(super) const VAULT_JOINED: &str = "VaultJoined";
pub(super) const SOCKET_ERROR: &str = "SocketError";
pub(super) const ERROR_ACK: &str = "ErrorAck";
pub(super) const OFFSET: &str = "RecoveryOffset";
const JOIN_ACK: &str = "JoinAck";

/// Returns the name of the schema of a client's event.
pub(super) fn request(event: ClientEvent) -> &'static str {
    match event {
        ClientEvent::Join => "JoinVaultRequest",
        ClientEvent::Leave => "LeaveVaultRequest",
        ClientEvent::CreateSource => "CreateSourceRequest",
        ClientEvent::UpdateSource => "UpdateSourceRequest",
        ClientEvent::DeleteSource => "DeleteSourceRequest",
    }
}

/// Returns the name of the schema of the acknowledgement of a client's event.
pub(super) fn acknowledgement(event: ClientEvent) -> &'static str {
    match event {
        ClientEvent::Join => JOIN_ACK,
        ClientEvent::Leave => "LeaveAck",
        ClientEvent::CreateSource | ClientEvent::UpdateSource => "SourceAck",
        ClientEvent::DeleteSource => "SourceDeletedAck",
    }
}

/// Returns the schemas of all messages.
pub(super) fn all() -> SchemaSet {
    let mut schemas = schema::shared();
    schemas.add::<Problem>();
    schemas.add::<ErrorPayload>();
    schemas.add::<JoinedPayload<'_>>();
    schemas.add::<LeaveAck>();
    schemas.add::<SourceAck>();
    schemas.add::<SourceDeletedAck>();
    schemas.add::<NegativeAck<'_>>();
    schemas.insert(JOIN_ACK, join_ack());
    schemas.insert(OFFSET, offset());
    schemas.insert(CONNECT_AUTH, connect_auth());
    schemas.insert(CONNECTED, connected());
    schemas.insert(CONNECT_ERROR, connect_error());
    for event in ClientEvent::ALL {
        let schema: Schema = match event {
            ClientEvent::Join => vault_or_object(join_fields()),
            ClientEvent::Leave => vault_or_object(ObjectBuilder::new()),
            ClientEvent::CreateSource => create_source(),
            ClientEvent::UpdateSource => update_source(),
            ClientEvent::DeleteSource => delete_source(),
        };
        schemas.insert(request(event), schema);
    }
    schemas
}

/// The fields of `vault:joined`, and `ok`.
fn join_ack() -> RefOr<Schema> {
    let mut schema = JoinedPayload::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.description = Some(
            "The acknowledgement of a join: the fields of `vault:joined`, and `ok`.".to_owned(),
        );
        object
            .properties
            .insert("ok".to_owned(), literal_true().into());
        object.required.push("ok".to_owned());
    }
    schema
}

fn join_fields() -> ObjectBuilder {
    let since = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Integer, Type::Null]))
        .minimum(Some(0))
        .description(Some(
            "The number of the last event that the client knows: the events after it follow.",
        ));
    let epoch = ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some("The `epoch` that came with `since`."));
    ObjectBuilder::new()
        .property("since", since)
        .property("epoch", epoch)
}

/// A vault is named by its id alone or by an object with the id.
fn vault_or_object(fields: ObjectBuilder) -> Schema {
    let object = fields.property("vaultId", vault_id()).required("vaultId");
    OneOfBuilder::new().item(vault_id()).item(object).into()
}

/// The vault is named beside the source or in it.
fn create_source() -> Schema {
    let with_key =
        |object: ObjectBuilder| object.property("key", idempotency_key()).required("source");
    let beside = ObjectBuilder::new()
        .title(Some("vault beside the source"))
        .property("vaultId", vault_id())
        .required("vaultId")
        .property("source", reference("CreateSource"));
    let in_vault = ObjectBuilder::new()
        .property("vaultId", vault_id())
        .required("vaultId");
    let source = AllOfBuilder::new()
        .item(in_vault)
        .item(reference("CreateSource"));
    let inside = ObjectBuilder::new()
        .title(Some("vault in the source"))
        .property("source", source);
    AnyOfBuilder::new()
        .item(with_key(beside))
        .item(with_key(inside))
        .into()
}

fn update_source() -> Schema {
    let identified = ObjectBuilder::new()
        .property("id", reference(&SourceId::name()))
        .required("id");
    let source = AllOfBuilder::new()
        .item(identified)
        .item(reference("UpdateSource"));
    ObjectBuilder::new()
        .property("source", source)
        .required("source")
        .into()
}

fn delete_source() -> Schema {
    let source = reference(&SourceId::name());
    ObjectBuilder::new()
        .property("sourceId", source)
        .required("sourceId")
        .into()
}

fn vault_id() -> RefOr<Schema> {
    reference(&VaultId::name())
}

/// The form of [`Offset`](crate::gateway::offset::Offset).
fn offset() -> ObjectBuilder {
    string()
        .description(Some(
            "The position of a packet, for connection state recovery. The official client returns the last one.",
        ))
        .pattern(Some(format!(r"^j?[0-9]+\.{}$", cuid_pattern())))
        .examples([json!("7.clx123abc456def")])
}

fn connect_auth() -> ObjectBuilder {
    let token = string().description(Some(
        "The session token. It takes precedence over headers and cookies.",
    ));
    let pid = string().description(Some(
        "Set by the official client: the `pid` of its former connection.",
    ));
    let offset = string().description(Some(
        "Set by the official client: the last offset that it received.",
    ));
    let recovery = ObjectBuilder::new().schema_type(Type::Boolean).description(Some(
        "`false` turns connection state recovery off for this socket: events have one argument. Default `true`.",
    ));
    ObjectBuilder::new()
        .description(Some(
            "The payload of the client's CONNECT: `io(url, { auth: { token } })`.",
        ))
        .property("token", token)
        .property("recovery", recovery)
        .property("pid", pid)
        .property("offset", offset)
}

fn connected() -> ObjectBuilder {
    let pid = string().description(Some(
        "The secret that identifies the connection for its recovery. Absent if recovery is off.",
    ));
    ObjectBuilder::new()
        .description(Some("The payload of the service's CONNECT."))
        .property("sid", string().description(Some("The id of the socket.")))
        .required("sid")
        .property("pid", pid)
}

fn connect_error() -> ObjectBuilder {
    let message = string().description(Some(
        "`UNAUTHORIZED`, `AUTHENTICATION_FAILED`, `LIMIT_EXCEEDED` or `RATE_LIMITED`; for another namespace `Invalid namespace`, without `data`.",
    ));
    ObjectBuilder::new()
        .description(Some(
            "The payload of CONNECT_ERROR, which the official client emits as `connect_error`.",
        ))
        .property("message", message)
        .required("message")
        .property("data", reference(&Problem::name()))
}
