//! Every queue has a bound, and an end with a name when it is full: each is reached here under load, through the doors, and
//! seen in its metric. Those of the limits are in `limits.rs`.

use std::{sync::mpsc, time::Duration};

use futures_util::future::join_all;
use serde_json::json;
use vaultcast::config::Config;

use crate::{
    common::{
        app::{TestApp, User, source, token},
        socket::Socket,
    },
    damage::{metric, start_with, until},
};

/// Holds up every thread that vaults live on, until what is returned is dropped.
fn hold_vaults(app: &TestApp) -> Vec<mpsc::Sender<()>> {
    let hold = |thread: &actix::ArbiterHandle| {
        let (hold, held) = mpsc::channel::<()>();
        thread.spawn_fn(move || {
            let _released = held.recv();
        });
        hold
    };
    app.vaults().threads().iter().map(hold).collect()
}

async fn socket(app: &TestApp) -> Socket {
    let bearer = format!("Bearer {}", token("ana"));
    Socket::connect(app.addr(), &[("authorization", &bearer)]).await
}

#[actix_web::test]
async fn a_vault_takes_as_many_mutations_as_may_wait_and_refuses_the_rest_at_once() {
    let (app, operator) = start_with(|config| config.actors.vault_mailbox = 8).await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let held = hold_vaults(&app);
    let path = format!("{vault}/sources");
    let posts = (0..20).map(|n| {
        let (ana, path) = (ana.clone(), path.clone());
        actix_web::rt::spawn(async move { ana.post(&path, source(&n.to_string())).await })
    });
    let posts: Vec<_> = posts.collect();
    until(&operator, "vaultcast_vault_busy_total", |busy| busy == 12.0).await;
    assert_eq!(
        metric(&operator, "vaultcast_vault_queue_mutations").await,
        Some(8.0)
    );
    drop(held);
    let answers = join_all(posts).await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .map(|answer| answer.unwrap())
        .partition(|answer| answer.status == 201);
    assert_eq!((taken.len(), refused.len()), (8, 12));
    for answer in refused {
        answer.refused(503, "VAULT_BUSY");
    }
    assert_eq!(ana.events(&vault).await.1, 8);
}

#[actix_web::test]
async fn a_join_waits_for_its_vault_no_longer_than_it_may() {
    let timeout = Duration::from_millis(200);
    let (app, operator) = start_with(|config| config.actors.join_timeout = timeout).await;
    let vault = app.user("ana").makes_vault().await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(socket(&app).await);
    }
    let held = hold_vaults(&app);
    let joins = sockets.iter_mut().map(|socket| socket.join(&vault));
    for answer in join_all(joins).await {
        assert_eq!(answer["error"]["code"], "VAULT_BUSY", "{answer}");
    }
    let busy = "vaultcast_joins_total{outcome=\"vault_busy\"}";
    assert_eq!(metric(&operator, busy).await, Some(20.0));
    drop(held);
    for socket in &mut sockets {
        assert_eq!(socket.join(&vault).await["ok"], true);
    }
}

/// Posts so many sources, by a few at once.
async fn post(user: &User, vault: &str, many: usize) {
    let lanes = (0..8).map(|_| async {
        for _ in 0..many / 8 {
            user.adds_source(vault, "One of many").await;
        }
    });
    join_all(lanes).await;
}

#[actix_web::test]
async fn a_worker_thread_that_falls_behind_tells_everything_later_once_and_in_order() {
    // Its mailbox holds one event, and it is busy with forty sockets for each.
    let small = |config: &mut Config| config.actors.relay_mailbox = 1;
    let (app, operator) = start_with(small).await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let mut sockets = Vec::new();
    for _ in 0..40 {
        let mut socket = socket(&app).await;
        assert_eq!(socket.join(&vault).await["ok"], true);
        sockets.push(socket);
    }
    post(&ana, &vault, 400).await;
    let hear = sockets.iter_mut().map(|socket| async {
        for seq in 1..=400 {
            let heard = socket.hears(r#"42["source:created""#).await.expect("open");
            assert!(heard.contains(&format!(r#""seq":{seq}}}"#)), "{heard}");
        }
    });
    join_all(hear).await;
    let behind = metric(&operator, "vaultcast_relay_fell_behind_total").await;
    assert!(behind.unwrap() > 0.0, "{behind:?}");
}

#[actix_web::test]
async fn who_is_over_a_limit_is_counted_by_its_key() {
    let (app, operator) = start_with(|config| {
        config.limits.mutations_per_second = 1;
        config.limits.joins_per_socket = 1;
    })
    .await;
    let ana = app.user("ana");
    let vaults = [ana.makes_vault().await, ana.makes_vault().await];
    for _ in 0..5 {
        let answer = ana.post("/api/vaults", json!({ "name": "More" })).await;
        answer.refused(429, "RATE_LIMITED");
    }
    let mut socket = socket(&app).await;
    assert_eq!(socket.join(&vaults[0]).await["ok"], true);
    let refused = socket.join(&vaults[1]).await;
    assert_eq!(refused["error"]["code"], "LIMIT_EXCEEDED");
    for (limit, times) in [("mutations_per_second", 5.0), ("joins_per_socket", 1.0)] {
        let name = format!("vaultcast_limited_total{{limit=\"{limit}\"}}");
        assert_eq!(metric(&operator, &name).await, Some(times), "{limit}");
    }
}

#[actix_web::test]
async fn no_more_mutations_of_a_vault_go_into_one_transaction_than_may() {
    let (app, operator) = start_with(|config| config.actors.commit_batch = 4).await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let held = hold_vaults(&app);
    let path = format!("{vault}/sources");
    let posts = (0..40).map(|n| {
        let (ana, path) = (ana.clone(), path.clone());
        actix_web::rt::spawn(async move { ana.post(&path, source(&n.to_string())).await })
    });
    let posts: Vec<_> = posts.collect();
    until(&operator, "vaultcast_vault_queue_mutations", |n| n == 40.0).await;
    drop(held);
    for answer in join_all(posts).await {
        answer.unwrap().is(201);
    }
    let batches = "vaultcast_commit_batch_mutations";
    let all = metric(&operator, &format!("{batches}_count")).await;
    let small = metric(&operator, &format!("{batches}_bucket{{le=\"4\"}}")).await;
    assert_eq!(small, all);
    assert_eq!(
        metric(&operator, &format!("{batches}_sum")).await,
        Some(40.0)
    );
    assert!(all.unwrap() < 40.0, "they did go together: {all:?}");
}

#[actix_web::test]
async fn a_socket_for_which_too_many_bytes_wait_is_closed_and_holds_no_more_than_that() {
    const BYTES: usize = 524_288;
    let (app, operator) = start_with(|config| {
        config.actors.session_outbox = 100_000;
        config.actors.session_outbox_bytes = BYTES;
    })
    .await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let mut deaf = socket(&app).await;
    assert_eq!(deaf.join(&vault).await["ok"], true);
    let long = json!({
        "title": "x".repeat(500),
        "fileUrl": format!("https://files.example.com/{}", "y".repeat(2000)),
    });
    let path = format!("{vault}/sources");
    let slow = "vaultcast_slow_closings_total";
    while metric(&operator, slow).await == Some(0.0) {
        let posts = (0..50).map(|_| ana.post(&path, long.clone()));
        join_all(posts).await;
    }
    let most = metric(&operator, "vaultcast_outbox_high_water_bytes").await;
    assert!(most.is_some_and(|most| most <= BYTES as f64), "{most:?}");
    assert_eq!(metric(&operator, slow).await, Some(1.0));
    until(&operator, "vaultcast_subscribers", |n| n == 0.0).await;
}

#[actix_web::test]
async fn what_is_dropped_from_the_log_of_a_socket_that_confirms_nothing_is_counted() {
    let (app, operator) = start_with(|config| {
        config.actors.session_outbox = 100_000;
        config.actors.session_outbox_bytes = 1 << 30;
    })
    .await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let mut deaf = socket(&app).await;
    assert_eq!(deaf.join(&vault).await["ok"], true);
    post(&ana, &vault, 1200).await;
    drop(deaf);
    let dropped = "vaultcast_recovery_log_dropped_total";
    // That it joined, and the events beyond the 1,024 that are kept.
    until(&operator, dropped, |n| n == 1201.0 - 1024.0).await;
}
