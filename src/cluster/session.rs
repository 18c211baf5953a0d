//! One connection of the bus, as a task: it moves messages between the bus and the node's link.

use std::sync::Arc;

use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
    time::timeout,
};

use super::bus::{BUS_DEADLINE, BusConnection, BusError, HintBus};

/// The messages from the bus that wait for the link. When they are too many, the connection is not read.
const INCOMING: usize = 256;

/// A connection that is being made or exists. Dropping it closes the connection.
pub(super) struct BusSession {
    outgoing: Sender<Vec<String>>,
    events: Receiver<SessionEvent>,
    task: JoinHandle<()>,
}

/// What happens on the connection.
pub(super) enum SessionEvent {
    Connected,
    Received(String),
    /// The messages of one [`BusSession::send`] were accepted.
    Sent,
    /// The last event.
    Ended(BusError),
}

impl BusSession {
    /// Begins to connect. Needs a Tokio runtime.
    pub(super) fn start(bus: Arc<dyn HintBus>) -> Self {
        // One transmission is under way at a time.
        let (outgoing, to_send) = channel(1);
        let (sender, events) = channel(INCOMING);
        let task = tokio::spawn(async move {
            let error = match run(bus.as_ref(), to_send, &sender).await {
                Ok(()) => return, // the link has dropped the session
                Err(error) => error,
            };
            let _ = sender.send(SessionEvent::Ended(error)).await;
        });
        Self {
            outgoing,
            events,
            task,
        }
    }

    /// Sends messages. Answered by [`SessionEvent::Sent`], unless the connection is lost.
    pub(super) fn send(&self, messages: Vec<String>) {
        // A session that has ended has reported it.
        let _ = self.outgoing.try_send(messages);
    }

    /// Returns the next event. Nothing is lost when the future is dropped.
    pub(super) async fn next_event(&mut self) -> SessionEvent {
        match self.events.recv().await {
            Some(event) => event,
            // The task has panicked.
            None => SessionEvent::Ended(BusError::Closed),
        }
    }
}

impl Drop for BusSession {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(
    bus: &dyn HintBus,
    mut to_send: Receiver<Vec<String>>,
    events: &Sender<SessionEvent>,
) -> Result<(), BusError> {
    let connecting = timeout(BUS_DEADLINE, bus.connect()).await;
    let mut connection = connecting.map_err(|_| BusError::Timeout)??;
    let mut next = SessionEvent::Connected;
    loop {
        if events.send(next).await.is_err() {
            return Ok(());
        }
        next = tokio::select! {
            received = connection.receive() => SessionEvent::Received(received?),
            messages = to_send.recv() => {
                let Some(messages) = messages else {
                    return Ok(());
                };
                send_all(connection.as_mut(), &messages).await?;
                SessionEvent::Sent
            }
        };
    }
}

async fn send_all(connection: &mut dyn BusConnection, messages: &[String]) -> Result<(), BusError> {
    for message in messages {
        connection.send(message).await?;
    }
    Ok(())
}
