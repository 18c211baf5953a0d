//! What each field may hold: the value as it is kept, or what is wrong with it.

use serde_json::Value;
use url::Url;

use crate::domain::{Role, UserId};

/// The largest whole number that JavaScript keeps exactly.
pub(super) const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

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

pub(super) fn title(value: &Value) -> Result<String, String> {
    trimmed(value, 500)
}

pub(super) fn name(value: &Value) -> Result<String, String> {
    trimmed(value, 200)
}

pub(super) fn file_url(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    // The parser forgives blanks, and slashes that are missing or too many; an absolute URL has neither.
    let is_absolute = |url: Url| {
        let prefix = format!("{}://", url.scheme());
        let begins = |start: &str| start.eq_ignore_ascii_case(&prefix);
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && text.get(..prefix.len()).is_some_and(begins)
            && !text[prefix.len()..].starts_with(['/', '\\'])
    };
    let absolute = Url::parse(text).is_ok_and(is_absolute);
    if absolute && !text.contains(odd) && text.chars().count() <= 2048 {
        Ok(text.to_owned())
    } else {
        Err("must be an absolute http or https URL of at most 2048 characters".to_owned())
    }
}

pub(super) fn file_key(value: &Value) -> Result<String, String> {
    let text = text(value)?;
    if text.chars().count() <= 512 {
        Ok(text.to_owned())
    } else {
        Err("must be at most 512 characters".to_owned())
    }
}

pub(super) fn file_size(value: &Value) -> Result<u64, String> {
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
pub(super) fn mime_type(value: &Value) -> Result<String, String> {
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

pub(super) fn user_id(value: &Value) -> Result<UserId, String> {
    UserId::new(text(value)?).ok_or_else(|| "must be 1 to 128 visible ASCII characters".to_owned())
}

pub(super) fn email(value: &Value) -> Result<String, String> {
    let text = text(value)?.trim();
    if text.contains('@') && text.chars().count() <= 320 {
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
