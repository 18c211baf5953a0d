//! Idempotency keys: a request that is repeated under the same key gets the same answer and has no second effect.

use std::collections::HashMap;

use super::{answer::MutationAnswer, ids::UserId, refusal::Refusal};

/// How long an answer is remembered, in milliseconds.
pub const REMEMBERED_FOR_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// A key that a client chose for one request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// The path of the request. The same key on two paths names two requests.
    pub path: String,
    /// The text that the client sent.
    pub key: String,
    /// A digest of the validated request, defaults included.
    pub fingerprint: String,
}

/// The remembered answers that matter to a batch: the ones from the database and the ones of the batch itself.
/// If two mutations of a batch have the same key, the second one gets the answer of the first.
#[derive(Debug, Default)]
pub struct RememberedAnswers(HashMap<RequestId, RememberedAnswer>);

/// The identity of a request: its author, path and key.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RequestId {
    user: UserId,
    path: String,
    key: String,
}

/// An answer, and the fingerprint of the request that got it.
#[derive(Clone, Debug)]
struct RememberedAnswer {
    fingerprint: String,
    answer: MutationAnswer,
}

impl RequestId {
    fn new(user: &UserId, key: &IdempotencyKey) -> Self {
        Self {
            user: user.clone(),
            path: key.path.clone(),
            key: key.key.clone(),
        }
    }
}

impl RememberedAnswers {
    /// Returns the answer that this request got before, if any.
    ///
    /// # Errors
    /// `IdempotencyMismatch` if the key was used for a different request.
    pub fn recall(
        &self,
        user: &UserId,
        key: &IdempotencyKey,
    ) -> Result<Option<&MutationAnswer>, Refusal> {
        match self.0.get(&RequestId::new(user, key)) {
            None => Ok(None),
            Some(known) if known.fingerprint == key.fingerprint => Ok(Some(&known.answer)),
            Some(_) => Err(Refusal::IdempotencyMismatch),
        }
    }

    /// Remembers the answer to this request.
    pub fn remember(&mut self, user: &UserId, key: &IdempotencyKey, answer: MutationAnswer) {
        let remembered = RememberedAnswer {
            fingerprint: key.fingerprint.clone(),
            answer,
        };
        self.0.insert(RequestId::new(user, key), remembered);
    }
}
