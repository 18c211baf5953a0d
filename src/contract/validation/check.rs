//! Checks of single fields. Each returns the value to store, or the message for the client.

use serde_json::Value;
use url::Url;

use super::media_type::is_media_type;
use crate::domain::{
    Role, UserId,
    text::{is_blank, trim},
};

/// The largest number of characters of a source's title.
pub const MAX_TITLE_CHARS: usize = 500;
/// The largest number of characters of a vault's name.
pub const MAX_NAME_CHARS: usize = 200;
/// The largest number of characters of `fileUrl`.
pub const MAX_FILE_URL_CHARS: usize = 2048;
/// The largest number of characters of `fileKey`.
pub const MAX_FILE_KEY_CHARS: usize = 512;
/// The largest number of characters of an email.
pub const MAX_EMAIL_CHARS: usize = 320;
/// The media type of a source whose request names none.
pub const DEFAULT_MIME_TYPE: &str = "application/pdf";
/// The largest number of characters of a media type with its parameters.
pub const MAX_MIME_TYPE_CHARS: usize = 255;
/// The largest integer that JavaScript represents exactly.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

fn text(value: &Value) -> Result<&str, String> {
    let text = value.as_str().ok_or("must be a string")?;
    if text.contains('\0') {
        return Err("must not contain U+0000".to_owned());
    }
    Ok(text)
}

fn trimmed(value: &Value, max_chars: usize) -> Result<String, String> {
    let text = trim(text(value)?);
    if (1..=max_chars).contains(&text.chars().count()) {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be 1 to {max_chars} characters after trimming"
        ))
    }
}

pub(crate) fn title(value: &Value) -> Result<String, String> {
    trimmed(value, MAX_TITLE_CHARS)
}

pub(crate) fn name(value: &Value) -> Result<String, String> {
    trimmed(value, MAX_NAME_CHARS)
}

pub(crate) fn file_url(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let is_forbidden = |c: char| is_blank(c) || c.is_control();
    // The parser accepts blanks as well as missing or extra slashes. An absolute URL has none of these.
    let has_authority = |url: Url| {
        let prefix = format!("{}://", url.scheme());
        let has_prefix = |start: &str| start.eq_ignore_ascii_case(&prefix);
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && text.get(..prefix.len()).is_some_and(has_prefix)
            && !text[prefix.len()..].starts_with(['/', '\\'])
    };
    let is_absolute = Url::parse(text).is_ok_and(has_authority);
    if is_absolute && !text.contains(is_forbidden) && text.chars().count() <= MAX_FILE_URL_CHARS {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "must be an absolute http or https URL of at most {MAX_FILE_URL_CHARS} characters"
        ))
    }
}

pub(crate) fn file_key(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    if text.chars().count() <= MAX_FILE_KEY_CHARS {
        Ok(text.to_owned())
    } else {
        Err(format!("must be at most {MAX_FILE_KEY_CHARS} characters"))
    }
}

pub(crate) fn file_size(value: &Value) -> Result<u64, String> {
    let size = value.as_u64().or_else(|| {
        // 5.0 and 1e3 are whole numbers as well.
        let number = value.as_f64()?;
        let is_valid = number.fract() == 0.0 && (0.0..=MAX_SAFE_INTEGER as f64).contains(&number);
        is_valid.then_some(number as u64)
    });
    size.filter(|size| *size <= MAX_SAFE_INTEGER)
        .ok_or_else(|| format!("must be a whole number from 0 to {MAX_SAFE_INTEGER}"))
}

/// Checks a media type, trimmed. `null` and an empty text mean the default: `File.type` of a browser is empty when the
/// browser does not know the type.
pub(crate) fn mime_type(value: &Value) -> Result<String, String> {
    if value.is_null() {
        return Ok(DEFAULT_MIME_TYPE.to_owned());
    }
    match trim(text(value)?) {
        "" => Ok(DEFAULT_MIME_TYPE.to_owned()),
        text if text.chars().count() <= MAX_MIME_TYPE_CHARS && is_media_type(text) => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "must be a media type such as application/pdf or text/plain; charset=utf-8, of at most {MAX_MIME_TYPE_CHARS} \
             characters"
        )),
    }
}

pub(super) fn user_id(value: &Value) -> Result<UserId, String> {
    UserId::new(text(value)?).ok_or_else(|| "must be 1 to 128 visible ASCII characters".to_owned())
}

pub(super) fn email(value: &Value) -> Result<String, String> {
    let text = trim(text(value)?);
    if text.contains('@') && text.chars().count() <= MAX_EMAIL_CHARS {
        Ok(text.to_owned())
    } else {
        Err("must be an email address".to_owned())
    }
}

pub(super) fn role(value: &Value) -> Result<Role, String> {
    text(value)?
        .parse()
        .map_err(|()| "must be owner, contributor or viewer".to_owned())
}
