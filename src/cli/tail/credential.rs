//! The session token of the command's user.

use std::{fmt, str::FromStr};

use super::error::TailError;

/// A session token as it was given. The debug output does not contain it. It is checked by [`SessionToken::header`] instead of
/// the argument parser, whose errors contain the value.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionToken(String);

impl SessionToken {
    /// Returns the value of the `Authorization` header.
    ///
    /// # Errors
    /// When the token is empty or cannot be part of a header.
    pub(super) fn header(&self) -> Result<String, TailError> {
        let is_visible = self.0.bytes().all(|b| b.is_ascii_graphic());
        if self.0.is_empty() {
            Err(TailError::NoToken)
        } else if is_visible {
            Ok(format!("Bearer {}", self.0))
        } else {
            Err(TailError::MalformedToken)
        }
    }

    /// Returns the token.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionToken {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<String, String> {
        let Ok(token) = text.parse::<SessionToken>();
        token.header().map_err(|error| error.to_string())
    }

    #[test]
    fn token_becomes_a_header_and_never_part_of_a_message() {
        assert_eq!(header(" a.b.c\n"), Ok("Bearer a.b.c".to_owned()));
        assert_eq!(header("  "), Err(TailError::NoToken.to_string()));
        for wrong in ["secret\nX-Other: 1", "secret ü", "secret secret"] {
            let message = header(wrong).unwrap_err();
            assert!(!message.contains("secret"), "{message}");
        }
        let Ok(token) = "secret".parse::<SessionToken>();
        assert!(!format!("{token:?}").contains("secret"));
    }
}
