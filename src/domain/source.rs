//! Sources: the documents of a vault.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    ids::{Seq, SourceId, VaultId},
    time::Timestamp,
};

/// A source, as in responses and acknowledgements. `fileKey` and `fileSize` are absent when they are not set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub id: SourceId,
    /// The title or file name.
    pub title: String,
    /// The URL of the file.
    pub file_url: String,
    /// The file's key in the object store that contains it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub file_key: Option<String>,
    /// The size of the file in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub file_size: Option<u64>,
    /// The media type: `type/subtype`, and parameters.
    pub mime_type: String,
    /// The vault that contains the source.
    pub vault_id: VaultId,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The number of the last event that changed the source: its ETag, which HTTP sends in a header.
    #[serde(skip)]
    pub seq: Seq,
    /// The number of the event that created the source; listings are ordered by it.
    #[serde(skip)]
    pub created_seq: Seq,
}

/// The fields of a source to be created: validated, trimmed, with defaults. Its JSON is the fingerprint of an
/// idempotency key, so the order of the fields must not change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct NewSource {
    pub title: String,
    pub file_url: String,
    pub file_key: Option<String>,
    pub file_size: Option<u64>,
    pub mime_type: String,
}

/// The requested changes of a source's fields. A field that is `None` keeps its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourcePatch {
    pub title: Option<String>,
    pub file_url: Option<String>,
    pub file_key: FieldChange<String>,
    pub file_size: FieldChange<u64>,
    pub mime_type: Option<String>,
}

/// The requested change of an optional field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum FieldChange<T> {
    /// The field keeps its value.
    #[default]
    Unchanged,
    /// The field loses its value.
    Clear,
    /// The field gets this value.
    Set(T),
}

impl<T: Clone> FieldChange<T> {
    fn apply(&self, current: &Option<T>) -> Option<T> {
        match self {
            Self::Unchanged => current.clone(),
            Self::Clear => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

impl SourcePatch {
    /// Returns the source with the changes of this patch, made by the event `seq`.
    pub(super) fn apply(&self, source: &Source, seq: Seq, now: Timestamp) -> Source {
        let changed =
            |new: &Option<String>, current: &String| new.as_ref().unwrap_or(current).clone();
        Source {
            title: changed(&self.title, &source.title),
            file_url: changed(&self.file_url, &source.file_url),
            file_key: self.file_key.apply(&source.file_key),
            file_size: self.file_size.apply(&source.file_size),
            mime_type: changed(&self.mime_type, &source.mime_type),
            updated_at: now,
            seq,
            ..source.clone()
        }
    }
}
