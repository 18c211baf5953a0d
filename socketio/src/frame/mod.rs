//! Encoding of Socket.IO packets into Engine.IO frames. A packet is encoded once and can then be pushed to any number of
//! sockets, which share its bytes.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use bytestring::ByteString;
use engineioxide_core::Packet as EnginePacket;
use serde::Serialize;
use serde_json::Value as Json;
use socketioxide_core::{Str, Value, packet::Packet, parser::Parse};
use socketioxide_parser_common::CommonParser;

use super::error::EncodeError;
use crate::engineio::{self, OutboxUsage};

/// An encoded event, ready to be pushed to the sockets of one namespace. A clone shares the bytes and may be sent to
/// another thread.
#[derive(Clone, Debug)]
pub struct EventFrame {
    text: engineio::Frame,
    /// Binary messages that follow the text. Most packets have none.
    attachments: Option<Arc<[Bytes]>>,
}

impl EventFrame {
    /// Encodes the event `name` in the namespace `ns`. Each argument is JSON text, which is copied without a check.
    ///
    /// ```
    /// use actix_socketio::EventFrame;
    ///
    /// let frame = EventFrame::new("/", "greeting", &[r#"{"hello":"world"}"#, "7"]);
    /// assert_eq!(frame.text(), r#"42["greeting",{"hello":"world"},7]"#);
    /// ```
    pub fn new(ns: &str, name: &str, args: &[&str]) -> Self {
        Self::with_attachments(ns, name, args, Vec::new())
    }

    /// Encodes an event with binary attachments. The arguments refer to each attachment by its index:
    /// `{"_placeholder":true,"num":0}`.
    pub fn with_attachments(ns: &str, name: &str, args: &[&str], attachments: Vec<Bytes>) -> Self {
        let payload = event_payload(name, args, attachments);
        Self::encode(Packet::event(ns.to_owned(), payload))
    }

    /// Returns the text of the packet, without its attachments.
    pub fn text(&self) -> &str {
        match &self.text {
            engineio::Frame::Text(text) => text,
            engineio::Frame::Binary(_) => "",
        }
    }

    /// Encodes the event `name`. A tuple becomes several arguments, any other value becomes one.
    pub(crate) fn event<T: Serialize + ?Sized>(
        ns: &str,
        name: &str,
        data: &T,
    ) -> Result<Self, EncodeError> {
        let payload = CommonParser.encode_value(data, Some(name))?;
        Ok(Self::encode(Packet::event(ns.to_owned(), payload)))
    }

    /// Encodes an event that requests the acknowledgement `ack_id`. `data` is as in [`EventFrame::event`].
    pub(crate) fn event_with_ack<T: Serialize + ?Sized>(
        ns: &str,
        name: &str,
        data: &T,
        ack_id: i64,
    ) -> Result<Self, EncodeError> {
        let payload = CommonParser.encode_value(data, Some(name))?;
        Ok(Self::encode_with_ack(ns, payload, ack_id))
    }

    /// Encodes an event that requests the acknowledgement `ack_id`, from JSON texts and attachments.
    pub(crate) fn json_event_with_ack(
        ns: &str,
        name: &str,
        args: &[&str],
        attachments: Vec<Bytes>,
        ack_id: i64,
    ) -> Self {
        Self::encode_with_ack(ns, event_payload(name, args, attachments), ack_id)
    }

    /// Encodes the acknowledgement of the client's event with the id `ack_id`.
    pub(crate) fn ack<T: Serialize + ?Sized>(
        ns: &str,
        ack_id: i64,
        data: &T,
    ) -> Result<Self, EncodeError> {
        let payload = CommonParser.encode_value(data, None)?;
        Ok(Self::encode(Packet::ack(ns.to_owned(), payload, ack_id)))
    }

    /// Encodes the acknowledgement of the client's event with the id `ack_id`, from JSON texts and attachments.
    pub(crate) fn json_ack(ns: &str, ack_id: i64, args: &[&str], attachments: Vec<Bytes>) -> Self {
        let payload = array_payload(args.iter().copied(), attachments);
        Self::encode(Packet::ack(ns.to_owned(), payload, ack_id))
    }

    /// Encodes the answer to an accepted CONNECT.
    pub(crate) fn connect(ns: &str, sid: &str, pid: Option<&str>) -> Self {
        #[derive(Serialize)]
        struct ConnectPayload<'a> {
            sid: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            pid: Option<&'a str>,
        }
        let payload = serde_json::to_string(&ConnectPayload { sid, pid })
            .expect("a struct of strings serializes");
        Self::encode(Packet::connect(
            ns.to_owned(),
            Some(Value::Str(payload.into(), None)),
        ))
    }

    /// Encodes the answer to an accepted CONNECT of a client of Engine.IO 3.
    pub(crate) fn connect_without_ids(ns: &str) -> Self {
        Self::encode(Packet::connect(ns.to_owned(), None))
    }

    /// Encodes the answer to a refused CONNECT of a client of Engine.IO 3: the packet ERROR with the data, or with the message if
    /// there is none.
    pub(crate) fn error(ns: &str, message: &str, data: Option<&Json>) -> Self {
        let payload = data.cloned().unwrap_or_else(|| Json::from(message));
        Self::encode_error(ns, &payload)
    }

    /// Encodes the answer to a refused CONNECT.
    pub(crate) fn connect_error(ns: &str, message: &str, data: Option<&Json>) -> Self {
        let Some(data) = data else {
            return Self::encode(Packet::connect_error(ns.to_owned(), message));
        };
        Self::encode_error(ns, &serde_json::json!({ "message": message, "data": data }))
    }

    /// Encodes a CONNECT_ERROR, which is called ERROR in older versions, with any payload.
    fn encode_error(ns: &str, payload: &Json) -> Self {
        // The codec supports a message only, so only the head of the packet comes from the codec.
        let bare = Self::encode(Packet::connect_error(ns.to_owned(), ""));
        let head = bare.text().trim_end_matches(r#"{"message":""}"#);
        let text = engineio::Frame::Text(ByteString::from(format!("{head}{payload}")));
        Self {
            text,
            attachments: None,
        }
    }

    /// Encodes the DISCONNECT packet of a namespace.
    pub(crate) fn disconnect(ns: &str) -> Self {
        Self::encode(Packet::disconnect(ns.to_owned()))
    }

    /// Pushes the packet to the outbox of a session.
    pub(crate) fn push_to(&self, session: &engineio::SessionSocket) {
        session.push(self.text.clone());
        for attachment in self.attachments.iter().flat_map(|all| all.iter()) {
            session.push(engineio::Frame::Binary(attachment.clone()));
        }
    }

    /// Returns the share of an outbox that the packet takes.
    pub(crate) fn size(&self) -> OutboxUsage {
        let attachments = self.attachments.as_deref().unwrap_or_default();
        OutboxUsage {
            frames: 1 + attachments.len(),
            bytes: self.text.len() + attachments.iter().map(Bytes::len).sum::<usize>(),
        }
    }

    fn encode_with_ack(ns: &str, payload: Value, ack_id: i64) -> Self {
        let mut packet = Packet::event(ns.to_owned(), payload);
        packet.inner.set_ack_id(ack_id);
        Self::encode(packet)
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

/// Builds the payload of an event from JSON texts.
fn event_payload(name: &str, args: &[&str], attachments: Vec<Bytes>) -> Value {
    let name = Json::from(name).to_string();
    let items = std::iter::once(name.as_str()).chain(args.iter().copied());
    array_payload(items, attachments)
}

/// Builds a JSON array from JSON texts.
fn array_payload<'a>(items: impl Iterator<Item = &'a str>, attachments: Vec<Bytes>) -> Value {
    let mut text = String::from("[");
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(item);
    }
    text.push(']');
    let attachments = (!attachments.is_empty()).then(|| VecDeque::from(attachments));
    Value::Str(Str::from(text), attachments)
}

#[cfg(test)]
mod tests;
