//! The grammar of media types: `type/subtype` and parameters, as browsers (`File.type`) and multipart bodies spell them.

/// The largest number of characters of `type`, and of `subtype`.
pub const MAX_MIME_TYPE_PART: usize = 127;

/// Returns whether a text is a media type (RFC 9110, section 8.3.1). `type` and `subtype` must be restricted names
/// (RFC 6838, section 4.2), so a range such as `image/*` is none.
pub(super) fn is_media_type(text: &str) -> bool {
    let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
    let (essence, parameters) = text.split_at(end);
    let is_pair = |(main, subtype)| is_restricted_name(main) && is_restricted_name(subtype);
    essence.split_once('/').is_some_and(is_pair) && are_parameters(parameters)
}

fn is_restricted_name(part: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
    (1..=MAX_MIME_TYPE_PART).contains(&part.len())
        && part.starts_with(|c: char| c.is_ascii_alphanumeric())
        && part.bytes().all(is_allowed)
}

/// Returns whether a text is a list of parameters. Each begins with a semicolon and may be empty.
fn are_parameters(mut text: &str) -> bool {
    loop {
        text = after_blanks(text);
        let Some(parameter) = text.strip_prefix(';').map(after_blanks) else {
            return text.is_empty();
        };
        text = match parameter {
            "" => parameter,
            empty if empty.starts_with(';') => empty,
            parameter => match after_parameter(parameter) {
                Some(rest) => rest,
                None => return false,
            },
        };
    }
}

fn after_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// Returns what follows `name=value` or `name="value"`; `None` if the text does not begin with one of them.
fn after_parameter(text: &str) -> Option<&str> {
    let value = after_token(text)?.strip_prefix('=')?;
    match value.strip_prefix('"') {
        Some(quoted) => after_quoted(quoted),
        None => after_token(value),
    }
}

fn after_token(text: &str) -> Option<&str> {
    let is_token_char = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let rest = text.trim_start_matches(is_token_char);
    (rest.len() < text.len()).then_some(rest)
}

/// Returns what follows the closing quote. A backslash takes away the meaning of the character after it.
fn after_quoted(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    loop {
        let c = match chars.next()? {
            '"' => return Some(chars.as_str()),
            '\\' => chars.next()?,
            c => c,
        };
        if c.is_control() && c != '\t' {
            return None;
        }
    }
}
