//! What a session is called where others may read it. Its `sid` is a secret, and whoever has it has the session, so the
//! log calls it otherwise: always the same, and nothing that leads back. A digest alone would let a guess be checked, so
//! it is made with a key that this process has thrown dice for and tells nobody.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use engineioxide_core::Sid;

static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// A session's name for the log (`session.sid`): eight digits that stand for its `sid` as long as the process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias(u32);

impl Alias {
    pub(super) fn of(sid: Sid) -> Self {
        Self((KEY.hash_one(sid) >> 32) as u32)
    }
}

impl fmt::Display for Alias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_always_called_the_same_and_no_two_are() {
        let (one, other) = (Sid::new(), Sid::new());
        assert_eq!(Alias::of(one), Alias::of(one));
        assert_ne!(Alias::of(one), Alias::of(other));
        assert_eq!(Alias::of(one).to_string().len(), 8);
    }
}
