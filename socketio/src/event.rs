//! Events that clients send.

use bytes::Bytes;
use serde_json::Value;

use super::{ack::Ack, decode::find_attachment};

/// An event that a client sent.
pub struct IncomingEvent {
    /// The name of the event. A number is converted to its decimal digits.
    pub name: String,
    /// The arguments of the event.
    pub args: Vec<Value>,
    /// The binary attachments, to which placeholders in the arguments refer.
    pub attachments: Vec<Bytes>,
    /// The means to acknowledge the event, if the client requested an acknowledgement.
    pub ack: Option<Ack>,
}

impl IncomingEvent {
    /// Returns the attachment that a value of the arguments refers to, if the value is a placeholder.
    ///
    /// ```
    /// # use actix_socketio::IncomingEvent;
    /// fn picture(event: &IncomingEvent) -> Option<&[u8]> {
    ///     let picture = event.args.first()?.get("picture")?;
    ///     event.attachment(picture).map(|bytes| &bytes[..])
    /// }
    /// ```
    pub fn attachment(&self, value: &Value) -> Option<&Bytes> {
        find_attachment(value, &self.attachments)
    }
}
