//! Looks up user sessions in batches, so that a flood of unknown tokens does not delay the lookups of users.
//!
//! Lookups that wait together share one query. Tokens that were looked up before have a queue and connections of their
//! own: any client can send unknown tokens, but only users have known ones.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};

use super::user_session_record::{LookupError, LookupResult, UserSessionTableError};

/// The maximum number of lookups in one query.
pub(super) const MAX_BATCH: usize = 64;

/// The number of queues: for known and for unknown tokens.
pub(super) const QUEUES: usize = 2;

/// The number of concurrent queries of one queue.
pub(super) const WORKERS_PER_QUEUE: usize = 2;

/// The maximum number of lookups that wait in one queue. Further ones are refused.
const MAX_WAITING: usize = 4096;

/// Timeout of a lookup. It covers a failed query of the batch and the retry for this token.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Where sessions are looked up.
pub(super) trait UserSessionSource: Send + Sync + 'static {
    /// Returns the result for each token, in the same order.
    fn find(
        &self,
        tokens: Vec<String>,
    ) -> impl Future<Output = Result<Vec<LookupResult>, LookupError>> + Send;
}

/// Whether a token was looked up before with success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenHistory {
    Known,
    Unknown,
}

/// The queues of lookups.
pub(super) struct UserSessionLookups {
    known: LookupQueue,
    unknown: LookupQueue,
}

struct LookupQueue(mpsc::Sender<QueuedLookup>);

struct QueuedLookup {
    token: String,
    answer: oneshot::Sender<LookupResult>,
}

impl UserSessionLookups {
    /// Starts the workers. They end when the queues are dropped. Requires a Tokio runtime.
    pub(super) fn start(source: impl UserSessionSource) -> Self {
        let source = Arc::new(source);
        Self {
            known: LookupQueue::start(&source),
            unknown: LookupQueue::start(&source),
        }
    }

    /// Looks up a session. Fails with `Overloaded` if the queue is full.
    pub(super) async fn find(&self, token: &str, history: TokenHistory) -> LookupResult {
        let queue = match history {
            TokenHistory::Known => &self.known,
            TokenHistory::Unknown => &self.unknown,
        };
        queue.find(token).await
    }
}

impl LookupQueue {
    fn start(source: &Arc<impl UserSessionSource>) -> Self {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..WORKERS_PER_QUEUE {
            tokio::spawn(work(source.clone(), receiver.clone()));
        }
        Self(sender)
    }

    async fn find(&self, token: &str) -> LookupResult {
        let (answer, answered) = oneshot::channel();
        let token = token.to_owned();
        let queued = self.0.try_send(QueuedLookup { token, answer });
        queued.map_err(|_| UserSessionTableError::Overloaded)?;
        let answered = tokio::time::timeout(ANSWER_TIMEOUT, answered).await;
        match answered {
            Ok(Ok(result)) => result,
            // The worker is gone, or did not answer.
            Ok(Err(_)) | Err(_) => Err(UserSessionTableError::TimedOut.into()),
        }
    }
}

/// Answers lookups until their queue is dropped.
async fn work(
    source: Arc<impl UserSessionSource>,
    queue: Arc<Mutex<mpsc::Receiver<QueuedLookup>>>,
) {
    let mut batch = Vec::new();
    while queue.lock().await.recv_many(&mut batch, MAX_BATCH).await > 0 {
        // Some callers may have stopped waiting.
        batch.retain(|lookup| !lookup.answer.is_closed());
        if !batch.is_empty() {
            answer(source.as_ref(), std::mem::take(&mut batch)).await;
        }
    }
}

/// Answers a batch. If its query fails because of one token, queries each alone.
async fn answer(source: &impl UserSessionSource, batch: Vec<QueuedLookup>) {
    let tokens = batch.iter().map(|lookup| lookup.token.clone()).collect();
    match source.find(tokens).await {
        Ok(results) => {
            for (lookup, result) in batch.into_iter().zip(results) {
                // An error means that the caller does not wait any more.
                let _ = lookup.answer.send(result);
            }
        }
        Err(error) if batch.len() > 1 && error.is_fault() => {
            for QueuedLookup { token, answer } in batch {
                let mut results = source.find(vec![token]).await;
                let result = results
                    .as_mut()
                    .map(Vec::pop)
                    .map_err(|error| error.clone());
                let _ = answer.send(result.and_then(|result| result.unwrap_or(Ok(None))));
            }
        }
        Err(error) => {
            for lookup in batch {
                let _ = lookup.answer.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::SystemTime;

    use futures_util::{future::join_all, poll};
    use tokio::sync::Semaphore;

    use super::super::user_session_record::{SessionRowError, UserSessionRecord};
    use super::*;
    use crate::domain::{Principal, UserId};

    /// A table whose queries for unknown tokens wait for a permit. Each token that begins with `user` has a session.
    struct SlowTable {
        permits: Arc<Semaphore>,
        queries: mpsc::UnboundedSender<usize>,
    }

    impl UserSessionSource for SlowTable {
        async fn find(&self, tokens: Vec<String>) -> Result<Vec<LookupResult>, LookupError> {
            let _ = self.queries.send(tokens.len());
            if tokens.iter().any(|token| token.starts_with("unknown")) {
                self.permits.acquire().await.unwrap().forget();
            }
            if tokens.len() > 1 && tokens.iter().any(|token| token == "user-unreadable") {
                return Err(unreadable());
            }
            Ok(tokens.iter().map(|token| result(token)).collect())
        }
    }

    fn unreadable() -> LookupError {
        let error = SessionRowError {
            columns: "Session (expires)".to_owned(),
            problem: "not a time".to_owned(),
        };
        UserSessionTableError::from(error).into()
    }

    fn result(token: &str) -> LookupResult {
        if token == "user-unreadable" {
            return Err(unreadable());
        }
        let record = |id: &str| UserSessionRecord {
            principal: Principal {
                id: UserId::new(id).unwrap(),
                name: None,
                email: None,
            },
            expires_at: SystemTime::UNIX_EPOCH,
        };
        Ok(token.starts_with("user").then(|| record(token)))
    }

    struct TestLookups {
        lookups: UserSessionLookups,
        permits: Arc<Semaphore>,
        queries: mpsc::UnboundedReceiver<usize>,
    }

    fn start() -> TestLookups {
        let permits = Arc::new(Semaphore::new(0));
        let (sender, queries) = mpsc::unbounded_channel();
        let table = SlowTable {
            permits: permits.clone(),
            queries: sender,
        };
        TestLookups {
            lookups: UserSessionLookups::start(table),
            permits,
            queries,
        }
    }

    #[tokio::test]
    async fn known_session_does_not_wait_for_unknown_tokens() {
        let TestLookups { lookups, .. } = start();
        let tokens: Vec<_> = (0..1000).map(|n| format!("unknown{n}")).collect();
        let flood = tokens
            .iter()
            .map(|token| lookups.find(token, TokenHistory::Unknown));
        let mut flood = Box::pin(join_all(flood));
        assert!(poll!(&mut flood).is_pending());
        let found = lookups.find("user", TokenHistory::Known).await.unwrap();
        assert_eq!(found.unwrap().principal.id.as_str(), "user");
        assert!(poll!(&mut flood).is_pending());
    }

    #[tokio::test]
    async fn first_lookup_of_a_user_waits_for_few_queries_behind_a_flood() {
        let TestLookups {
            lookups,
            permits,
            mut queries,
        } = start();
        let tokens: Vec<_> = (0..640).map(|n| format!("unknown{n}")).collect();
        let flood = tokens
            .iter()
            .map(|token| lookups.find(token, TokenHistory::Unknown));
        let mut flood = Box::pin(join_all(flood));
        assert!(poll!(&mut flood).is_pending());
        let mut user = Box::pin(lookups.find("user", TokenHistory::Unknown));
        assert!(poll!(&mut user).is_pending());
        permits.add_permits(1000);
        assert!(user.await.unwrap().is_some());
        let results = flood.await;
        assert!(results.iter().all(|result| matches!(result, Ok(None))));
        let mut sizes = Vec::new();
        while let Ok(size) = queries.try_recv() {
            sizes.push(size);
        }
        assert_eq!(sizes.iter().sum::<usize>(), 641);
        assert!(
            sizes.len() <= 641 / MAX_BATCH + 1 + WORKERS_PER_QUEUE,
            "{sizes:?}"
        );
        assert!(sizes.iter().collect::<HashSet<_>>().contains(&MAX_BATCH));
    }

    #[tokio::test]
    async fn lookup_beyond_the_bound_of_a_queue_is_refused_at_once() {
        let TestLookups { lookups, .. } = start();
        let count = MAX_WAITING + 1;
        let flood = (0..count).map(|_| lookups.find("unknown", TokenHistory::Unknown));
        let mut flood: Vec<_> = flood.map(Box::pin).collect();
        for lookup in &mut flood[..MAX_WAITING] {
            assert!(poll!(lookup).is_pending());
        }
        let refused = flood.pop().unwrap().await.unwrap_err();
        assert!(matches!(*refused, UserSessionTableError::Overloaded));
        let known = lookups.find("user", TokenHistory::Known).await;
        assert!(known.unwrap().is_some());
    }

    #[tokio::test]
    async fn unreadable_row_fails_alone() {
        let TestLookups { lookups, .. } = start();
        let find = |token: &'static str| lookups.find(token, TokenHistory::Known);
        let (first, unreadable, last) =
            tokio::join!(find("user1"), find("user-unreadable"), find("user2"));
        assert!(first.unwrap().is_some() && last.unwrap().is_some());
        let error = unreadable.unwrap_err();
        assert!(matches!(*error, UserSessionTableError::Row(_)));
    }
}
