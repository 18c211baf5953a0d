//! A server for one test, on a free port, and the configurations that the tests use.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_socketio::engineio::{EngineConfig, SessionRegistry};
use actix_web::{dev::ServerHandle, rt};

use crate::{
    echo,
    http_server::HttpServer,
    timeout::{TIMEOUT, within_timeout},
    websocket_client::WebSocketClient,
};

/// Returns the short timeouts that the protocols' own test suites use, for clients that let them pass.
pub fn fast_config() -> EngineConfig {
    EngineConfig {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_millis(400),
        ..EngineConfig::default()
    }
}

/// Returns a short ping interval, for clients that answer pings, even late on a busy machine.
pub fn pinging_config() -> EngineConfig {
    EngineConfig {
        ping_timeout: TIMEOUT,
        connect_timeout: TIMEOUT,
        ..fast_config()
    }
}

/// Returns a short ping interval, and a ping timeout within which a client on a busy machine does one more step.
pub fn unanswered_config() -> EngineConfig {
    EngineConfig {
        ping_timeout: Duration::from_millis(1500),
        ..pinging_config()
    }
}

/// Returns a connect timeout that passes between the first and the second ping. A client on a busy machine does one step before each
/// of the three.
pub fn connecting_config() -> EngineConfig {
    EngineConfig {
        ping_interval: Duration::from_secs(1),
        connect_timeout: Duration::from_millis(1500),
        ..pinging_config()
    }
}

/// Returns timeouts that do not expire during a test, so that no heartbeat is sent.
pub fn quiet_config() -> EngineConfig {
    EngineConfig {
        connect_timeout: TIMEOUT,
        upgrade_timeout: 10 * TIMEOUT,
        ..EngineConfig::default()
    }
}

pub struct TestServer {
    pub address: SocketAddr,
    pub sessions: SessionRegistry,
    handle: ServerHandle,
}

impl TestServer {
    /// Starts the echo example.
    pub fn start_echo(config: EngineConfig) -> Self {
        Self::start(|listener, sessions| {
            let server = HttpServer::new(move || echo::app(&config, &sessions));
            let server = server
                .workers(1)
                .tcp_nodelay(true)
                .h1_allow_half_closed(false)
                .client_disconnect_timeout(Duration::ZERO)
                .on_connect(|connection, _| {
                    echo::set_tcp_user_timeout(connection, Duration::from_secs(5));
                })
                .listen(listener)?;
            Ok(server.run())
        })
    }

    /// Starts the server that `serve` returns.
    pub fn start(
        serve: impl FnOnce(TcpListener, SessionRegistry) -> std::io::Result<actix_web::dev::Server>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let sessions = SessionRegistry::default();
        let server = serve(listener, sessions.clone()).unwrap();
        let handle = server.handle();
        rt::spawn(server);
        Self {
            address,
            sessions,
            handle,
        }
    }

    /// Opens a WebSocket for a new session. The client has not received the first packet.
    pub async fn connect_websocket(&self, path: &str) -> WebSocketClient {
        let target = format!("{path}?EIO=4&transport=websocket");
        WebSocketClient::connect(self.address, &target).await
    }

    /// Opens a WebSocket that names an existing session.
    pub async fn connect_websocket_to_session(&self, path: &str, sid: &str) -> WebSocketClient {
        let target = format!("{path}?EIO=4&transport=websocket&sid={sid}");
        WebSocketClient::connect(self.address, &target).await
    }

    /// Opens an Engine.IO session.
    pub async fn connect_engineio(&self) -> WebSocketClient {
        let mut client = self.connect_websocket("/engine.io/").await;
        assert!(client.recv_text().await.starts_with("0{"));
        client
    }

    /// Opens a Socket.IO session that is in no namespace.
    pub async fn connect_socketio(&self) -> WebSocketClient {
        let mut client = self.connect_websocket("/socket.io/").await;
        assert!(client.recv_text().await.starts_with("0{"));
        client
    }

    /// Opens a Socket.IO session, connects it to the default namespace of the echo and receives the `auth` event.
    pub async fn connect_to_namespace(&self) -> WebSocketClient {
        let mut client = self.connect_socketio().await;
        client.send_text("40").await;
        assert!(client.recv_text().await.starts_with(r#"40{"sid":""#));
        assert_eq!(client.recv_text().await, r#"42["auth",{}]"#);
        client
    }

    /// Waits until every session has ended.
    pub async fn wait_until_empty(&self) {
        within_timeout(self.sessions.drained()).await;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // The first poll sends the command; the test does not wait for the server to stop.
        drop(rt::spawn(self.handle.stop(false)));
    }
}
