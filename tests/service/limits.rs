//! One user's haste: refused for a moment, and nobody else's business.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::common::app::{TestApp, User, source, token};

/// Sends events of one user's socket at once, each with an acknowledgement, and says what they were answered.
async fn acknowledged(app: &TestApp, id: &str, events: &[Value]) -> Vec<Value> {
    let stream = TcpStream::connect(app.addr()).await.unwrap();
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", app.addr());
    let (mut socket, _) = client_async(url, stream).await.unwrap();
    let connect = format!("40{}", json!({ "token": token(id) }));
    socket.send(Message::text(connect)).await.unwrap();
    assert!(hear(&mut socket, "40").await.contains("sid"));
    for (ack, event) in events.iter().enumerate() {
        let packet = format!("42{ack}{event}");
        socket.send(Message::text(packet)).await.unwrap();
    }
    let mut answers = Vec::new();
    for _ in events {
        let answer = hear(&mut socket, "43").await;
        let args = answer.trim_start_matches(|c: char| c.is_ascii_digit());
        let args: Value = serde_json::from_str(args).unwrap();
        answers.push(args[0].clone());
    }
    answers
}

/// What follows in the next packet that begins so.
async fn hear(socket: &mut WebSocketStream<TcpStream>, beginning: &str) -> String {
    loop {
        let packet = socket.next().await.unwrap().unwrap();
        if let Some(rest) = packet.to_text().unwrap().strip_prefix(beginning) {
            return rest.to_owned();
        }
    }
}

#[actix_web::test]
async fn who_changes_too_much_at_once_is_told_to_wait() {
    let app = TestApp::start_with(|config| config.limits.mutations_per_second = 1).await;
    let (ana, ben) = (app.user("ana"), app.user("ben"));
    let vault = ana.makes_vault().await;
    let renames = (0..20).map(|n| ana.patch(&vault, json!({ "name": n.to_string() })));
    let answers = join_all(renames).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert!(!refused.is_empty());
    for answer in &refused {
        answer.refused(429, "RATE_LIMITED");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // What is refused leaves no trace, who only reads is not counted, and nobody else is held up.
    assert_eq!(ana.get(&vault).await.is(200)["seq"], done.len());
    for _ in 0..20 {
        ana.get(&vault).await.is(200);
    }
    ben.makes_vault().await;
}

#[actix_web::test]
async fn without_a_limit_nobody_waits() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let renames = (0..300).map(|n| ana.patch(&vault, json!({ "name": n.to_string() })));
    for answer in join_all(renames).await {
        answer.is(200);
    }
}

#[actix_web::test]
async fn both_doors_count_together() {
    let app = TestApp::start_with(|config| config.limits.mutations_per_second = 1).await;
    let begun = Instant::now();
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let id = vault.trim_start_matches("/api/vaults/");
    let created = json!(["source:created", { "vaultId": id, "source": source("T") }]);
    let events = vec![created; 10];
    let renames = |user: &User| {
        let (user, vault) = (user.clone(), vault.clone());
        async move { user.patch(&vault, json!({ "name": "New" })).await }
    };
    let (by_http, by_socket) = futures_util::join!(
        join_all((0..10).map(|_| renames(&ana))),
        acknowledged(&app, "ana", &events),
    );
    let renamed = by_http.iter().filter(|answer| answer.status == 200).count();
    let (created, refused): (Vec<_>, Vec<_>) =
        by_socket.iter().partition(|answer| answer["ok"] == true);
    let most = 2 + begun.elapsed().as_secs() as usize;
    assert!(
        1 + renamed + created.len() <= most,
        "{renamed} and {created:?}"
    );
    assert!(!refused.is_empty());
    for answer in refused {
        assert_eq!(answer["error"]["code"], "RATE_LIMITED");
        assert_eq!(
            answer["error"]["details"],
            json!({ "event": "source:created", "vaultId": id })
        );
    }
}
