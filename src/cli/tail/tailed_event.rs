//! An event as the API answers it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::error::TailError;
use crate::domain::{EventKind, Seq, VaultId};

/// An event of the journal. The payload keeps the text of the service, so that it is printed unchanged.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct TailedEvent {
    pub seq: Seq,
    pub event: String,
    pub payload: Box<RawValue>,
}

/// The fields that the command itself reads from a payload.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    seq: Option<Seq>,
    vault_id: Option<VaultId>,
}

impl TailedEvent {
    /// Creates an event that a socket received. Returns `None` for an event without a sequence number, which is not part of
    /// the journal.
    pub(super) fn received(event: String, payload: Box<RawValue>) -> Option<Self> {
        let Payload { seq, .. } = serde_json::from_str(payload.get()).ok()?;
        let seq = seq?;
        Some(Self {
            seq,
            event,
            payload,
        })
    }

    /// Returns the event as one line of JSON.
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("a payload is valid JSON")
    }

    /// Returns the payload as a tree.
    pub(super) fn payload(&self) -> Value {
        serde_json::from_str(self.payload.get()).expect("a payload is valid JSON")
    }

    /// Returns why the journal ends with this event, if it does.
    pub(super) fn end_of_journal(&self) -> Option<TailError> {
        let is_end = EventKind::parse(&self.event) == Some(EventKind::VaultDeleted);
        let payload = is_end.then(|| serde_json::from_str(self.payload.get()));
        payload?
            .ok()
            .and_then(|payload: Payload| payload.vault_id)
            .map(TailError::VaultDeleted)
    }
}
