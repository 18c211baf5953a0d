//! What must not happen, and does: a vault's actor panics, a thread is held up. Whoever runs the service sees it in its
//! metrics, which are served all the same; whoever listens misses nothing.

use std::{
    net::TcpListener,
    sync::{Arc, mpsc},
    time::Duration,
};

use vaultcast::{
    config::Config,
    domain::{SubscriberId, UserId, VaultId},
    vault::{Attach, Delivery, Full, Sink, SinkId, Subscription, VaultHandle},
};

use crate::{
    common::{
        app::{TestApp, User, token},
        socket::Socket,
    },
    faults::Log,
};

/// How long something may take to be seen.
const AT_LAST: Duration = Duration::from_secs(30);

async fn start() -> (TestApp, User) {
    start_with(|_| {}).await
}

/// A service and whoever asks its admin listener.
pub async fn start_with(configure: impl FnOnce(&mut Config)) -> (TestApp, User) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = free.local_addr().unwrap();
    drop(free);
    let app = TestApp::start_with(|config| {
        config.admin.bind = Some(admin);
        configure(config);
    })
    .await;
    let operator = app.nobody().at(admin);
    (app, operator)
}

/// The value of a metric, if it is told.
pub async fn metric(operator: &User, name: &str) -> Option<f64> {
    let text = operator.metrics().await;
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(value)
}

pub async fn until(operator: &User, name: &str, fits: impl Fn(f64) -> bool) {
    let wait = async {
        while !metric(operator, name).await.is_some_and(&fits) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(AT_LAST, wait).await;
    assert!(waited.is_ok(), "{name}: {:?}", metric(operator, name).await);
}

/// A sink of which its vault's actor dies.
struct Deadly;

impl Sink for Deadly {
    fn id(&self) -> SinkId {
        SinkId(u64::MAX)
    }

    fn deliver(&self, _: Delivery) -> Result<(), Full> {
        panic!("this sink panics on purpose");
    }

    fn fell_behind(&self, _: VaultHandle) {}
}

/// Ends a vault's actor as a fault of the service would: by a panic, in the middle of a message.
fn kill(app: &TestApp, vault: &str) {
    let subscription = Subscription {
        subscriber: SubscriberId(u64::MAX),
        user: UserId::new("ana").unwrap(),
        ticket: 0,
        attach: Attach::Join,
    };
    let id = VaultId::parse(vault).unwrap();
    let vault = app.vaults().open(&id);
    vault.subscribe(subscription, Arc::new(Deadly));
}

#[actix_web::test]
async fn a_vault_whose_actor_panicked_is_opened_again_and_its_sockets_miss_nothing() {
    let log = Log::kept();
    let (app, operator) = start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let id = vault.trim_start_matches("/api/vaults/");
    let bearer = format!("Bearer {}", token("ana"));
    let mut sockets = Vec::new();
    for _ in 0..3 {
        let mut socket = Socket::connect(app.addr(), &[("authorization", &bearer)]).await;
        assert_eq!(socket.join(&vault).await["ok"], true);
        sockets.push(socket);
    }

    for round in 0..3_u64 {
        ana.adds_source(&vault, "before").await;
        kill(&app, id);
        let panics = (round + 1) as f64;
        until(&operator, "vaultcast_vault_actor_panics_total", |n| {
            n == panics
        })
        .await;
        ana.adds_source(&vault, "after").await;
        for socket in &mut sockets {
            for seq in [2 * round + 1, 2 * round + 2] {
                let heard = socket.hears(r#"42["source:created""#).await;
                let heard = heard.expect("the same connection");
                assert!(heard.contains(&format!(r#""seq":{seq}}}"#)), "{heard}");
            }
        }
    }
    assert!(metric(&operator, "vaultcast_panics").await.unwrap() >= 3.0);
    let (events, seq) = ana.events(&vault).await;
    assert_eq!((events.len(), seq), (6, 6));
    // A panic is a line of its own (`tests/telemetry.rs`), and that is all that is said of it.
    assert_eq!(log.lines(id), Vec::<String>::new());
}

#[actix_web::test]
async fn a_thread_that_is_held_up_is_seen_and_so_is_that_it_gets_on_again() {
    let (app, operator) = start().await;
    let name = |n| format!("vaultcast_thread_stalled_seconds{{thread=\"vault {n}\"}}");
    let names = [
        "main",
        "admin",
        "worker 0",
        "journal writer 0",
        "journal reader",
    ];
    for thread in names {
        let name = format!("vaultcast_thread_stalled_seconds{{thread=\"{thread}\"}}");
        assert!(metric(&operator, &name).await.is_some(), "{thread}");
    }
    let (hold, held) = mpsc::channel::<()>();
    app.vaults().threads()[0].spawn_fn(move || {
        let _released = held.recv();
    });
    until(&operator, &name(0), |seconds| seconds >= 1.0).await;
    // What that thread does not have to do goes on.
    app.user("ana").get("/api/me").await.is(200);
    drop(hold);
    until(&operator, &name(0), |seconds| seconds == 0.0).await;
}
