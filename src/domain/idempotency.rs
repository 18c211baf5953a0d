//! Remembered answers: the same request under the same key is answered again and not done again.

use std::collections::HashMap;

use super::{Answer, Refusal, UserId};

/// How long an answer is remembered.
pub const REMEMBERED_FOR_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A key that a client chose for one request of his.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// The path that was posted to: keys of different paths have nothing to do with each other.
    pub path: String,
    /// The client's word.
    pub key: String,
    /// What was asked, defaults filled in, as a digest.
    pub fingerprint: String,
}

/// The answers that matter to a batch: those already given and those that it gives itself, so that of equal
/// keys in one batch the later waits for the first.
#[derive(Debug, Default)]
pub struct Answers(HashMap<(UserId, String, String), Remembered>);

/// An answer that was given, and what had been asked.
#[derive(Clone, Debug)]
pub struct Remembered {
    pub fingerprint: String,
    pub answer: Answer,
}

impl Answers {
    /// The answer that this request was given before, if any.
    ///
    /// # Errors
    /// `IdempotencyMismatch` when the key was used for something else.
    pub fn recall(&self, by: &UserId, key: &IdempotencyKey) -> Result<Option<&Answer>, Refusal> {
        match self.0.get(&Self::place(by, key)) {
            None => Ok(None),
            Some(known) if known.fingerprint == key.fingerprint => Ok(Some(&known.answer)),
            Some(_) => Err(Refusal::IdempotencyMismatch),
        }
    }

    /// Remembers the answer to this request.
    pub fn remember(&mut self, by: &UserId, key: &IdempotencyKey, answer: Answer) {
        let known = Remembered {
            fingerprint: key.fingerprint.clone(),
            answer,
        };
        self.0.insert(Self::place(by, key), known);
    }

    fn place(by: &UserId, key: &IdempotencyKey) -> (UserId, String, String) {
        (by.clone(), key.path.clone(), key.key.clone())
    }
}
