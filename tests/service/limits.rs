//! Limits: rates of mutations and socket events, and numbers of sockets and joins. A request over a limit is refused and
//! does not affect other users or sockets.

use std::time::Instant;

use futures_util::{SinkExt, StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message},
};

use crate::common::service::{TestService, TestUser, source, token};

/// A websocket of a client, after the Engine.IO handshake.
type ClientWebSocket = WebSocketStream<TcpStream>;

/// The HTTP response that refuses a handshake.
#[derive(Debug)]
struct RefusedHandshake {
    status: u16,
    body: Value,
}

/// Opens a session that has not connected to a namespace yet.
async fn open(service: &TestService) -> Result<ClientWebSocket, RefusedHandshake> {
    let stream = TcpStream::connect(service.addr()).await.unwrap();
    let url = format!(
        "ws://{}/socket.io/?EIO=4&transport=websocket",
        service.addr()
    );
    match client_async(url, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err(RefusedHandshake {
                status: response.status().as_u16(),
                body: serde_json::from_slice(body).unwrap(),
            })
        }
        Err(error) => panic!("{error}"),
    }
}

/// Returns a connected socket of a user.
async fn open_and_connect(service: &TestService, id: &str) -> ClientWebSocket {
    let mut socket = open(service).await.unwrap();
    send_connect(&mut socket, id).await;
    assert!(receive(&mut socket, "40").await.contains("sid"));
    socket
}

/// Sends a CONNECT with a valid token of a user.
async fn send_connect(socket: &mut ClientWebSocket, id: &str) {
    let connect = format!("40{}", json!({ "token": token(id) }));
    socket.send(Message::text(connect)).await.unwrap();
}

/// Sends events without waiting between them, and returns the acknowledgement of each.
async fn emit_all(socket: &mut ClientWebSocket, events: &[Value]) -> Vec<Value> {
    for (ack_id, event) in events.iter().enumerate() {
        let packet = format!("42{ack_id}{event}");
        socket.send(Message::text(packet)).await.unwrap();
    }
    let mut acks = Vec::new();
    for _ in events {
        let ack = receive(socket, "43").await;
        let args = ack.trim_start_matches(|c: char| c.is_ascii_digit());
        let args: Value = serde_json::from_str(args).unwrap();
        acks.push(args[0].clone());
    }
    acks
}

/// Returns the next packet with this prefix, without the prefix.
async fn receive(socket: &mut ClientWebSocket, prefix: &str) -> String {
    loop {
        let packet = socket.next().await.unwrap().unwrap();
        if let Some(rest) = packet.to_text().unwrap().strip_prefix(prefix) {
            return rest.to_owned();
        }
    }
}

#[actix_web::test]
async fn user_over_the_mutation_rate_is_refused_with_retry_after() {
    let service = TestService::start_with(|config| config.limits.mutations_per_second = 1).await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = ana.create_vault().await;
    let renames = (0..20).map(|n| ana.patch(&vault, json!({ "name": n.to_string() })));
    let responses = join_all(renames).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = responses
        .iter()
        .partition(|response| response.status == 200);
    assert!(!refused.is_empty());
    for response in &refused {
        response.assert_refused(429, "RATE_LIMITED");
        assert_eq!(response.header("retry-after"), Some("1"));
    }
    // Refused mutations change nothing, reads have a limit of their own, and other users are not limited.
    assert_eq!(
        ana.get(&vault).await.assert_status(200)["seq"],
        accepted.len()
    );
    for _ in 0..20 {
        ana.get(&vault).await.assert_status(200);
    }
    ben.create_vault().await;
}

#[actix_web::test]
async fn user_over_the_read_rate_is_refused_on_every_read() {
    let service = TestService::start_with(|config| config.limits.reads_per_second = 1).await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = ana.create_vault().await;
    let source = ana.create_source(&vault, "Paper").await;
    for path in [
        "/api/me",
        "/api/vaults",
        &vault,
        &format!("{vault}/members"),
        &format!("{vault}/sources"),
        &format!("{vault}/events"),
        &source,
        "/api/vaults/cnone00000000000000000000",
    ] {
        let reads = join_all((0..20).map(|_| ana.get(path))).await;
        let mut refused = reads.iter().filter(|response| response.status == 429);
        let refused = refused
            .next()
            .unwrap_or_else(|| panic!("{path}: {reads:?}"));
        refused.assert_refused(429, "RATE_LIMITED");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    // Mutations have a limit of their own, and other users are not limited.
    ana.create_source(&vault, "Another").await;
    ben.get("/api/me").await.assert_status(200);
}

#[actix_web::test]
async fn zero_disables_the_mutation_rate() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let renames = (0..300).map(|n| ana.patch(&vault, json!({ "name": n.to_string() })));
    for response in join_all(renames).await {
        response.assert_status(200);
    }
}

#[actix_web::test]
async fn http_and_socket_mutations_share_one_rate() {
    let service = TestService::start_with(|config| config.limits.mutations_per_second = 1).await;
    let started = Instant::now();
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let id = vault.trim_start_matches("/api/vaults/");
    let created = json!(["source:created", { "vaultId": id, "source": source("T") }]);
    let events = vec![created; 10];
    let mut socket = open_and_connect(&service, "ana").await;
    let rename = |user: &TestUser| {
        let (user, vault) = (user.clone(), vault.clone());
        async move { user.patch(&vault, json!({ "name": "New" })).await }
    };
    let (responses, acks) = futures_util::join!(
        join_all((0..10).map(|_| rename(&ana))),
        emit_all(&mut socket, &events),
    );
    let renamed = responses
        .iter()
        .filter(|response| response.status == 200)
        .count();
    let (created, refused): (Vec<_>, Vec<_>) = acks.iter().partition(|ack| ack["ok"] == true);
    let allowed = 2 + started.elapsed().as_secs() as usize;
    assert!(
        1 + renamed + created.len() <= allowed,
        "{renamed} renamed, created: {created:?}"
    );
    assert!(!refused.is_empty());
    for ack in refused {
        assert_eq!(ack["error"]["code"], "RATE_LIMITED");
        assert_eq!(
            ack["error"]["details"],
            json!({ "event": "source:created", "vaultId": id })
        );
    }
}

#[actix_web::test]
async fn socket_over_its_event_rate_is_refused_and_stays_connected() {
    let service =
        TestService::start_with(|config| config.limits.socket_events_per_second = 1).await;
    let (mut limited, mut other) = (
        open_and_connect(&service, "ana").await,
        open_and_connect(&service, "ana").await,
    );
    let leave = json!(["vault:leave", "cjld2cjxh0000qzrmn831i7rn"]);
    let acks = emit_all(&mut limited, &vec![leave.clone(); 20]).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = acks.iter().partition(|ack| ack["ok"] == true);
    assert!(accepted.len() >= 2 && !refused.is_empty(), "{acks:?}");
    for ack in refused {
        assert_eq!(ack["error"]["code"], "RATE_LIMITED");
        assert_eq!(ack["error"]["details"]["event"], "vault:leave");
    }
    assert_eq!(emit_all(&mut other, &[leave]).await[0]["ok"], true);
}

#[actix_web::test]
async fn connects_over_the_rate_of_the_socket_are_refused() {
    let service =
        TestService::start_with(|config| config.limits.socket_events_per_second = 1).await;
    let mut anonymous = open(&service).await.unwrap();
    let mut messages = Vec::new();
    for _ in 0..10 {
        let connect = Message::text(r#"40{"token":"x"}"#);
        anonymous.send(connect).await.unwrap();
        let refused: Value = serde_json::from_str(&receive(&mut anonymous, "44").await).unwrap();
        if refused["message"] == "RATE_LIMITED" {
            assert_eq!(refused["data"]["code"], "RATE_LIMITED");
        }
        messages.push(refused["message"].clone());
    }
    // The first is not counted, and two are a burst.
    assert_eq!(messages[..3], vec![json!("UNAUTHORIZED"); 3]);
    assert!(messages.contains(&json!("RATE_LIMITED")), "{messages:?}");
}

#[actix_web::test]
async fn packets_other_than_events_count_against_the_rate_of_the_socket() {
    let service =
        TestService::start_with(|config| config.limits.socket_events_per_second = 1).await;
    let mut socket = open_and_connect(&service, "ana").await;
    for _ in 0..20 {
        socket.send(Message::text("437[1]")).await.unwrap();
    }
    let leave = json!(["vault:leave", "cjld2cjxh0000qzrmn831i7rn"]);
    let ack = &emit_all(&mut socket, &[leave]).await[0];
    assert_eq!(ack["error"]["code"], "RATE_LIMITED");
    assert_eq!(
        ack["error"]["details"],
        json!({ "event": "vault:leave", "vaultId": "cjld2cjxh0000qzrmn831i7rn" })
    );
}

#[actix_web::test]
async fn large_events_at_a_legal_rate_are_refused_by_their_bytes() {
    let service =
        TestService::start_with(|config| config.limits.socket_bytes_per_second = 1000).await;
    let mut socket = open_and_connect(&service, "ana").await;
    let leave = json!({ "vaultId": "cjld2cjxh0000qzrmn831i7rn", "ignored": "x".repeat(50_000) });
    let acks = emit_all(&mut socket, &vec![json!(["vault:leave", leave]); 5]).await;
    assert_eq!(acks[0]["ok"], true);
    for ack in &acks[1..] {
        assert_eq!(ack["error"]["code"], "RATE_LIMITED");
        assert_eq!(ack["error"]["details"], json!({ "event": "vault:leave" }));
    }
}

#[actix_web::test]
async fn socket_joins_at_most_joins_per_socket_vaults() {
    let service = TestService::start_with(|config| config.limits.joins_per_socket = 2).await;
    let ana = service.user("ana");
    let mut ids = Vec::new();
    for _ in 0..3 {
        let vault = ana.create_vault().await;
        ids.push(vault.trim_start_matches("/api/vaults/").to_owned());
    }
    let mut socket = open_and_connect(&service, "ana").await;
    let join = |n: usize| json!(["vault:join", ids[n]]);
    // A repeated join of the same vault is not counted, and a vault that the socket has left is not counted.
    let events = [join(0), join(1), join(2), join(0)];
    let acks = emit_all(&mut socket, &events).await;
    assert_eq!(
        acks.iter().filter(|ack| ack["ok"] == true).count(),
        3,
        "{acks:?}"
    );
    let refused = acks.iter().find(|ack| ack["ok"] == false).unwrap();
    assert_eq!(refused["error"]["code"], "LIMIT_EXCEEDED");
    assert_eq!(refused["error"]["details"]["vaultId"], ids[2]);
    let events = [json!(["vault:leave", ids[0]]), join(2)];
    for ack in emit_all(&mut socket, &events).await {
        assert_eq!(ack["ok"], true);
    }
}

#[actix_web::test]
async fn sockets_per_address_are_limited_at_the_handshake() {
    let service = TestService::start_with(|config| config.limits.sockets_per_address = 2).await;
    let first = open(&service).await.unwrap();
    let _second = open(&service).await.unwrap();
    let refused = open(&service).await.unwrap_err();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body["code"], "LIMIT_EXCEEDED");
    drop(first);
    // The service accepts another socket when it has noticed that the first one is closed.
    let mut retry = open(&service).await;
    while retry.is_err() {
        retry = open(&service).await;
    }
}

#[actix_web::test]
async fn sockets_per_user_are_limited_at_connect() {
    let service = TestService::start_with(|config| config.limits.sockets_per_user = 1).await;
    let first = open_and_connect(&service, "ana").await;
    let mut second = open(&service).await.unwrap();
    send_connect(&mut second, "ana").await;
    let refused: Value = serde_json::from_str(&receive(&mut second, "44").await).unwrap();
    assert_eq!(refused["message"], "LIMIT_EXCEEDED");
    assert_eq!(refused["data"]["code"], "LIMIT_EXCEEDED");
    open_and_connect(&service, "ben").await;
    drop(first);
    loop {
        let mut retry = open(&service).await.unwrap();
        send_connect(&mut retry, "ana").await;
        if receive(&mut retry, "4").await.starts_with('0') {
            break;
        }
    }
}
