//! A leash: who holds it ends the work at its other end by dropping it, on whatever thread that work is.
//!
//! A session holds one on each task that waits for its client: the reader of its websocket, a websocket that offers
//! itself, the request that posts. So none of them outlives the session, and nobody has to remember to end them.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use tokio::sync::oneshot;

/// The end that is held.
pub(super) struct Leash(oneshot::Sender<Infallible>);

/// The end that does the work.
pub(super) struct Leashed(oneshot::Receiver<Infallible>);

/// Both ends.
pub(super) fn leash() -> (Leash, Leashed) {
    let (held, end) = oneshot::channel();
    (Leash(held), Leashed(end))
}

impl Leash {
    /// Whether the other end is still there.
    pub(super) fn is_taut(&self) -> bool {
        !self.0.is_closed()
    }
}

impl Leashed {
    /// The outcome of `work`, or nothing if it was let go before.
    pub(super) async fn hold<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => Pin::new(&mut self.0).poll(cx).map(|_let_go| None),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[actix_web::test]
    async fn work_on_a_leash_ends_with_it() {
        let (leash, mut leashed) = leash();
        assert_eq!(leashed.hold(async { 7 }).await, Some(7));
        assert!(leash.is_taut());
        drop(leash);
        assert_eq!(leashed.hold(pending::<()>()).await, None);
    }

    #[test]
    fn a_leash_knows_that_its_end_is_gone() {
        let (leash, leashed) = leash();
        drop(leashed);
        assert!(!leash.is_taut());
    }
}
