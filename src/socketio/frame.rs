//! Packet ↔ frame, by way of the codec crates. A frame is encoded once and pushed to any number of sockets.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use bytestring::ByteString;
use engineioxide_core::Packet as EnginePacket;
use serde::Serialize;
use serde_json::Value as Json;
use socketioxide_core::{Str, Value, packet::Packet, parser::Parse};
use socketioxide_parser_common::CommonParser;

use super::{ack::Acknowledged, error::EncodeError};
use crate::engineio;

/// Names that a client must not use for its events: they mean something to either side's library.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// An encoded packet, complete down to Engine.IO. A clone shares the bytes, on whatever thread.
#[derive(Clone, Debug)]
pub struct Frame {
    text: engineio::Frame,
    /// Binary messages that follow the text; none in nearly all frames.
    attachments: Option<Arc<[Bytes]>>,
}

impl Frame {
    /// The event `name` in the namespace `ns`; its arguments are JSON text, which is taken as it is.
    ///
    /// ```
    /// use vaultcast::socketio::Frame;
    ///
    /// let frame = Frame::event("/", "greeting", &[r#"{"hello":"world"}"#, "7"]);
    /// assert_eq!(frame.text(), r#"42["greeting",{"hello":"world"},7]"#);
    /// ```
    pub fn event(ns: &str, name: &str, args: &[&str]) -> Self {
        Self::event_with(ns, name, args, Vec::new())
    }

    /// Likewise, with binary attachments. The arguments say where each stands: `{"_placeholder":true,"num":0}`.
    pub fn event_with(ns: &str, name: &str, args: &[&str], attachments: Vec<Bytes>) -> Self {
        let payload = named(name, args, attachments);
        Self::encode(Packet::event(ns.to_owned(), payload))
    }

    /// The packet as text, without attachments.
    pub fn text(&self) -> &str {
        match &self.text {
            engineio::Frame::Text(text) => text,
            engineio::Frame::Binary(_) => "",
        }
    }

    /// The event `name` with anything that serialises: a tuple is several arguments, all else is one.
    pub(super) fn emit<T: Serialize + ?Sized>(
        ns: &str,
        name: &str,
        data: &T,
    ) -> Result<Self, EncodeError> {
        let payload = CommonParser.encode_value(data, Some(name))?;
        Ok(Self::encode(Packet::event(ns.to_owned(), payload)))
    }

    /// Likewise, with a number that the client's acknowledgement of it will bear.
    pub(super) fn ask<T: Serialize + ?Sized>(
        ns: &str,
        name: &str,
        data: &T,
        id: i64,
    ) -> Result<Self, EncodeError> {
        let payload = CommonParser.encode_value(data, Some(name))?;
        Ok(Self::numbered(ns, payload, id))
    }

    /// Likewise, with arguments as JSON text and binary attachments.
    pub(super) fn ask_with(
        ns: &str,
        name: &str,
        args: &[&str],
        attachments: Vec<Bytes>,
        id: i64,
    ) -> Self {
        Self::numbered(ns, named(name, args, attachments), id)
    }

    fn numbered(ns: &str, payload: Value, id: i64) -> Self {
        let mut packet = Packet::event(ns.to_owned(), payload);
        packet.inner.set_ack_id(id);
        Self::encode(packet)
    }

    /// The acknowledgement of the client's event number `id`.
    pub(super) fn ack<T: Serialize + ?Sized>(
        ns: &str,
        id: i64,
        data: &T,
    ) -> Result<Self, EncodeError> {
        let payload = CommonParser.encode_value(data, None)?;
        Ok(Self::encode(Packet::ack(ns.to_owned(), payload, id)))
    }

    /// Likewise, with arguments as JSON text and binary attachments.
    pub(super) fn ack_with(ns: &str, id: i64, args: &[&str], attachments: Vec<Bytes>) -> Self {
        let payload = array(args.iter().copied(), attachments);
        Self::encode(Packet::ack(ns.to_owned(), payload, id))
    }

    /// The answer to a CONNECT that was granted.
    pub(super) fn connect(ns: &str, sid: &str, pid: Option<&str>) -> Self {
        #[derive(Serialize)]
        struct Answer<'a> {
            sid: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            pid: Option<&'a str>,
        }
        let answer = serde_json::to_string(&Answer { sid, pid }).expect("texts are JSON");
        Self::encode(Packet::connect(
            ns.to_owned(),
            Some(Value::Str(answer.into(), None)),
        ))
    }

    /// The answer to a CONNECT that was refused.
    pub(super) fn connect_error(ns: &str, message: &str, data: Option<&Json>) -> Self {
        let Some(data) = data else {
            return Self::encode(Packet::connect_error(ns.to_owned(), message));
        };
        // The codec has no place for data, so the packet's head is the codec's and its payload ours.
        let bare = Self::encode(Packet::connect_error(ns.to_owned(), ""));
        let head = bare.text().trim_end_matches(r#"{"message":""}"#);
        let payload = serde_json::json!({ "message": message, "data": data });
        let text = engineio::Frame::Text(ByteString::from(format!("{head}{payload}")));
        Self {
            text,
            attachments: None,
        }
    }

    /// Tells the client that it has left the namespace.
    pub(super) fn disconnect(ns: &str) -> Self {
        Self::encode(Packet::disconnect(ns.to_owned()))
    }

    /// Puts it into a socket's outbox.
    pub(super) fn push_to(&self, socket: &engineio::Socket) {
        socket.push(self.text.clone());
        for attachment in self.attachments.iter().flat_map(|all| all.iter()) {
            socket.push(engineio::Frame::Binary(attachment.clone()));
        }
    }

    /// How many bytes and how many Engine.IO frames it is.
    pub(super) fn size(&self) -> (usize, usize) {
        let attachments = self.attachments.as_deref().unwrap_or_default();
        let bytes = self.text.len() + attachments.iter().map(Bytes::len).sum::<usize>();
        (bytes, 1 + attachments.len())
    }

    fn encode(packet: Packet) -> Self {
        match CommonParser.encode(packet) {
            Value::Str(text, attachments) => Self {
                text: EnginePacket::Message(text).into(),
                attachments: attachments.map(|all| all.into_iter().collect()),
            },
            Value::Bytes(bytes) => Self {
                text: engineio::Frame::Binary(bytes),
                attachments: None,
            },
        }
    }
}

/// The payload of an event, from JSON texts.
fn named(name: &str, args: &[&str], attachments: Vec<Bytes>) -> Value {
    let name = Json::from(name).to_string();
    let items = std::iter::once(name.as_str()).chain(args.iter().copied());
    array(items, attachments)
}

/// A payload from JSON texts.
fn array<'a>(items: impl Iterator<Item = &'a str>, attachments: Vec<Bytes>) -> Value {
    let mut text = String::from("[");
    for (at, item) in items.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(item);
    }
    text.push(']');
    let attachments = (!attachments.is_empty()).then(|| VecDeque::from(attachments));
    Value::Str(Str::from(text), attachments)
}

/// An event as it came: name, arguments, attachments.
pub(super) struct Decoded {
    pub name: String,
    pub args: Vec<Json>,
    pub attachments: Vec<Bytes>,
}

/// What a client's event says; nothing if it is malformed or its name is reserved.
pub(super) fn decode_event(payload: Value) -> Option<Decoded> {
    let Acknowledged {
        mut args,
        attachments,
    } = decode_ack(payload)?;
    if args.is_empty() {
        return None;
    }
    let name = match args.remove(0) {
        Json::String(name) => name,
        // JavaScript knows no difference between the names 7 and "7".
        Json::Number(name) => name.to_string(),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    (!RESERVED.contains(&name.as_str())).then_some(Decoded {
        name,
        args,
        attachments,
    })
}

/// What a client's acknowledgement says; nothing if it is malformed.
pub(super) fn decode_ack(payload: Value) -> Option<Acknowledged> {
    let Value::Str(text, attachments) = payload else {
        return None;
    };
    let attachments: Vec<Bytes> = attachments.unwrap_or_default().into();
    let args: Vec<Json> = serde_json::from_str(&text).ok()?;
    let whole = args
        .iter()
        .all(|arg| placeholders_are_filled(arg, &attachments));
    whole.then_some(Acknowledged { args, attachments })
}

/// The attachment for which `value` stands, if it is a placeholder.
pub(super) fn attachment<'a>(value: &Json, attachments: &'a [Bytes]) -> Option<&'a Bytes> {
    let is_placeholder = value.get("_placeholder") == Some(&Json::Bool(true));
    let num = value.get("num").filter(|_| is_placeholder)?.as_u64()?;
    attachments.get(usize::try_from(num).ok()?)
}

/// Whether each placeholder in `value` has its attachment. Without attachments it is an object like any other.
fn placeholders_are_filled(value: &Json, attachments: &[Bytes]) -> bool {
    match value {
        Json::Object(fields)
            if !attachments.is_empty() && fields.get("_placeholder") == Some(&Json::Bool(true)) =>
        {
            attachment(value, attachments).is_some()
        }
        Json::Object(fields) => fields
            .values()
            .all(|value| placeholders_are_filled(value, attachments)),
        Json::Array(items) => items
            .iter()
            .all(|item| placeholders_are_filled(item, attachments)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => true,
    }
}

/// The auth payload of a CONNECT: an object, empty where none was sent; nothing if it is anything else.
pub(super) fn decode_auth(payload: Option<Value>) -> Option<Json> {
    let auth = match payload {
        None => return Some(Json::Object(Default::default())),
        Some(Value::Str(text, _)) => serde_json::from_str::<Json>(&text).ok()?,
        Some(Value::Bytes(_)) => return None,
    };
    auth.is_object().then_some(auth)
}

#[cfg(test)]
mod tests;
