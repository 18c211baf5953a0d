//! A TCP proxy between a node and PostgreSQL that fails in the ways of a network.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use vaultcast::vault::{VaultHandle, Vaults};

use crate::test_node::{OPTIONS, TestNode, create_vault, open_vaults};

/// A TCP proxy for PostgreSQL that can cut the connection during a commit.
pub struct CommitProxy {
    pub url: String,
    /// The next COMMIT reaches the server, but its answer does not reach the client.
    pub cut_commit: Arc<AtomicBool>,
    /// The next statement that adds an event does not reach the server: the connection is lost before it.
    pub cut_insert: Arc<AtomicBool>,
    /// New connections are dropped.
    pub is_closed: Arc<AtomicBool>,
    /// The next COMMIT reaches the server, and its connection stays open without an answer.
    pub hold_commit: Arc<AtomicBool>,
    /// Connections with a lower number stay open, but nothing is forwarded.
    stalled_below: Arc<AtomicUsize>,
    opened: Arc<AtomicUsize>,
}

/// A vault on a node that reaches PostgreSQL through a proxy.
pub struct ProxiedVault {
    /// A node beside it, with direct connections.
    pub node: TestNode,
    pub proxy: CommitProxy,
    pub vaults: Vaults,
    pub vault: VaultHandle,
}

impl ProxiedVault {
    /// Creates the vault; `None` on SQLite, which has no connection to cut or to stall.
    pub async fn start() -> Option<Self> {
        let node = TestNode::new().await;
        if !node.database.is_postgres() {
            return None;
        }
        let proxy = CommitProxy::start(&node.database.url).await;
        let vaults = open_vaults(&proxy.url, OPTIONS).await;
        let vault = vaults.open(&create_vault(&vaults).await);
        Some(Self {
            node,
            proxy,
            vaults,
            vault,
        })
    }
}

/// What one connection reads of the proxy's state.
#[derive(Clone)]
struct ForwardRules {
    number: usize,
    cut_commit: Arc<AtomicBool>,
    cut_insert: Arc<AtomicBool>,
    hold_commit: Arc<AtomicBool>,
    stalled_below: Arc<AtomicUsize>,
}

impl ForwardRules {
    /// Waits forever on a connection that is stalled.
    async fn pass(&self) {
        if self.number < self.stalled_below.load(Ordering::Acquire) {
            std::future::pending::<()>().await;
        }
    }
}

impl CommitProxy {
    pub async fn start(url: &str) -> Self {
        let server = url
            .split('@')
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap().to_string();
        let proxy = Self {
            url: url.replace(&server, &here),
            cut_commit: Arc::default(),
            cut_insert: Arc::default(),
            is_closed: Arc::default(),
            hold_commit: Arc::default(),
            stalled_below: Arc::default(),
            opened: Arc::default(),
        };
        let (is_closed, opened) = (proxy.is_closed.clone(), proxy.opened.clone());
        let rules = proxy.rules();
        actix_web::rt::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !is_closed.load(Ordering::Acquire) {
                    let server = TcpStream::connect(&server).await.unwrap();
                    let number = opened.fetch_add(1, Ordering::AcqRel);
                    let rules = ForwardRules {
                        number,
                        ..rules.clone()
                    };
                    actix_web::rt::spawn(forward(client, server, rules));
                }
            }
        });
        proxy
    }

    fn rules(&self) -> ForwardRules {
        ForwardRules {
            number: 0,
            cut_commit: self.cut_commit.clone(),
            cut_insert: self.cut_insert.clone(),
            hold_commit: self.hold_commit.clone(),
            stalled_below: self.stalled_below.clone(),
        }
    }

    /// Stalls all present connections, as a NAT does that drops idle flows.
    pub fn stall_present(&self) {
        let opened = self.opened.load(Ordering::Acquire);
        self.stalled_below.store(opened, Ordering::Release);
    }

    /// Stalls all present and future connections, as a host does that vanishes.
    pub fn stall_all(&self) {
        self.stalled_below.store(usize::MAX, Ordering::Release);
    }
}

fn find(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|word| word == text)
}

/// Forwards bytes in both directions until one side closes or a commit is cut.
async fn forward(mut client: TcpStream, mut server: TcpStream, rules: ForwardRules) {
    let (mut request, mut response) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                rules.pass().await;
                let request = &request[..length];
                let has_insert = find(request, b"INSERT INTO vault_events");
                if has_insert && rules.cut_insert.swap(false, Ordering::AcqRel) {
                    return;
                }
                if server.write_all(request).await.is_err() {
                    return;
                }
                let has_commit = find(request, b"COMMIT");
                if has_commit && rules.hold_commit.swap(false, Ordering::AcqRel) {
                    std::future::pending::<()>().await;
                }
                if has_commit && rules.cut_commit.swap(false, Ordering::AcqRel) {
                    // The server has committed when it answers. The answer is dropped with the connection.
                    let _ = server.read(&mut response).await;
                    return;
                }
            }
            read = server.read(&mut response) => {
                let Ok(length @ 1..) = read else { return };
                rules.pass().await;
                if client.write_all(&response[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
