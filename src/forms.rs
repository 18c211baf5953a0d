//! What people write: JSON fields → commands, checked and trimmed, the same for both doors. The bounds are those
//! of `interface.md`; every field that is wrong is named, not only the first.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    domain::{NewSource, Role, SourcePatch, UserId, UserRef, VaultId, idempotency::IdempotencyKey},
    problem::{FieldError, Problem},
};

/// The largest whole number that JavaScript keeps exactly.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

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
    let name = form.required("name", |value| trimmed(value, 200));
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

/// Reads fields and collects what is wrong with them.
struct Form<'a> {
    fields: &'a Fields,
    wrong: Vec<FieldError>,
}

type Check<T> = fn(&Value) -> Result<T, String>;

impl<'a> Form<'a> {
    fn new(fields: &'a Fields) -> Self {
        Self {
            fields,
            wrong: Vec::new(),
        }
    }

    fn has(&self, field: &str) -> bool {
        self.fields.get(field).is_some_and(|value| !value.is_null())
    }

    fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.wrong.push(FieldError {
            field: field.to_owned(),
            message: message.into(),
        });
    }

    fn check<T>(&mut self, field: &str, value: &Value, check: Check<T>) -> Option<T> {
        match check(value) {
            Ok(good) => Some(good),
            Err(message) => {
                self.wrong(field, message);
                None
            }
        }
    }

    /// Must be there.
    fn required<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        match self.fields.get(field) {
            None | Some(Value::Null) => {
                self.wrong(field, "is required");
                None
            }
            Some(value) => self.check(field, value, check),
        }
    }

    /// May be absent, or `null`, which is the same.
    fn optional<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        match self.fields.get(field) {
            None | Some(Value::Null) => None,
            Some(value) => self.check(field, value, check),
        }
    }

    /// May be absent; `null` is no value for it.
    fn changed<T>(&mut self, field: &str, check: Check<T>) -> Option<T> {
        let value = self.fields.get(field)?;
        self.check(field, value, check)
    }

    /// May be absent, and `null` clears it.
    fn cleared_or_changed<T>(&mut self, field: &str, check: Check<T>) -> Option<Option<T>> {
        match self.fields.get(field)? {
            Value::Null => Some(None),
            value => self.check(field, value, check).map(Some),
        }
    }

    fn finish(self) -> Result<(), Problem> {
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(&self.wrong))
        }
    }
}

fn text(value: &Value) -> Result<&str, String> {
    let text = value.as_str().ok_or("must be a string")?;
    if text.contains('\0') {
        return Err("must not contain U+0000".to_owned());
    }
    Ok(text)
}

fn trimmed(value: &Value, most: usize) -> Result<String, String> {
    let text = text(value)?.trim();
    if (1..=most).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be 1 to {most} characters after trimming"))
    }
}

fn title(value: &Value) -> Result<String, String> {
    trimmed(value, 500)
}

fn file_url(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    // The parser forgives blanks and missing slashes; an absolute URL has neither.
    let absolute = Url::parse(text).is_ok_and(|url| {
        let prefix = format!("{}://", url.scheme());
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && text
                .get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(&prefix))
    });
    if absolute && !text.contains(odd) && text.chars().count() <= 2048 {
        Ok(text.to_owned())
    } else {
        Err("must be an absolute http or https URL of at most 2048 characters".to_owned())
    }
}

fn file_key(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    if text.chars().count() <= 512 {
        Ok(text.to_owned())
    } else {
        Err("must be at most 512 characters".to_owned())
    }
}

fn file_size(value: &Value) -> Result<u64, String> {
    let whole = value.as_u64().or_else(|| {
        // 5.0 and 1e3 are whole numbers, too.
        let number = value.as_f64()?;
        let within = number.fract() == 0.0 && (0.0..=MAX_SAFE_INTEGER as f64).contains(&number);
        within.then_some(number as u64)
    });
    whole
        .filter(|size| *size <= MAX_SAFE_INTEGER)
        .ok_or_else(|| format!("must be a whole number from 0 to {MAX_SAFE_INTEGER}"))
}

/// `type/subtype`, each a restricted name of RFC 6838, section 4.2.
fn mime_type(value: &Value) -> Result<String, String> {
    let name = |part: &str| {
        (1..=127).contains(&part.len())
            && part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match text(value)?.split_once('/') {
        Some((kind, subtype)) if name(kind) && name(subtype) => Ok(format!("{kind}/{subtype}")),
        Some(_) | None => Err("must be a media type such as application/pdf".to_owned()),
    }
}

fn user_id(value: &Value) -> Result<UserId, String> {
    UserId::new(text(value)?).ok_or_else(|| "must be 1 to 128 visible ASCII characters".to_owned())
}

fn email(value: &Value) -> Result<String, String> {
    let text = text(value)?.trim();
    if text.contains('@') && text.chars().count() <= 320 {
        Ok(text.to_owned())
    } else {
        Err("must be an email address".to_owned())
    }
}

fn role(value: &Value) -> Result<Role, String> {
    text(value)?
        .parse()
        .map_err(|()| "must be owner, contributor or viewer".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Fields {
        value.as_object().unwrap().clone()
    }

    fn source(field: &str, value: Value) -> Result<NewSource, Problem> {
        let mut all = fields(json!({ "title": "T", "fileUrl": "https://example.com/a.pdf" }));
        all.insert(field.to_owned(), value);
        new_source(&all)
    }

    #[test]
    fn a_source_needs_a_title_and_an_url_and_gets_the_default_type() {
        let made = new_source(&fields(json!({
            "title": "  Title ", "fileUrl": "http://example.com/x", "other": 1, "fileKey": null
        })))
        .unwrap();
        assert_eq!(made.title, "Title");
        assert_eq!(made.mime_type, "application/pdf");
        assert_eq!((made.file_key, made.file_size), (None, None));

        let problem = new_source(&Fields::new()).unwrap_err();
        assert_eq!(
            problem.details,
            Some(json!([
                { "field": "title", "message": "is required" },
                { "field": "fileUrl", "message": "is required" },
            ]))
        );
    }

    #[test]
    fn every_bound_holds_on_both_sides() {
        let long = |n: usize| json!("ü".repeat(n));
        let url = |n: usize| json!(format!("https://e.org/{}", "a".repeat(n - 14)));
        assert!(source("title", long(500)).is_ok());
        assert!(source("title", long(501)).is_err());
        assert!(source("title", json!("   ")).is_err());
        assert!(source("title", json!("a\u{0}b")).is_err());
        assert!(source("title", json!(7)).is_err());
        assert!(source("fileUrl", url(2048)).is_ok());
        assert!(source("fileUrl", url(2049)).is_err());
        assert!(source("fileKey", long(512)).is_ok());
        assert!(source("fileKey", long(513)).is_err());
        assert!(source("fileSize", json!(0)).is_ok());
        assert!(source("fileSize", json!(MAX_SAFE_INTEGER)).is_ok());
        assert!(source("fileSize", json!(MAX_SAFE_INTEGER + 1)).is_err());
        assert!(source("fileSize", json!(5.0)).is_ok());
        for wrong in [json!(-1), json!(1.5), json!("5"), json!(1e300)] {
            assert!(source("fileSize", wrong).is_err());
        }
    }

    #[test]
    fn a_file_url_is_absolute_and_http_or_https() {
        for good in ["http://localhost:3000", "HTTPS://example.com/a?b#c"] {
            assert!(source("fileUrl", json!(good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "/a.pdf",
            "ftp://example.com/a",
            "https:example.com",
            " https://example.com",
            "https://exa mple.com",
            "javascript:alert(1)",
            "https://",
        ] {
            assert!(source("fileUrl", json!(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_mime_type_is_a_type_and_a_subtype() {
        for good in ["text/plain", "application/vnd.ms-excel", "image/svg+xml"] {
            assert!(source("mimeType", json!(good)).is_ok(), "{good}");
        }
        for bad in [
            "",
            "text",
            "text/",
            "/plain",
            "text/plain; charset=utf-8",
            "a/b/c",
        ] {
            assert!(source("mimeType", json!(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_clears_what_may_be_absent() {
        let patch = source_patch(&fields(json!({ "fileKey": null, "title": " New " }))).unwrap();
        assert_eq!(patch.title.as_deref(), Some("New"));
        assert_eq!(patch.file_key, Some(None));
        assert_eq!(patch.file_size, None);
        assert!(source_patch(&fields(json!({ "title": null }))).is_err());
        assert!(source_patch(&fields(json!({ "other": 1 }))).is_err());
    }

    #[test]
    fn a_member_is_named_by_id_or_by_email() {
        assert!(new_member(&fields(json!({ "userId": "u1", "role": "viewer" }))).is_ok());
        assert!(new_member(&fields(json!({ "email": "a@b.c", "role": "owner" }))).is_ok());
        for wrong in [
            json!({ "role": "viewer" }),
            json!({ "userId": "u1" }),
            json!({ "userId": "u 1", "role": "viewer" }),
            json!({ "userId": "u1", "email": "a@b.c", "role": "viewer" }),
            json!({ "email": "nobody", "role": "viewer" }),
            json!({ "userId": "u1", "role": "admin" }),
        ] {
            assert!(new_member(&fields(wrong.clone())).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_idempotency_key_tells_one_request_from_another() {
        let key = |key: &str, asked: &str| idempotency_key("key", key, "/p".into(), &asked);
        assert_eq!(key("k", "a"), key("k", "a"));
        assert_ne!(key("k", "a"), key("k", "b"));
        assert!(key("", "a").is_err());
        assert!(key("a b", "a").is_err());
        assert!(key(&"x".repeat(255), "a").is_ok());
        assert!(key(&"x".repeat(256), "a").is_err());
    }
}
