//! Sources: the documents that a vault holds.

use serde::{Deserialize, Serialize};

use super::{Seq, SourceId, Timestamp, VaultId};

/// A source as it stands. Its JSON is what HTTP and acknowledgements answer; `fileKey` and `fileSize` are
/// absent when unset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The source's id.
    pub id: SourceId,
    /// Title or file name.
    pub title: String,
    /// Where the file is.
    pub file_url: String,
    /// The file's key in the store that holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_key: Option<String>,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size: Option<u64>,
    /// `type/subtype`.
    pub mime_type: String,
    /// The vault that it belongs to.
    pub vault_id: VaultId,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// The place of the event that made it so: its ETag, told in a header.
    #[serde(skip)]
    pub seq: Seq,
    /// The place of the event that created it: listings are ordered by it.
    #[serde(skip)]
    pub created_seq: Seq,
}

/// What somebody asks a new source to be: checked, trimmed, defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewSource {
    pub title: String,
    pub file_url: String,
    pub file_key: Option<String>,
    pub file_size: Option<u64>,
    pub mime_type: String,
}

/// What somebody asks a source to become. An outer `None` leaves a field as it is; an inner one clears it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SourcePatch {
    pub title: Option<String>,
    pub file_url: Option<String>,
    pub file_key: Option<Option<String>>,
    pub file_size: Option<Option<u64>>,
    pub mime_type: Option<String>,
}

impl SourcePatch {
    /// The source after this change.
    pub(super) fn applied_to(&self, source: &Source, seq: Seq, now: Timestamp) -> Source {
        fn or<T: Clone>(new: &Option<T>, old: &T) -> T {
            new.as_ref().unwrap_or(old).clone()
        }
        Source {
            title: or(&self.title, &source.title),
            file_url: or(&self.file_url, &source.file_url),
            file_key: or(&self.file_key, &source.file_key),
            file_size: or(&self.file_size, &source.file_size),
            mime_type: or(&self.mime_type, &source.mime_type),
            updated_at: now,
            seq,
            ..source.clone()
        }
    }
}
