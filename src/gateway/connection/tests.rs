//! Connections whose relay panics, or whose journal becomes another one, with a real vault.

use std::{path::Path, rc::Rc, sync::Arc, time::Duration};

use actix::System;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as DirectDatabase, DatabaseConnection, DbBackend,
    Statement,
};
use serde_json::{Value, json};

use crate::{
    access::limits::Limits,
    cluster::{ClaimAnswer, PeerClaim, PidHash},
    domain::{Mutation, UserId},
    gateway::{
        bounds::GatewayBounds,
        connections::{ConnectionRegistry, RecoverableConnection},
        metrics::GatewayMetrics,
        recovery::{
            ClaimedSocket, RecoveredSocket, RecoveryBounds, RecoveryRequest, RecoveryStore,
        },
        relay::{RelayOptions, WorkerRelay},
        test_vaults::{create_source, create_vault, open_vaults, principal},
    },
    vault::{VaultHandle, Vaults},
};
use actix_socketio::{
    DisconnectReason, IncomingEvent, Socket, SocketHandler,
    engineio::{CloseReason, EngineConfig, Frame, SessionSocket},
};

use super::{ConnectionContext, ConnectionParams, UserConnection};

const TIMEOUT: Duration = Duration::from_secs(30);

/// The gateway of one worker thread.
struct TestGateway {
    vault: VaultHandle,
    relay: WorkerRelay,
    context: Rc<ConnectionContext>,
}

/// A client with its connection.
struct TestConnection {
    connection: UserConnection,
    engine: SessionSocket,
    socket: Socket,
    received: Vec<Value>,
}

/// A connection that panics in the relay's actor.
struct PanickingConnection(UserId);

impl RecoverableConnection for PanickingConnection {
    fn user(&self) -> &UserId {
        &self.0
    }

    fn suspend(&self) {
        panic!("this connection panics on purpose");
    }

    fn close(&self, _: CloseReason) {}
}

impl TestGateway {
    async fn open(vaults: Vaults) -> Self {
        let metrics = GatewayMetrics::default();
        let connections = ConnectionRegistry::default();
        let options = RelayOptions {
            bounds: GatewayBounds::new(1024, TIMEOUT),
            metrics: metrics.clone(),
        };
        let relay = WorkerRelay::start(options, connections.clone());
        let bounds = RecoveryBounds {
            window: TIMEOUT,
            events: 1024,
        };
        let vault = create_vault(&vaults).await;
        let context = Rc::new(ConnectionContext {
            connections,
            limits: Limits::of_default_config(),
            recovery: RecoveryStore::new(vaults.journal().clone(), bounds, metrics.clone(), None),
            metrics,
            vaults,
        });
        Self {
            vault,
            relay,
            context,
        }
    }

    /// Connects the user `ana`, as the namespace does.
    async fn connect(&self, recovery: RecoveryRequest) -> TestConnection {
        let user = principal("ana").id;
        let recovered = match &recovery {
            RecoveryRequest::Claim(claim) => {
                let claimed = self.context.recovery.claim(claim, &user).await;
                assert!(claimed.is_some(), "recovered");
                claimed.and_then(ClaimedSocket::confirm)
            }
            RecoveryRequest::New | RecoveryRequest::Off => None,
        };
        self.open_connection(recovery, recovered)
    }

    fn open_connection(
        &self,
        recovery: RecoveryRequest,
        recovered: Option<RecoveredSocket>,
    ) -> TestConnection {
        let user = principal("ana");
        let engine = SessionSocket::detached(EngineConfig::default());
        let socket = Socket::connected("/", engine.clone());
        let context = self.context.clone();
        let params = ConnectionParams {
            socket: socket.clone(),
            permit: context.limits.acquire_user_socket(&user.id).unwrap(),
            user,
            relay: self.relay.current(),
            recovery,
            recovered,
        };
        TestConnection {
            connection: UserConnection::new(context, params),
            engine,
            socket,
            received: Vec::new(),
        }
    }

    async fn commit(&self) {
        let mutation = Mutation {
            by: principal("ana"),
            command: create_source(),
            key: None,
        };
        self.vault.submit(mutation).await.unwrap();
    }

    async fn panic_relay(&self) {
        let panicking = PanickingConnection(principal("ana").id);
        self.context
            .connections
            .insert("panics", Rc::new(panicking));
        let pids = vec!["panics".to_owned()];
        let handled = self.relay.current().handle().suspend(pids).await;
        assert!(handled.is_err(), "the relay has panicked");
    }
}

impl TestConnection {
    fn join(&mut self, vault: &VaultHandle) {
        self.connection.on_event(IncomingEvent {
            name: "vault:join".to_owned(),
            args: vec![json!(vault.id().to_string())],
            attachments: Vec::new(),
            ack: None,
        });
    }

    /// Waits for the next packet, which is this event, and returns its payload.
    async fn receive(&mut self, event: &str) -> Value {
        let next = async {
            while self.received.is_empty() {
                tokio::task::yield_now().await;
                self.received
                    .extend(self.engine.take_all().iter().map(|frame| {
                        let Frame::Text(text) = frame else {
                            panic!("events are text frames");
                        };
                        serde_json::from_str(text.strip_prefix("42").unwrap()).unwrap()
                    }));
            }
            self.received.remove(0)
        };
        let packet: Value = tokio::time::timeout(TIMEOUT, next).await.expect(event);
        assert_eq!(packet[0], event, "{packet}");
        packet
    }

    /// Waits until the service has closed the transport.
    async fn wait_until_closed(&self) {
        let closed = async {
            while self.socket.is_connected() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TIMEOUT, closed).await.expect("closed");
    }

    /// Loses the transport. Returns the pid.
    fn lose_transport(&mut self) -> String {
        let closed = DisconnectReason::Closed(CloseReason::Fault);
        self.connection.on_disconnect(closed);
        self.connection.0.pid.clone().unwrap()
    }
}

#[test]
fn sockets_of_a_relay_that_panics_are_closed_and_recovered_by_another_relay() {
    let directory = tempfile::tempdir().unwrap();
    System::new().block_on(async {
        let gateway = TestGateway::open(open_vaults(directory.path()).await).await;
        let mut client = gateway.connect(RecoveryRequest::New).await;
        let without_vault = gateway.connect(RecoveryRequest::New).await;
        client.join(&gateway.vault);
        client.receive("vault:joined").await;
        gateway.commit().await;
        let event = client.receive("source:created").await;

        gateway.panic_relay().await;
        assert!(!client.socket.is_connected());
        assert!(!without_vault.socket.is_connected());
        let closed = DisconnectReason::Closed(CloseReason::Fault);
        client.connection.on_disconnect(closed);

        gateway.commit().await;
        let pid = client.connection.0.pid.clone().unwrap();
        let claim = json!({ "pid": pid, "offset": event[2] });
        let mut client = gateway.connect(RecoveryRequest::from_auth(&claim)).await;
        assert_eq!(client.receive("source:created").await[1]["seq"], 2);
        gateway.commit().await;
        assert_eq!(client.receive("source:created").await[1]["seq"], 3);
        assert!(client.socket.is_connected());
    });
}

#[test]
fn sockets_of_one_relay_have_offsets_only_where_they_are_recoverable() {
    let directory = tempfile::tempdir().unwrap();
    System::new().block_on(async {
        let gateway = TestGateway::open(open_vaults(directory.path()).await).await;
        let mut clients = [
            gateway.connect(RecoveryRequest::Off).await,
            gateway.connect(RecoveryRequest::New).await,
            gateway.connect(RecoveryRequest::Off).await,
        ];
        for client in &mut clients {
            client.join(&gateway.vault);
        }
        let mut received = Vec::new();
        for client in &mut clients {
            received.push(client.receive("vault:joined").await);
        }
        gateway.commit().await;
        for client in &mut clients {
            received.push(client.receive("source:created").await);
        }
        let items: Vec<_> = received
            .iter()
            .map(|packet| packet.as_array().unwrap().len())
            .collect();
        assert_eq!(items, [2, 3, 2, 2, 3, 2], "{received:?}");
        assert_eq!(received[3][1], received[4][1]);
        assert_eq!(received[3], received[5]);
        assert_eq!(clients[0].connection.0.pid, None);
    });
}

/// The client has received the first event. The journal becomes another one between its claim and its subscription.
#[test]
fn connection_that_was_claimed_in_a_former_epoch_is_not_continued() {
    let directory = tempfile::tempdir().unwrap();
    System::new().block_on(async {
        let vaults = open_vaults(directory.path()).await;
        let gateway = TestGateway::open(vaults.clone()).await;
        let recovery = &gateway.context.recovery;
        vaults.set_history_listener(Arc::new(recovery.clone()));
        let user = principal("ana").id;
        let mut client = gateway.connect(RecoveryRequest::New).await;
        client.join(&gateway.vault);
        let joined = client.receive("vault:joined").await;
        let pid = client.lose_transport();
        let auth = json!({ "pid": pid, "offset": joined[2] });
        let RecoveryRequest::Claim(claim) = RecoveryRequest::from_auth(&auth) else {
            panic!("the payload has a pid");
        };
        let confirmed = recovery.claim(&claim, &user).await.unwrap().confirm();
        assert!(confirmed.is_some());

        vaults.replace_epoch("another".into());
        // The relay ends all positions before the client has one.
        gateway
            .relay
            .current()
            .handle()
            .suspend(Vec::new())
            .await
            .unwrap();
        let mut client = gateway.open_connection(RecoveryRequest::Claim(claim), confirmed);
        client.wait_until_closed().await;
        // The positions of the socket are those of the former epoch.
        client.lose_transport();
        let RecoveryRequest::Claim(claim) = RecoveryRequest::from_auth(&auth) else {
            panic!("the payload has a pid");
        };
        assert!(recovery.claim(&claim, &user).await.is_none());
    });
}

/// Returns a connection to the database of `open_vaults` that is not the service's.
async fn direct_connection(directory: &Path) -> DatabaseConnection {
    let url = format!("sqlite://{}/vaultcast.db", directory.display());
    let mut options = ConnectOptions::new(url);
    options.max_connections(1);
    DirectDatabase::connect(options).await.unwrap()
}

#[test]
fn states_that_a_shutdown_cannot_write_are_kept_and_written_later() {
    let directory = tempfile::tempdir().unwrap();
    System::new().block_on(async {
        let gateway = TestGateway::open(open_vaults(directory.path()).await).await;
        let recovery = &gateway.context.recovery;
        let connection = direct_connection(directory.path()).await;
        let reject = "CREATE TRIGGER reject BEFORE INSERT ON stored_sockets BEGIN SELECT RAISE(ABORT, 'full'); END";
        connection.execute_unprepared(reject).await.unwrap();
        let mut client = gateway.connect(RecoveryRequest::New).await;
        client.join(&gateway.vault);
        let joined = client.receive("vault:joined").await;
        let auth = json!({ "pid": client.lose_transport(), "offset": joined[2] });
        let RecoveryRequest::Claim(claim) = RecoveryRequest::from_auth(&auth) else {
            panic!("the payload has a pid");
        };
        let user = principal("ana").id;
        recovery.persist_disconnected().await;
        let kept = recovery.claim(&claim, &user).await;
        kept.expect("the state is kept").refuse();

        connection.execute_unprepared("DROP TRIGGER reject").await.unwrap();
        recovery.persist_disconnected().await;
        let stored = RecoveryStore::clone(recovery).claim(&claim, &user).await;
        assert!(stored.is_some());
    });
}

#[test]
fn state_that_a_shutdown_cannot_write_does_not_keep_the_later_ones_from_it() {
    /// More than one transaction has.
    const SOCKETS: usize = 300;
    let directory = tempfile::tempdir().unwrap();
    System::new().block_on(async {
        let gateway = TestGateway::open(open_vaults(directory.path()).await).await;
        let recovery = &gateway.context.recovery;
        let connection = direct_connection(directory.path()).await;
        let mut pids = Vec::new();
        for _ in 0..SOCKETS {
            pids.push(gateway.connect(RecoveryRequest::New).await.lose_transport());
        }
        let reject = format!(
            "CREATE TRIGGER reject BEFORE INSERT ON stored_sockets WHEN NEW.pid = '{}' BEGIN SELECT RAISE(ABORT, 'full'); END",
            pids[0]
        );
        connection.execute_unprepared(&reject).await.unwrap();
        recovery.persist_disconnected().await;
        let count = "SELECT count(*) AS count FROM stored_sockets";
        let count = Statement::from_string(DbBackend::Sqlite, count);
        let row = connection.query_one_raw(count).await.unwrap().unwrap();
        let stored: i64 = row.try_get("", "count").unwrap();
        assert_eq!(stored, 300 - 256);
    });
}

#[test]
fn claim_of_another_node_is_answered_after_the_write_that_a_shutdown_has_begun() {
    let directory = tempfile::tempdir().unwrap();
    System::new().block_on(async {
        let gateway = TestGateway::open(open_vaults(directory.path()).await).await;
        let recovery = &gateway.context.recovery;
        let connection = direct_connection(directory.path()).await;
        let mut client = gateway.connect(RecoveryRequest::New).await;
        client.join(&gateway.vault);
        client.receive("vault:joined").await;
        let pid = PidHash::of(&client.lose_transport());
        connection
            .execute_unprepared("BEGIN IMMEDIATE")
            .await
            .unwrap();
        let mut writing = Box::pin(recovery.persist_disconnected());
        assert!(futures_util::poll!(&mut writing).is_pending());
        let user = principal("ana").id;
        let mut answer = recovery.claim_responder().answer(PeerClaim { pid, user });
        for _ in 0..100 {
            assert!(futures_util::poll!(&mut answer).is_pending());
            tokio::task::yield_now().await;
        }
        connection.execute_unprepared("ROLLBACK").await.unwrap();
        writing.await;
        // The node that claims the state finds it in the database.
        assert_eq!(answer.await, ClaimAnswer::NotHere);
    });
}
