//! What people write: JSON fields → commands, checked and trimmed, the same for both doors. The bounds are those
//! of `interface.md`; every field that is wrong is named, not only the first.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::{
    domain::{NewSource, Role, SourcePatch, UserRef, VaultId, idempotency::IdempotencyKey},
    problem::Problem,
};

mod check;
mod form;
#[cfg(test)]
mod tests;

use check::{email, file_key, file_size, file_url, mime_type, name, role, title, user_id};
use form::Form;

/// A body or payload: fields by name. Unknown ones are ignored.
pub type Fields = Map<String, Value>;

/// A vault's id, wherever one is expected.
///
/// # Errors
/// `INVALID_VAULT_ID` when it is absent, no text or no cuid.
pub fn vault_id(value: Option<&Value>) -> Result<VaultId, Problem> {
    value
        .and_then(Value::as_str)
        .and_then(VaultId::parse)
        .ok_or_else(Problem::invalid_vault_id)
}

/// A new source, defaults filled in.
///
/// # Errors
/// `VALIDATION_FAILED`, naming every field that is wrong.
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
        mime_type: mime_type.unwrap_or_else(|| "application/pdf".to_owned()),
    })
}

/// Changes to a source: an absent field is unchanged, `null` clears `fileKey` or `fileSize`.
///
/// # Errors
/// `VALIDATION_FAILED`, naming every field that is wrong, or that there is none to change.
pub fn source_patch(fields: &Fields) -> Result<SourcePatch, Problem> {
    let mut form = Form::new(fields);
    let patch = SourcePatch {
        title: form.changed("title", title),
        file_url: form.changed("fileUrl", file_url),
        file_key: form.cleared_or_changed("fileKey", file_key),
        file_size: form.cleared_or_changed("fileSize", file_size),
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

/// A vault's name.
///
/// # Errors
/// `VALIDATION_FAILED`.
pub fn vault_name(fields: &Fields) -> Result<String, Problem> {
    let mut form = Form::new(fields);
    let name = form.required("name", name);
    form.finish()?;
    Ok(name.unwrap_or_default())
}

/// A member to be added: by `userId` or by `email`, with a role.
///
/// # Errors
/// `VALIDATION_FAILED`, naming every field that is wrong.
pub fn new_member(fields: &Fields) -> Result<(UserRef, Role), Problem> {
    let mut form = Form::new(fields);
    let id = form.optional("userId", user_id);
    let email = form.optional("email", email);
    let role = form.required("role", role);
    if !form.has("userId") && !form.has("email") {
        form.wrong("userId", "or email is required");
    } else if form.has("userId") && form.has("email") {
        form.wrong("email", "must be absent where userId is given");
    }
    form.finish()?;
    match (id.map(UserRef::Id).or(email.map(UserRef::Email)), role) {
        (Some(user), Some(role)) => Ok((user, role)),
        _ => Err(Problem::invalid_field("userId", "or email is required")),
    }
}

/// A member's new role.
///
/// # Errors
/// `VALIDATION_FAILED`.
pub fn member_role(fields: &Fields) -> Result<Role, Problem> {
    let mut form = Form::new(fields);
    let role = form.required("role", role);
    form.finish()?;
    role.ok_or_else(|| Problem::invalid_field("role", "is required"))
}

/// An idempotency key for a request to a path: 1 to 255 visible ASCII characters. What was asked is compared as
/// parsed, so `asked` is the checked form of it.
///
/// # Errors
/// `VALIDATION_FAILED`.
pub fn idempotency_key(
    field: &str,
    key: &str,
    path: String,
    asked: &impl Serialize,
) -> Result<IdempotencyKey, Problem> {
    let visible = key.bytes().all(|b| b.is_ascii_graphic());
    if !visible || !(1..=255).contains(&key.len()) {
        let message = "must be 1 to 255 visible ASCII characters";
        return Err(Problem::invalid_field(field, message));
    }
    let json = serde_json::to_vec(asked).expect("texts and numbers are JSON");
    let digest = Sha256::digest(json);
    Ok(IdempotencyKey {
        path,
        key: key.to_owned(),
        fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// The path that sources of a vault are posted to; a socket's `key` is the idempotency key of that POST.
pub fn sources_path(vault: &VaultId) -> String {
    format!("/api/vaults/{vault}/sources")
}
