//! A line to the database: a pool of connections and the one thread that it lives on.
//!
//! A connection to PostgreSQL belongs to the Tokio runtime that opened it. In a pool that worker threads share, the
//! connection that one of them opened would wait for that one whoever uses it: a blocked worker would hold up the
//! others, and one that ended would leave them a connection that nobody drives. So nobody else's thread touches a
//! connection: work is handed to the line's own thread, and only its outcome comes back.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use prometheus::Histogram;
use sea_orm::{ConnAcquireErr, ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr};
use tokio::{
    runtime::{Builder, Handle},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};
use tracing::debug;

use super::outage::Outage;

/// How long a connection is waited for at most, while others get theirs.
const LONGEST: Duration = Duration::from_secs(30);

/// A pool on a thread of its own. Cheap to clone; the thread ends with the last clone.
#[derive(Clone, Debug)]
pub struct Line {
    connection: DatabaseConnection,
    thread: Handle,
    alive: Arc<oneshot::Sender<()>>,
    /// One for each connection, so that the wait for one can be seen.
    places: Arc<Semaphore>,
    capacity: usize,
    patience: Duration,
    wait: Option<Histogram>,
    /// How much work has come to a good end.
    done: Arc<AtomicUsize>,
    /// Who is told what comes of the work.
    outage: Option<Arc<Outage>>,
}

impl Line {
    /// Starts the thread and connects there.
    ///
    /// # Errors
    /// When the thread cannot be started or the database cannot be opened.
    pub async fn open(name: &str, options: ConnectOptions) -> Result<Self, DbErr> {
        let broken = |error: std::io::Error| DbErr::Conn(RuntimeErr::Internal(error.to_string()));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(broken)?;
        let handle = runtime.handle().clone();
        let (alive, all_gone) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(name.to_owned())
            // Nothing is ever sent: this ends when the sender is dropped.
            .spawn(move || runtime.block_on(async { all_gone.await.is_ok() }))
            .map_err(broken)?;
        let alive = Arc::new(alive);
        let capacity = options.get_max_connections().unwrap_or(1) as usize;
        let patience = options.get_acquire_timeout().unwrap_or(Duration::MAX);
        let connection = carry_out(&handle, &alive, Database::connect(options)).await?;
        Ok(Self {
            connection,
            thread: handle,
            alive,
            places: Arc::new(Semaphore::new(capacity)),
            capacity,
            patience,
            wait: None,
            done: Arc::default(),
            outage: None,
        })
    }

    /// The same line, but whoever reads the log is told when the database cannot be used by it.
    pub(super) fn watched(self, outage: Arc<Outage>) -> Self {
        let outage = Some(outage);
        Self { outage, ..self }
    }

    /// Has it measured from here on, in this clone and those of it, how long work waits for a connection.
    pub(super) fn measure_wait(&mut self, seconds: Histogram) {
        self.wait = Some(seconds);
    }

    /// The thread that it lives on.
    pub(super) fn thread(&self) -> &Handle {
        &self.thread
    }

    /// How many connections work is being done with.
    pub(super) fn in_use(&self) -> usize {
        self.capacity - self.places.available_permits()
    }

    /// How many connections there may be.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Does something with one connection, on the line's thread and to its end, even when nobody awaits it any longer.
    ///
    /// # Errors
    /// Those of the work; a panic in it becomes one too. None is free for as long as one is waited for.
    pub async fn run<T, F>(&self, work: impl FnOnce(DatabaseConnection) -> F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        let outcome = self.carry_out(work).await;
        if outcome.is_ok() {
            self.done.fetch_add(1, Relaxed);
        }
        if let Some(outage) = &self.outage {
            match &outcome {
                Ok(_) => outage.over(),
                Err(error) => outage.note(error),
            }
        }
        outcome
    }

    async fn carry_out<T, F>(&self, work: impl FnOnce(DatabaseConnection) -> F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        let place = self.place().await?;
        let work = work(self.connection.clone());
        let work = async move {
            let _place = place;
            work.await
        };
        carry_out(&self.thread, &self.alive, work).await
    }

    /// A connection to work with. Whoever waits for one is patient as long as others get theirs: many at once, as after a
    /// restart, are no outage.
    async fn place(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        let begun = Instant::now();
        let mut place = pin!(self.places.clone().acquire_owned());
        let mut done = self.done.load(Relaxed);
        let place = loop {
            let waited = timeout(self.patience, &mut place).await;
            let done_since = self.done.load(Relaxed);
            if waited.is_ok() || done_since == done || begun.elapsed() > LONGEST {
                break waited;
            }
            done = done_since;
        };
        if let Some(seconds) = &self.wait {
            seconds.observe(begun.elapsed().as_secs_f64());
        }
        match place {
            Ok(place) => Ok(place.expect("nobody closes the line's places")),
            Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    /// Starts something that goes on beside everything else on the line's thread. It ends with the thread, unless it
    /// keeps a clone of the line.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.thread.spawn(work);
    }

    /// The connections, for work that is on the line's thread already.
    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    pub(super) fn outage(&self) -> Option<Arc<Outage>> {
        self.outage.clone()
    }
}

async fn carry_out<T: Send + 'static>(
    thread: &Handle,
    alive: &Arc<oneshot::Sender<()>>,
    work: impl Future<Output = Result<T, DbErr>> + Send + 'static,
) -> Result<T, DbErr> {
    let alive = alive.clone();
    let task = thread.spawn(async move {
        let outcome = work.await;
        drop(alive);
        outcome
    });
    task.await.unwrap_or_else(|cause| {
        // A panic has been logged where it was, and whoever asked for the work logs what that meant.
        debug!(%cause, "work on the database ended before its time");
        Err(DbErr::Custom(cause.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;

    async fn line() -> Line {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1);
        Line::open("line", options).await.unwrap()
    }

    #[tokio::test]
    async fn work_is_done_on_the_lines_own_thread() {
        let line = line().await;
        let name = line
            .run(|db| async move {
                db.execute_unprepared("SELECT 1").await?;
                Ok(thread::current().name().map(str::to_owned))
            })
            .await;
        assert_eq!(name.unwrap().as_deref(), Some("line"));
    }

    #[tokio::test]
    async fn a_panic_in_one_work_is_an_error_and_leaves_the_line_alone() {
        let line = line().await;
        let panicked: Result<(), _> = line.run(|_| async { panic!("on purpose") }).await;
        assert!(panicked.is_err());
        let next = line.run(|db| async move { db.ping().await }).await;
        assert!(next.is_ok());
    }

    #[tokio::test]
    async fn work_goes_on_when_nobody_awaits_it_any_longer() {
        let line = line().await;
        let ((go, told), (done, heard)) = (oneshot::channel(), oneshot::channel());
        let work = line.run(|db| async move {
            let _ = told.await;
            db.ping().await?;
            Ok(done.send(()))
        });
        let mut work = Box::pin(work);
        // Begun, and then given up with the line itself.
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(work);
        drop(line);
        go.send(()).unwrap();
        assert!(heard.await.is_ok());
    }
}
