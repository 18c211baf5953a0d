//! Runs attacks against a server and checks their consequences: the server logs at most one line per session, keeps no
//! memory, and another client on the same worker thread is not affected.

use std::{collections::HashSet, pin::pin, rc::Rc, time::Duration};

use actix_socketio::{
    SocketIo,
    engineio::{EngineConfig, EngineServer, SessionRegistry},
};
use actix_web::App;
use futures_util::future::{Either, select};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};
use tracing_subscriber::prelude::*;

use crate::{
    MEMORY,
    captured_log::AttackLog,
    echo::{EchoEngine, EchoNamespace, set_tcp_user_timeout},
    http_server::HttpServer,
    test_server::{TestServer, quiet_config},
    websocket_client::WebSocketClient,
};

/// How many runs of an attack must keep no memory. A buffer or a table may grow in single runs; a leak grows in each.
const RUNS_WITHOUT_LEAK: usize = 2;
/// How many runs may keep memory before the attack counts as a leak.
const MAX_RUNS_WITH_LEAK: usize = 8;
/// Memory that may remain, in bytes; less than any leaked object.
const TOLERANCE: usize = 64;
/// Time for the last connections of an attack to end.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);
/// The interval between two reads of the memory in use. It leaves the processor to the server.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Serializes the tests of the process.
static SERIAL: Mutex<()> = Mutex::const_new(());

/// A server that is attacked, and a bystander: a client with a session on the same worker thread.
pub struct AttackHarness {
    server: TestServer,
    bystander: WebSocketClient,
    log: AttackLog,
    _serial: MutexGuard<'static, ()>,
}

impl AttackHarness {
    /// Starts the echo server on one worker thread, and connects the bystander.
    pub async fn start(config: EngineConfig) -> Self {
        let serial = SERIAL.lock().await;
        let log = AttackLog::default();
        let worker_log = log.clone();
        let server = TestServer::start(|listener, sessions| {
            let bystanders = SessionRegistry::default();
            let server = HttpServer::new(move || {
                // The factory runs on the worker thread, so only the lines of that thread are captured.
                let subscriber = tracing_subscriber::registry().with(worker_log.clone());
                std::mem::forget(subscriber.set_default());
                let namespaces = || Rc::new(SocketIo::new().namespace("/", EchoNamespace));
                let engineio =
                    EngineServer::new(config.clone(), sessions.clone(), Rc::new(EchoEngine));
                let socketio = EngineServer::new(config.clone(), sessions.clone(), namespaces());
                let bystander =
                    EngineServer::new(bystander_config(), bystanders.clone(), namespaces());
                App::new()
                    .configure(engineio.routes("/engine.io/"))
                    .configure(socketio.routes("/socket.io/"))
                    .configure(bystander.routes("/bystander/"))
            });
            let server = server
                .workers(1)
                .tcp_nodelay(true)
                .h1_allow_half_closed(false)
                .client_disconnect_timeout(Duration::ZERO)
                .on_connect(|connection, _| {
                    set_tcp_user_timeout(connection, Duration::from_millis(500));
                })
                .listen(listener)?;
            Ok(server.run())
        });
        let mut bystander = server.connect_websocket("/bystander/").await;
        assert!(bystander.recv_text().await.starts_with("0{"));
        bystander.send_text("40").await;
        assert!(bystander.recv_text().await.starts_with("40{"));
        assert_eq!(bystander.recv_text().await, r#"42["auth",{}]"#);
        Self {
            server,
            bystander,
            log,
            _serial: serial,
        }
    }

    /// Runs an attack until it has kept no memory for [`RUNS_WITHOUT_LEAK`] runs.
    pub async fn assert_withstands(&mut self, attack: impl AsyncFn(&TestServer)) {
        // The first run fills pools, tables and buffers, which stay allocated.
        self.run(&attack).await;
        let (mut without_leak, mut leaks) = (0, Vec::new());
        while without_leak < RUNS_WITHOUT_LEAK {
            self.log.take();
            let before = MEMORY.current_usage();
            self.run(&attack).await;
            assert_one_line_per_session(&self.log.take());
            match timeout(SETTLE_TIMEOUT, memory_returns_to(before)).await {
                Ok(()) => without_leak += 1,
                Err(_) => leaks.push(MEMORY.current_usage().saturating_sub(before)),
            }
            assert!(
                leaks.len() < MAX_RUNS_WITH_LEAK,
                "memory leak in bytes per run: {leaks:?}"
            );
        }
    }

    /// Runs an attack once, while the bystander exchanges messages.
    async fn run(&mut self, attack: &impl AsyncFn(&TestServer)) {
        let mut attack = pin!(attack(&self.server));
        loop {
            let exchange = pin!(exchange_message(&mut self.bystander));
            match select(&mut attack, exchange).await {
                Either::Left(((), exchange)) => break exchange.await,
                Either::Right(((), _)) => {}
            }
        }
        self.server.wait_until_empty().await;
    }
}

impl Drop for AttackHarness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of the server: {:#?}", self.log.take());
            eprintln!("open sessions: {}", self.server.sessions.open());
        }
    }
}

/// Returns the configuration of the bystander's server, which sends no pings.
fn bystander_config() -> EngineConfig {
    EngineConfig {
        ping_interval: Duration::from_secs(3600),
        ..quiet_config()
    }
}

async fn memory_returns_to(before: usize) {
    while MEMORY.current_usage() > before + TOLERANCE {
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Asserts that every line belongs to a session, and that no session has two lines.
fn assert_one_line_per_session(lines: &[String]) {
    let mut sids = HashSet::new();
    for line in lines {
        let sid = line
            .split(' ')
            .find(|word| word.starts_with("session.sid="));
        let sid = sid.unwrap_or_else(|| panic!("no session.sid: {line}"));
        assert!(sids.insert(sid), "two lines of one session: {lines:#?}");
    }
}

async fn exchange_message(bystander: &mut WebSocketClient) {
    bystander
        .send_text(r#"427["message-with-ack","hello"]"#)
        .await;
    assert_eq!(bystander.recv_text().await, r#"437["hello"]"#);
}
