//! A server under siege: whatever is done to it, it answers as documented, says one line about each session at most,
//! keeps nothing of it, and a bystander on the same worker thread does not feel it.

use std::{
    collections::HashSet,
    fmt::Write,
    pin::pin,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpServer};
use futures_util::future::{Either, select};
use tokio::{
    sync::{Mutex as Turn, MutexGuard},
    time::timeout,
};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{Layer, layer::Context, prelude::*};
use vaultcast::{
    engineio::{Config, Server, Sessions},
    socketio::SocketIo,
};

use crate::{
    MEMORY,
    echo::{Echo, give_up_unread},
    server::{Client, TestServer, patient},
};

/// How often an attack has to leave nothing behind. A buffer or a table may still grow at one time or another; what is
/// forgotten each time is there each time.
const WITHOUT_TRACE: usize = 2;
/// How often it is made at most.
const TIMES: usize = 8;
/// Less than anything takes that could be forgotten.
const NOTHING: usize = 64;
/// How long the last connections of an attack may take to end, which nothing announces.
const SETTLED: Duration = Duration::from_secs(2);

/// Whose turn it is.
static TURN: Turn<()> = Turn::const_new(());

pub struct Siege {
    server: TestServer,
    bystander: Client,
    log: Log,
    _turn: MutexGuard<'static, ()>,
}

impl Siege {
    /// The echo, on one worker thread.
    pub async fn lay(config: Config) -> Self {
        let turn = TURN.lock().await;
        let log = Log::default();
        let worker_log = log.clone();
        let server = TestServer::start(|listener, sessions| {
            let bystanders = Sessions::default();
            let server = HttpServer::new(move || {
                // This runs on the worker thread, whose lines are counted; those of other servers are on others.
                let counted = tracing_subscriber::registry().with(worker_log.clone());
                std::mem::forget(counted.set_default());
                let namespaces = || Rc::new(SocketIo::new().namespace("/", Echo));
                let engine = Server::new(config.clone(), sessions.clone(), Rc::new(Echo));
                let socketio = Server::new(config.clone(), sessions.clone(), namespaces());
                let other = Server::new(undisturbed(), bystanders.clone(), namespaces());
                App::new()
                    .configure(engine.routes("/engine.io/"))
                    .configure(socketio.routes("/socket.io/"))
                    .configure(other.routes("/bystander/"))
            });
            let server = server
                .workers(1)
                .tcp_nodelay(true)
                .h1_allow_half_closed(false)
                .client_disconnect_timeout(Duration::ZERO)
                .on_connect(|connection, _| give_up_unread(connection, Duration::from_millis(500)))
                .listen(listener)?;
            Ok(server.run())
        });
        let mut bystander = server.upgrade("/bystander/").await;
        assert!(bystander.hear().await.starts_with("0{"));
        bystander.say("40").await;
        assert!(bystander.hear().await.starts_with("40{"));
        assert_eq!(bystander.hear().await, r#"42["auth",{}]"#);
        Self {
            server,
            bystander,
            log,
            _turn: turn,
        }
    }

    /// Suffers an attack again and again, and is the same after it.
    pub async fn withstands(&mut self, attack: impl AsyncFn(&TestServer)) {
        // The first time fills what stays: pools, tables, buffers.
        self.suffer(&attack).await;
        let (mut without_trace, mut kept) = (0, Vec::new());
        while without_trace < WITHOUT_TRACE {
            self.log.take();
            let before = MEMORY.current_usage();
            self.suffer(&attack).await;
            one_line_for_each_session(&self.log.take());
            match timeout(SETTLED, memory_is_back_at(before)).await {
                Ok(()) => without_trace += 1,
                Err(_) => kept.push(MEMORY.current_usage().saturating_sub(before)),
            }
            assert!(kept.len() < TIMES, "it keeps memory, each time: {kept:?}");
        }
    }

    /// Suffers an attack once, while a bystander goes on with his conversation.
    async fn suffer(&mut self, attack: &impl AsyncFn(&TestServer)) {
        let mut attack = pin!(attack(&self.server));
        loop {
            let conversation = pin!(converse(&mut self.bystander));
            match select(&mut attack, conversation).await {
                Either::Left(((), conversation)) => break conversation.await,
                Either::Right(((), _)) => {}
            }
        }
        self.server.emptied().await;
    }
}

impl Drop for Siege {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the server said: {:#?}", self.log.take());
            eprintln!("sessions: {}", self.server.sessions.open());
        }
    }
}

/// The settings for a bystander: nothing is said to him but what he asks for.
fn undisturbed() -> Config {
    Config {
        ping_interval: Duration::from_secs(3600),
        ..patient()
    }
}

async fn memory_is_back_at(before: usize) {
    while MEMORY.current_usage() > before + NOTHING {
        tokio::task::yield_now().await;
    }
}

/// Of each session it is said once that it has ended, and of what never was one nothing at all.
fn one_line_for_each_session(lines: &[String]) {
    let mut sids = HashSet::new();
    for line in lines {
        let sid = line
            .split(' ')
            .find(|word| word.starts_with("session.sid="));
        let sid = sid.unwrap_or_else(|| panic!("not about a session: {line}"));
        assert!(sids.insert(sid), "a second line about one: {lines:#?}");
    }
}

/// What a bystander says and hears while others attack.
async fn converse(bystander: &mut Client) {
    bystander.say(r#"427["message-with-ack","hello"]"#).await;
    assert_eq!(bystander.hear().await, r#"437["hello"]"#);
}

/// Writes down what a thread logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = (event.metadata().level(), event.metadata().target());
        let detailed = if target.starts_with("vaultcast") {
            Level::DEBUG
        } else {
            Level::INFO
        };
        if *level <= detailed {
            let mut line = format!("{level} {target}");
            event.record(
                &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                    let _ = write!(line, " {field}={value:?}");
                },
            );
            self.0.lock().unwrap().push(line);
        }
    }
}
