//! Validation of requests: converts JSON fields to the types of the domain, for HTTP and sockets alike.
//!
//! The limits of each field are in `check.rs`. An error names every invalid field, not only the first one.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    contract::problem::Problem,
    domain::{NewSource, Role, SourcePatch, UserRef, VaultId, idempotency::IdempotencyKey},
};

pub mod check;
mod form;
pub mod media_type;
#[cfg(test)]
mod tests;

use check::{
    DEFAULT_MIME_TYPE, email, file_key, file_size, file_url, mime_type, name, role, title, user_id,
};
pub use form::Fields;
use form::Form;

/// Reads the id of a vault.
///
/// # Errors
/// `INVALID_VAULT_ID` if the value is absent, not a string or not a cuid.
pub fn vault_id(value: Option<&Value>) -> Result<VaultId, Problem> {
    value
        .and_then(Value::as_str)
        .and_then(VaultId::parse)
        .ok_or_else(Problem::invalid_vault_id)
}

/// Reads a source to be created and fills in defaults.
///
/// # Errors
/// `VALIDATION_FAILED`, naming every invalid field.
pub fn new_source(fields: &Fields) -> Result<NewSource, Problem> {
    let mut form = Form::new(fields);
    let title = form.required("title", title);
    let file_url = form.required("fileUrl", file_url);
    let file_key = form.optional("fileKey", file_key);
    let file_size = form.optional("fileSize", file_size);
    let mime_type = form.optional("mimeType", mime_type);
    form.finish()?;
    Ok(NewSource {
        title: title.unwrap_or_default(),
        file_url: file_url.unwrap_or_default(),
        file_key,
        file_size,
        mime_type: mime_type.unwrap_or_else(|| DEFAULT_MIME_TYPE.to_owned()),
    })
}

/// Reads the changes of a source: an absent field is unchanged, `null` clears `fileKey` or `fileSize`, and makes `mimeType`
/// the default.
///
/// # Errors
/// `VALIDATION_FAILED`, naming every invalid field, or if there is no field to change.
pub fn source_patch(fields: &Fields) -> Result<SourcePatch, Problem> {
    let mut form = Form::new(fields);
    let patch = SourcePatch {
        title: form.changed("title", title),
        file_url: form.changed("fileUrl", file_url),
        file_key: form.field_change("fileKey", file_key),
        file_size: form.field_change("fileSize", file_size),
        mime_type: form.changed("mimeType", mime_type),
    };
    form.finish()?;
    if patch == SourcePatch::default() {
        let known = "title, fileUrl, fileKey, fileSize, mimeType";
        return Err(Problem::invalid_field(
            "source",
            &format!("must have at least one of {known}"),
        ));
    }
    Ok(patch)
}

/// Reads the name of a vault.
///
/// # Errors
/// `VALIDATION_FAILED`.
pub fn vault_name(fields: &Fields) -> Result<String, Problem> {
    let mut form = Form::new(fields);
    let name = form.required("name", name);
    form.finish()?;
    Ok(name.unwrap_or_default())
}

/// A member to be added to a vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMember {
    pub user: UserRef,
    pub role: Role,
}

/// Reads a member to be added: `userId` or `email`, and a role.
///
/// # Errors
/// `VALIDATION_FAILED`, naming every invalid field.
pub fn new_member(fields: &Fields) -> Result<NewMember, Problem> {
    let mut form = Form::new(fields);
    let id = form.optional("userId", user_id);
    let email = form.optional("email", email);
    let role = form.required("role", role);
    if !form.has("userId") && !form.has("email") {
        form.add_error("userId", "is required unless email is given");
    } else if form.has("userId") && form.has("email") {
        form.add_error("email", "must be absent if userId is given");
    }
    form.finish()?;
    match (id.map(UserRef::Id).or(email.map(UserRef::Email)), role) {
        (Some(user), Some(role)) => Ok(NewMember { user, role }),
        _ => Err(Problem::invalid_field(
            "userId",
            "is required unless email is given",
        )),
    }
}

/// Reads the new role of a member.
///
/// # Errors
/// `VALIDATION_FAILED`.
pub fn member_role(fields: &Fields) -> Result<Role, Problem> {
    let mut form = Form::new(fields);
    let role = form.required("role", role);
    form.finish()?;
    role.ok_or_else(|| Problem::invalid_field("role", "is required"))
}

/// The number of characters of an idempotency key.
pub const IDEMPOTENCY_KEY_LENGTH: RangeInclusive<usize> = 1..=255;

/// Creates the idempotency key of a request: 1 to 255 visible ASCII characters, sent in this field or header.
/// `request` is the validated content; its digest shows whether a later request with the same key is the same.
///
/// # Errors
/// `VALIDATION_FAILED`.
pub fn idempotency_key(
    field: &str,
    key: &str,
    path: String,
    request: &impl Serialize,
) -> Result<IdempotencyKey, Problem> {
    let is_visible = key.bytes().all(|b| b.is_ascii_graphic());
    if !is_visible || !IDEMPOTENCY_KEY_LENGTH.contains(&key.len()) {
        let message = "must be 1 to 255 visible ASCII characters";
        return Err(Problem::invalid_field(field, message));
    }
    let json = serde_json::to_vec(request).expect("strings and numbers are valid JSON");
    let digest = Sha256::digest(json);
    Ok(IdempotencyKey {
        path,
        key: key.to_owned(),
        fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// Returns the path of `POST` for sources of a vault. The `key` of a socket's `source:created` is an idempotency key
/// for this path as well.
pub fn sources_path(vault: &VaultId) -> String {
    format!("/api/vaults/{vault}/sources")
}
