//! A database pool and the one thread that drives it.
//!
//! A PostgreSQL connection belongs to the Tokio runtime that opened it. If worker threads shared a pool, a connection
//! would depend on the worker that opened it: a blocked worker would delay the others, and a stopped worker would leave a
//! connection that no runtime drives. Therefore only the pool's own thread uses its connections. Other threads submit work
//! to it and await the result.

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
use sea_orm::{
    ConnAcquireErr, ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr,
    sqlx::Connection,
};
use tokio::{
    runtime::{Builder, Handle},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::timeout,
};
use tracing::debug;
use tracing_log::log::LevelFilter;

use super::{
    database_file::DatabaseFile, outage::OutageMonitor, session_settings::SessionSettings,
};

/// Longest wait for a connection while other work still makes progress.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// How long a pooled connection may take to answer a ping.
const PING_LIMIT: Duration = Duration::from_secs(1);

/// How many prepared statements a connection caches.
pub(super) const STATEMENT_CACHE: usize = 256;

/// A connection pool on a thread of its own. Cheap to clone; the thread ends with the last clone.
#[derive(Clone, Debug)]
pub struct DbThread {
    pool: DatabaseConnection,
    runtime: Handle,
    keep_alive: Arc<oneshot::Sender<()>>,
    /// One permit for each connection, so that the wait for one can be measured.
    permits: Arc<Semaphore>,
    capacity: usize,
    acquire_timeout: Duration,
    wait_seconds: Option<Histogram>,
    /// How many units of work have succeeded.
    succeeded: Arc<AtomicUsize>,
    /// Receives the result of each unit of work.
    outage: Option<Arc<OutageMonitor>>,
    /// Checked before each unit of work.
    file: Option<Arc<DatabaseFile>>,
    /// Longest duration of a unit of work, once it has a connection.
    deadline: Option<Duration>,
}

impl DbThread {
    /// Starts the thread and connects on it. The settings apply to each PostgreSQL connection of the pool.
    ///
    /// # Errors
    /// When the thread cannot be started or the database cannot be opened.
    pub async fn open(
        name: &str,
        mut options: ConnectOptions,
        settings: Option<SessionSettings>,
    ) -> Result<Self, DbErr> {
        let start_error =
            |error: std::io::Error| DbErr::Conn(RuntimeErr::Internal(error.to_string()));
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(start_error)?;
        let handle = runtime.handle().clone();
        let (keep_alive, all_dropped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(name.to_owned())
            // Nothing is ever sent. The wait ends when the sender is dropped.
            .spawn(move || runtime.block_on(async { all_dropped.await.is_ok() }))
            .map_err(start_error)?;
        let keep_alive = Arc::new(keep_alive);
        configure_postgres(&mut options, settings);
        let capacity = options.get_max_connections().unwrap_or(1) as usize;
        let acquire_timeout = options.get_acquire_timeout().unwrap_or(Duration::MAX);
        let pool = run_on(&handle, &keep_alive, Database::connect(options)).await?;
        Ok(Self {
            pool,
            runtime: handle,
            keep_alive,
            permits: Arc::new(Semaphore::new(capacity)),
            capacity,
            acquire_timeout,
            wait_seconds: None,
            succeeded: Arc::default(),
            outage: None,
            file: None,
            deadline: None,
        })
    }

    /// Returns the same thread with a monitor that logs outages of the database.
    pub(super) fn with_outage_monitor(self, outage: Arc<OutageMonitor>) -> Self {
        let outage = Some(outage);
        Self { outage, ..self }
    }

    /// Returns a share of the pool: a handle whose work uses at most `connections` connections at a time. Work of one share
    /// never waits for that of another if the shares together have no more connections than the pool.
    pub(super) fn share(&self, connections: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(connections)),
            capacity: connections,
            succeeded: Arc::default(),
            ..self.clone()
        }
    }

    /// Returns the same thread, which refuses work if the SQLite file was moved.
    pub(super) fn with_file(self, file: Option<Arc<DatabaseFile>>) -> Self {
        Self { file, ..self }
    }

    /// Returns the same thread with a deadline for each unit of work. Work that exceeds it is dropped, and the pool closes
    /// its connection if it does not answer.
    pub fn with_deadline(self, deadline: Duration) -> Self {
        let deadline = Some(deadline);
        Self { deadline, ..self }
    }

    /// Measures the wait for a connection in this clone and in clones made from it later.
    pub(super) fn measure_wait(&mut self, seconds: Histogram) {
        self.wait_seconds = Some(seconds);
    }

    /// Returns the runtime of the thread.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Returns the number of connections in use.
    pub(super) fn in_use(&self) -> usize {
        self.capacity - self.permits.available_permits()
    }

    /// Returns the maximum number of connections.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Runs work with a connection on the pool's thread. The work completes even if the returned future is dropped.
    ///
    /// # Errors
    /// The errors of the work, including a panic in it, and a timeout when no connection becomes free.
    pub async fn run<T, F>(&self, work: impl FnOnce(DatabaseConnection) -> F) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        let result = match self.check_file() {
            Ok(()) => self.run_with_permit(work).await,
            Err(error) => Err(error),
        };
        if result.is_ok() {
            self.succeeded.fetch_add(1, Relaxed);
        }
        if let Some(outage) = &self.outage {
            match &result {
                Ok(_) => outage.record_success(),
                Err(error) => outage.record_failure(error),
            }
        }
        result
    }

    fn check_file(&self) -> Result<(), DbErr> {
        self.file.as_ref().map_or(Ok(()), |file| file.check())
    }

    /// Closes all connections, whatever happened to the file.
    ///
    /// # Errors
    /// When the database fails to close.
    pub(super) async fn close(&self) -> Result<(), DbErr> {
        self.run_with_permit(|db| async move { db.close().await })
            .await
    }

    async fn run_with_permit<T, F>(
        &self,
        work: impl FnOnce(DatabaseConnection) -> F,
    ) -> Result<T, DbErr>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, DbErr>> + Send + 'static,
    {
        let permit = self.acquire_permit().await?;
        let work = work(self.pool.clone());
        let deadline = self.deadline.unwrap_or(Duration::MAX);
        let work = async move {
            let _permit = permit;
            let result = timeout(deadline, work).await;
            result.unwrap_or_else(|_| Err(no_answer(deadline)))
        };
        run_on(&self.runtime, &self.keep_alive, work).await
    }

    /// Waits for a free connection. The timeout starts again while other work succeeds: many waiters at once, as after a
    /// restart, are not an outage.
    async fn acquire_permit(&self) -> Result<OwnedSemaphorePermit, DbErr> {
        let started = Instant::now();
        let mut permit = pin!(self.permits.clone().acquire_owned());
        let mut succeeded = self.succeeded.load(Relaxed);
        let permit = loop {
            let attempt = timeout(self.acquire_timeout, &mut permit).await;
            let succeeded_now = self.succeeded.load(Relaxed);
            if attempt.is_ok() || succeeded_now == succeeded || started.elapsed() > MAX_WAIT {
                break attempt;
            }
            succeeded = succeeded_now;
        };
        if let Some(seconds) = &self.wait_seconds {
            seconds.observe(started.elapsed().as_secs_f64());
        }
        match permit {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)),
        }
    }

    /// Spawns a background task on the thread. The task ends with the thread, unless it holds a clone of this handle.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Returns the pool, for tasks that already run on the thread.
    pub(super) fn pool(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Returns the outage monitor, if there is one.
    pub(super) fn outage(&self) -> Option<Arc<OutageMonitor>> {
        self.outage.clone()
    }

    /// Returns the files of a SQLite database.
    pub(super) fn file(&self) -> Option<Arc<DatabaseFile>> {
        self.file.clone()
    }
}

/// Returns the error of a database that has not answered within this time.
pub(super) fn no_answer(deadline: Duration) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(format!(
        "no answer within {deadline:?}"
    )))
}

/// Makes a PostgreSQL pool apply the settings to each connection, test a connection before and after its use, and close one
/// that does not answer. The pool's own pings have no timeout, so a stuck connection would occupy a pool slot.
pub(super) fn configure_postgres(options: &mut ConnectOptions, settings: Option<SessionSettings>) {
    options.map_sqlx_postgres_opts(|postgres| {
        // Poolers such as PgBouncer refuse the startup parameter `extra_float_digits`.
        let postgres = postgres.extra_float_digits(None);
        postgres.statement_cache_capacity(STATEMENT_CACHE)
    });
    options.map_sqlx_postgres_pool_opts(move |pool| {
        let settings = settings.clone();
        // Slow acquires come in groups with one common cause, so they are not worth a warning each.
        pool.acquire_slow_level(LevelFilter::Debug)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move {
                    match settings {
                        Some(settings) => settings.apply(connection).await,
                        None => Ok(()),
                    }
                })
            })
            .before_acquire(|connection, _| Box::pin(async { Ok(answers(connection).await) }))
            .after_release(|connection, _| Box::pin(async { Ok(answers(connection).await) }))
    });
}

async fn answers(connection: &mut impl Connection) -> bool {
    let pinged = timeout(PING_LIMIT, connection.ping()).await;
    pinged.is_ok_and(|answer| answer.is_ok())
}

async fn run_on<T: Send + 'static>(
    runtime: &Handle,
    keep_alive: &Arc<oneshot::Sender<()>>,
    work: impl Future<Output = Result<T, DbErr>> + Send + 'static,
) -> Result<T, DbErr> {
    let keep_alive = keep_alive.clone();
    let task = runtime.spawn(async move {
        let result = work.await;
        drop(keep_alive);
        result
    });
    task.await.unwrap_or_else(|cause| {
        // The panic hook has logged the panic, and the caller logs its consequence.
        debug!(%cause, "database task aborted");
        Err(DbErr::Custom(cause.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;

    use super::*;

    async fn open_thread() -> DbThread {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(1);
        DbThread::open("test pool", options, None).await.unwrap()
    }

    #[tokio::test]
    async fn work_runs_on_the_pools_own_thread() {
        let db_thread = open_thread().await;
        let name = db_thread
            .run(|db| async move {
                db.execute_unprepared("SELECT 1").await?;
                Ok(thread::current().name().map(str::to_owned))
            })
            .await;
        assert_eq!(name.unwrap().as_deref(), Some("test pool"));
    }

    #[tokio::test]
    async fn work_of_one_share_does_not_wait_for_another() {
        let mut options = ConnectOptions::new("sqlite::memory:");
        options.max_connections(2);
        let pool = DbThread::open("test pool", options, None).await.unwrap();
        let (listings, joins) = (pool.share(1), pool.share(1));
        let (finish, finished) = oneshot::channel::<()>();
        let endless = listings.run(|_| async move { Ok(finished.await) });
        let mut endless = Box::pin(endless);
        assert!(futures_util::poll!(&mut endless).is_pending());
        let waiting = listings.run(|db| async move { db.ping().await });
        let mut waiting = Box::pin(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert_eq!((listings.in_use(), joins.in_use()), (1, 0));

        let join = joins.run(|db| async move { db.ping().await });
        join.await.unwrap();
        assert!(futures_util::poll!(&mut waiting).is_pending());
        finish.send(()).unwrap();
        waiting.await.unwrap();
        drop(endless);
    }

    #[tokio::test]
    async fn panic_in_work_becomes_an_error_and_the_thread_continues() {
        let db_thread = open_thread().await;
        let panicked: Result<(), _> = db_thread.run(|_| async { panic!("on purpose") }).await;
        assert!(panicked.is_err());
        let next = db_thread.run(|db| async move { db.ping().await }).await;
        assert!(next.is_ok());
    }

    #[tokio::test]
    async fn work_completes_after_its_future_and_the_handle_are_dropped() {
        let db_thread = open_thread().await;
        let (start, started) = oneshot::channel();
        let (finish, finished) = oneshot::channel();
        let work = db_thread.run(|db| async move {
            let _ = started.await;
            db.ping().await?;
            Ok(finish.send(()))
        });
        let mut work = Box::pin(work);
        assert!(futures_util::poll!(&mut work).is_pending());
        drop(work);
        drop(db_thread);
        start.send(()).unwrap();
        assert!(finished.await.is_ok());
    }
}
