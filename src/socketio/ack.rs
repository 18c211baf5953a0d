//! Acknowledgements that the server asks for: an event goes out with a number, and whoever sent it waits for the
//! client's answer to that number, for so long and no longer.

use std::{
    cell::RefCell,
    collections::HashMap,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tokio::{
    sync::oneshot,
    time::{Sleep, sleep},
};

use super::{error::AckError, frame};

/// What a client answered to an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Acknowledged {
    /// The arguments of its acknowledgement.
    pub args: Vec<Value>,
    /// Its binary attachments, whose places the arguments tell.
    pub attachments: Vec<Bytes>,
}

impl Acknowledged {
    /// The binary data for which a value of the arguments stands, if it stands for any.
    pub fn attachment(&self, value: &Value) -> Option<&Bytes> {
        frame::attachment(value, &self.attachments)
    }
}

/// The events of one socket that wait for their acknowledgement.
#[derive(Default)]
pub(super) struct Asked(RefCell<Waiting>);

#[derive(Default)]
struct Waiting {
    next: i64,
    answers: HashMap<i64, oneshot::Sender<Acknowledged>>,
}

/// The wait for an acknowledgement. Who drops it does not wait any more.
#[must_use = "the event is sent, but nobody waits for its acknowledgement"]
pub struct Answer {
    id: i64,
    asked: Rc<Asked>,
    answer: oneshot::Receiver<Acknowledged>,
    timeout: Pin<Box<Sleep>>,
}

impl Asked {
    /// A number for an event, and the wait for its acknowledgement; none when `most` wait already.
    pub(super) fn ask(self: &Rc<Self>, timeout: Duration, most: usize) -> Option<(i64, Answer)> {
        let mut waiting = self.0.borrow_mut();
        if waiting.answers.len() >= most {
            return None;
        }
        let id = waiting.next;
        waiting.next += 1;
        let (sender, answer) = oneshot::channel();
        waiting.answers.insert(id, sender);
        let answer = Answer {
            id,
            asked: self.clone(),
            answer,
            timeout: Box::pin(sleep(timeout)),
        };
        Some((id, answer))
    }

    /// The client's acknowledgement of the event number `id`. Of one that nobody waits for, nothing comes.
    pub(super) fn answer(&self, id: i64, acknowledged: Acknowledged) {
        let sender = self.0.borrow_mut().answers.remove(&id);
        if let Some(sender) = sender {
            let _not_waited_for = sender.send(acknowledged);
        }
    }

    /// No more answers will come.
    pub(super) fn give_up(&self) {
        self.0.borrow_mut().answers.clear();
    }
}

impl Future for Answer {
    type Output = Result<Acknowledged, AckError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(answer) = Pin::new(&mut self.answer).poll(cx) {
            return Poll::Ready(answer.map_err(|_| AckError::Disconnected));
        }
        let timeout = self.timeout.as_mut().poll(cx);
        timeout.map(|()| Err(AckError::TimedOut))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.asked.0.borrow_mut().answers.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn of(value: Value) -> Acknowledged {
        Acknowledged {
            args: vec![value],
            attachments: vec![],
        }
    }

    #[actix_web::test]
    async fn each_answer_finds_its_own_question() {
        let asked = Rc::new(Asked::default());
        let (one, first) = asked.ask(LONG, 8).unwrap();
        let (two, second) = asked.ask(LONG, 8).unwrap();
        asked.answer(two, of(2.into()));
        asked.answer(one, of(1.into()));
        asked.answer(7, of(7.into()));
        assert_eq!(first.await.unwrap(), of(1.into()));
        assert_eq!(second.await.unwrap(), of(2.into()));
    }

    #[actix_web::test]
    async fn an_answer_that_does_not_come_is_not_waited_for_for_ever() {
        let asked = Rc::new(Asked::default());
        let (_, late) = asked.ask(Duration::ZERO, 8).unwrap();
        assert!(matches!(late.await, Err(AckError::TimedOut)));
        let (_, lost) = asked.ask(LONG, 8).unwrap();
        asked.give_up();
        assert!(matches!(lost.await, Err(AckError::Disconnected)));
    }

    #[actix_web::test]
    async fn so_many_wait_and_no_more() {
        let asked = Rc::new(Asked::default());
        let first = asked.ask(LONG, 1).unwrap();
        assert!(asked.ask(LONG, 1).is_none());
        drop(first);
        assert!(asked.ask(LONG, 1).is_some());
    }
}
