//! Frames of vault events.

use std::sync::{Arc, OnceLock};

use crate::{
    domain::VaultId,
    gateway::offset::{Offset, OffsetMode},
    journal::JournalRecord,
};
use actix_socketio::EventFrame;

use super::names::NAMESPACE;

/// The frames of one event: with the offset of recovery and without it. Each is encoded once, when a socket first needs it. Clones
/// share the frames.
#[derive(Clone, Default)]
pub(in crate::gateway) struct EventFrames(Arc<FrameVariants>);

#[derive(Default)]
struct FrameVariants {
    with_offset: OnceLock<EventFrame>,
    without_offset: OnceLock<EventFrame>,
}

impl EventFrames {
    /// Returns the frame of the event for a socket. Each call names the same event.
    pub(in crate::gateway) fn get(
        &self,
        vault: &VaultId,
        record: &JournalRecord,
        offsets: OffsetMode,
    ) -> &EventFrame {
        let FrameVariants {
            with_offset,
            without_offset,
        } = &*self.0;
        let frame = match offsets {
            OffsetMode::Appended => with_offset,
            OffsetMode::Omitted => without_offset,
        };
        frame.get_or_init(|| event_frame(vault, record, offsets))
    }
}

/// Returns the frame of an event. Its JSON is the journal's, byte for byte. The offset of recovery follows it.
fn event_frame(vault: &VaultId, record: &JournalRecord, offsets: OffsetMode) -> EventFrame {
    let kind = record.kind.name();
    match offsets {
        OffsetMode::Omitted => EventFrame::new(NAMESPACE, kind, &[&record.payload]),
        OffsetMode::Appended => {
            // Digits and letters need no escape.
            let offset = format!("\"{}\"", Offset::for_event(vault, record.seq).as_str());
            EventFrame::new(NAMESPACE, kind, &[&record.payload, &offset])
        }
    }
}
