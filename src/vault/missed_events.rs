//! Reads the events that a vault's projection misses.

use crate::{
    domain::{Seq, VaultId},
    journal::{CommittedEvent, Journal, JournalError},
};

/// The number of events that are read at once.
const PAGE: usize = 1024;

/// Returns all events of the journal after a seq.
///
/// # Errors
/// When the database does not answer, or an event cannot be decoded.
pub(super) async fn read_missed_events(
    journal: Journal,
    id: VaultId,
    mut after: Seq,
) -> Result<Vec<CommittedEvent>, JournalError> {
    let mut events = Vec::new();
    loop {
        let page = journal.records_after(&id, after, PAGE).await?;
        let (count, last) = (page.len(), page.last().map(|record| record.seq));
        for record in page {
            let state_change = record.state_change();
            let state_change = state_change.map_err(|error| JournalError::unreadable(&error))?;
            events.push(CommittedEvent {
                record,
                state_change,
            });
        }
        match last {
            Some(last) if count == PAGE => after = last,
            Some(_) | None => return Ok(events),
        }
    }
}
