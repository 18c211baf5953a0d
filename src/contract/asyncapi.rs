//! The parts of an AsyncAPI 3 document that the service uses, in the order in which they are written.
//!
//! Source: <https://www.asyncapi.com/docs/reference/specification/v3.0.0>. No library for it exists in Rust.

use indexmap::IndexMap;
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};

use super::schema::SchemaSet;

/// A document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AsyncApi {
    pub asyncapi: &'static str,
    pub info: AsyncApiInfo,
    pub default_content_type: &'static str,
    pub servers: IndexMap<&'static str, AsyncApiServer>,
    pub channels: IndexMap<&'static str, Channel>,
    pub operations: IndexMap<String, ChannelOperation>,
    pub components: AsyncApiComponents,
}

/// What the document describes, and its version.
#[derive(Serialize)]
pub struct AsyncApiInfo {
    pub title: &'static str,
    pub version: &'static str,
    pub description: &'static str,
    pub license: NamedText,
}

/// A license or a tag.
#[derive(Serialize)]
pub struct NamedText {
    pub name: &'static str,
}

/// Where the service is reached.
#[derive(Serialize)]
pub struct AsyncApiServer {
    pub host: &'static str,
    pub protocol: &'static str,
    pub pathname: &'static str,
    pub description: &'static str,
    pub security: Vec<Reference>,
}

/// Where messages are exchanged: a namespace.
#[derive(Serialize)]
pub struct Channel {
    pub address: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub messages: IndexMap<String, Reference>,
}

/// What the service does with messages.
#[derive(Serialize)]
pub struct ChannelOperation {
    pub action: ChannelAction,
    pub channel: Reference,
    pub title: String,
    pub summary: String,
    pub messages: Vec<Reference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
}

/// Whether the service sends or receives a message.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelAction {
    Send,
    Receive,
}

/// What answers a message that the service received.
#[derive(Serialize)]
pub struct Reply {
    pub channel: Reference,
    pub messages: Vec<Reference>,
}

/// The parts that others refer to, by name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AsyncApiComponents {
    pub messages: IndexMap<String, ChannelMessage>,
    pub schemas: SchemaSet,
    pub security_schemes: IndexMap<&'static str, AsyncApiCredential>,
}

/// A message: an event, an acknowledgement or a packet of the connection.
#[derive(Serialize)]
pub struct ChannelMessage {
    /// The name of the event, or of the packet or acknowledgement.
    pub name: String,
    pub title: String,
    pub summary: String,
    pub tags: Vec<NamedText>,
    /// The first argument of the event.
    pub payload: RefOr<Schema>,
    /// All arguments of the event.
    #[serde(rename = "x-arguments", skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<RefOr<Schema>>>,
}

/// A credential that the handshake may carry.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AsyncApiCredential {
    pub r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheme: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<&'static str>,
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub place: Option<&'static str>,
    pub description: &'static str,
}

/// A reference to another part of the document.
#[derive(Clone, Serialize)]
pub struct Reference {
    #[serde(rename = "$ref")]
    pub target: String,
}

impl Reference {
    /// Returns the reference to the part at this path.
    pub fn new(path: impl Into<String>) -> Self {
        Self {
            target: path.into(),
        }
    }
}
