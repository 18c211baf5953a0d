//! The log name of a session. A session's `sid` is a secret: a client that knows it controls the session. The log
//! therefore uses a digest of it, made with a random key of this process, so that a guessed `sid` cannot be verified.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use engineioxide_core::Sid;

static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The name of a session in the log (`session.sid`): eight hexadecimal digits, the same for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionAlias(u32);

impl SessionAlias {
    pub(super) fn from_sid(sid: Sid) -> Self {
        Self((KEY.hash_one(sid) >> 32) as u32)
    }
}

impl fmt::Display for SessionAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alias_is_stable_and_differs_between_sessions() {
        let (one, other) = (Sid::new(), Sid::new());
        assert_eq!(SessionAlias::from_sid(one), SessionAlias::from_sid(one));
        assert_ne!(SessionAlias::from_sid(one), SessionAlias::from_sid(other));
        assert_eq!(SessionAlias::from_sid(one).to_string().len(), 8);
    }
}
