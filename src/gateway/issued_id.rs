//! Checks identifiers that a client returns to the service: pids, offsets and epochs. The service has issued none longer than
//! 64 bytes, so longer text is unknown. This bounds what the gateway stores for a client.

/// The maximum length of an identifier, in bytes.
const MAX_BYTES: usize = 64;

/// Returns a copy of the text, or `None` if it is too long to be from the service.
pub(super) fn issued_id(text: &str) -> Option<String> {
    (text.len() <= MAX_BYTES).then(|| text.to_owned())
}
