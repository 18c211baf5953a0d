//! The user of a verified session: its name and email are stored and copied into every event, so they are bounded.

use tracing::warn;

use crate::{
    domain::{Principal, UserId},
    telemetry::throttle::LogThrottle,
};

/// The longest name, in characters. The rest is cut off.
const MAX_NAME_CHARS: usize = 200;

/// The longest email, in characters. The rest is cut off.
const MAX_EMAIL_CHARS: usize = 320;

/// Limits the line about names and emails that were cut.
static CUT: LogThrottle = LogThrottle::new();

/// Returns the user of a session. A name or email with U+0000 is dropped, because PostgreSQL cannot store it; a longer one
/// than allowed is cut.
pub(super) fn user_session_principal(
    id: UserId,
    name: Option<String>,
    email: Option<String>,
) -> Principal {
    let name = name.and_then(|name| bounded(name, MAX_NAME_CHARS));
    let email = email.and_then(|email| bounded(email, MAX_EMAIL_CHARS));
    let is_cut = [&name, &email]
        .into_iter()
        .flatten()
        .any(|text| text.is_cut);
    if is_cut && let Some(suppressed) = CUT.allow() {
        warn!(user.id = %id, suppressed, "name or email of a user session is too long and was cut");
    }
    Principal {
        id,
        name: name.map(|name| name.text),
        email: email.map(|email| email.text),
    }
}

/// A text of a session, cut to its bound.
struct BoundedText {
    text: String,
    is_cut: bool,
}

fn bounded(mut text: String, max_chars: usize) -> Option<BoundedText> {
    if text.contains('\0') {
        return None;
    }
    let end = text.char_indices().nth(max_chars).map(|(index, _)| index);
    if let Some(end) = end {
        text.truncate(end);
        text.shrink_to_fit();
    }
    Some(BoundedText {
        text,
        is_cut: end.is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, email: &str) -> Principal {
        let id = UserId::new("ana").unwrap();
        user_session_principal(id, Some(name.to_owned()), Some(email.to_owned()))
    }

    #[test]
    fn long_name_and_email_are_cut_to_200_and_320_characters() {
        let cut = user(&"ä".repeat(40_000), &"e".repeat(40_000));
        assert_eq!(cut.name, Some("ä".repeat(200)));
        assert_eq!(cut.email, Some("e".repeat(320)));
        assert!(cut.name.unwrap().capacity() <= 400, "memory is released");
    }

    #[test]
    fn name_and_email_at_the_bound_are_kept_whole() {
        let whole = user(&"n".repeat(200), &"e".repeat(320));
        assert_eq!(whole.name, Some("n".repeat(200)));
        assert_eq!(whole.email, Some("e".repeat(320)));
    }

    #[test]
    fn text_with_u_0000_is_dropped() {
        let dropped = user("a\0b", "\0");
        assert_eq!((dropped.name, dropped.email), (None, None));
    }
}
