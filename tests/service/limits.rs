//! Haste and greed of one: refused, and nobody else's business.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

use crate::common::app::{TestApp, User, source, token};

type Socket = WebSocketStream<TcpStream>;

/// A session that has not connected yet, or what the handshake was refused with.
async fn open(app: &TestApp) -> Result<Socket, (u16, Value)> {
    let stream = TcpStream::connect(app.addr()).await.unwrap();
    let url = format!("ws://{}/socket.io/?EIO=4&transport=websocket", app.addr());
    match client_async(url, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => {
            let body = answer.body().as_deref().unwrap_or_default();
            Err((
                answer.status().as_u16(),
                serde_json::from_slice(body).unwrap(),
            ))
        }
        Err(error) => panic!("{error}"),
    }
}

/// A user's connected socket.
async fn connected(app: &TestApp, id: &str) -> Socket {
    let mut socket = open(app).await.unwrap();
    connect(&mut socket, id).await;
    assert!(hear(&mut socket, "40").await.contains("sid"));
    socket
}

async fn connect(socket: &mut Socket, id: &str) {
    let connect = format!("40{}", json!({ "token": token(id) }));
    socket.send(Message::text(connect)).await.unwrap();
}

/// Sends events at once, each with an acknowledgement, and says what they were answered.
async fn asked(socket: &mut Socket, events: &[Value]) -> Vec<Value> {
    for (ack, event) in events.iter().enumerate() {
        let packet = format!("42{ack}{event}");
        socket.send(Message::text(packet)).await.unwrap();
    }
    let mut answers = Vec::new();
    for _ in events {
        let answer = hear(socket, "43").await;
        let args = answer.trim_start_matches(|c: char| c.is_ascii_digit());
        let args: Value = serde_json::from_str(args).unwrap();
        answers.push(args[0].clone());
    }
    answers
}

/// What follows in the next packet that begins so.
async fn hear(socket: &mut Socket, beginning: &str) -> String {
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
    let mut socket = connected(&app, "ana").await;
    let renames = |user: &User| {
        let (user, vault) = (user.clone(), vault.clone());
        async move { user.patch(&vault, json!({ "name": "New" })).await }
    };
    let (by_http, by_socket) = futures_util::join!(
        join_all((0..10).map(|_| renames(&ana))),
        asked(&mut socket, &events),
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

#[actix_web::test]
async fn a_socket_that_sends_too_much_at_once_is_told_so_and_goes_on() {
    let app = TestApp::start_with(|config| config.limits.socket_events_per_second = 1).await;
    let (mut hasty, mut other) = (connected(&app, "ana").await, connected(&app, "ana").await);
    let leave = json!(["vault:leave", "cjld2cjxh0000qzrmn831i7rn"]);
    let answers = asked(&mut hasty, &vec![leave.clone(); 20]).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer["ok"] == true);
    assert!(done.len() >= 2 && !refused.is_empty(), "{answers:?}");
    for answer in refused {
        assert_eq!(answer["error"]["code"], "RATE_LIMITED");
        assert_eq!(answer["error"]["details"]["event"], "vault:leave");
    }
    assert_eq!(asked(&mut other, &[leave]).await[0]["ok"], true);
}

#[actix_web::test]
async fn a_socket_has_joined_no_more_vaults_at_a_time_than_it_may() {
    let app = TestApp::start_with(|config| config.limits.joins_per_socket = 2).await;
    let ana = app.user("ana");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let vault = ana.makes_vault().await;
        ids.push(vault.trim_start_matches("/api/vaults/").to_owned());
    }
    let mut socket = connected(&app, "ana").await;
    let join = |n: usize| json!(["vault:join", ids[n]]);
    // To join again is no other join, and what was left is no longer one.
    let events = [join(0), join(1), join(2), join(0)];
    let oks: Vec<_> = asked(&mut socket, &events).await;
    assert_eq!(
        oks.iter().filter(|answer| answer["ok"] == true).count(),
        3,
        "{oks:?}"
    );
    let refused = oks.iter().find(|answer| answer["ok"] == false).unwrap();
    assert_eq!(refused["error"]["code"], "LIMIT_EXCEEDED");
    assert_eq!(refused["error"]["details"]["vaultId"], ids[2]);
    let events = [json!(["vault:leave", ids[0]]), join(2)];
    for answer in asked(&mut socket, &events).await {
        assert_eq!(answer["ok"], true);
    }
}

#[actix_web::test]
async fn there_are_no_more_sockets_of_one_address_than_there_may_be() {
    let app = TestApp::start_with(|config| config.limits.sockets_per_address = 2).await;
    let first = open(&app).await.unwrap();
    let _second = open(&app).await.unwrap();
    let (status, body) = open(&app).await.unwrap_err();
    assert_eq!((status, &body["code"]), (429, &json!("LIMIT_EXCEEDED")));
    drop(first);
    // Its place is free as soon as the service has noticed.
    let mut again = open(&app).await;
    while again.is_err() {
        again = open(&app).await;
    }
}

#[actix_web::test]
async fn there_are_no_more_sockets_of_one_user_than_there_may_be() {
    let app = TestApp::start_with(|config| config.limits.sockets_per_user = 1).await;
    let first = connected(&app, "ana").await;
    let mut second = open(&app).await.unwrap();
    connect(&mut second, "ana").await;
    let refused: Value = serde_json::from_str(&hear(&mut second, "44").await).unwrap();
    assert_eq!(refused["message"], "LIMIT_EXCEEDED");
    assert_eq!(refused["data"]["code"], "LIMIT_EXCEEDED");
    connected(&app, "ben").await;
    drop(first);
    loop {
        let mut again = open(&app).await.unwrap();
        connect(&mut again, "ana").await;
        if hear(&mut again, "4").await.starts_with('0') {
            break;
        }
    }
}
