//! Connection state recovery of clients that are refused first.

use serde_json::{Value, json};

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestService, token},
    },
    support::metrics_client::MonitoredService,
};

/// The ids in an answer to a CONNECT.
fn identity(answer: &str) -> (String, String) {
    let answer: Value = serde_json::from_str(&answer[2..]).unwrap();
    let text = |name: &str| answer[name].as_str().unwrap().to_owned();
    (text("sid"), text("pid"))
}

/// Sends a CONNECT of the user `ana`, who may claim a former connection.
async fn send_connect(service: &TestService, pid: Option<&str>) -> RawSocket {
    let auth = json!({ "token": token("ana"), "pid": pid });
    RawSocket::send_connect(service.addr(), &[], Some(auth)).await
}

/// Sends CONNECTs until one is accepted. Returns its socket and its answer.
async fn connect_when_possible(service: &TestService, pid: Option<&str>) -> (RawSocket, String) {
    loop {
        let mut socket = send_connect(service, pid).await;
        let answer = socket.connect_answer().await;
        if answer.starts_with("40") {
            return (socket, answer);
        }
        assert!(answer.contains("LIMIT_EXCEEDED"), "{answer}");
    }
}

#[actix_web::test]
async fn return_that_a_limit_refuses_is_recovered_later() {
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.limits.sockets_per_user = 1).await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let (mut first, answer) = connect_when_possible(&service, None).await;
    let (id, pid) = identity(&answer);
    assert_eq!(first.join(&vault).await["ok"], true);

    drop(first);
    let (second, _) = connect_when_possible(&service, None).await;
    ana.create_source(&vault, "missed").await;
    for _ in 0..3 {
        let mut refused = send_connect(&service, Some(&pid)).await;
        assert_eq!(refused.connect_error().await, "LIMIT_EXCEEDED");
    }
    let recoveries = async |outcome: &str| {
        let name = format!("vaultcast_recoveries_total{{outcome=\"{outcome}\"}}");
        metrics.value(&name).await
    };
    assert_eq!(recoveries("recovered").await, None);
    assert_eq!(recoveries("refused").await, Some(3.0));

    drop(second);
    let (mut returned, answer) = connect_when_possible(&service, Some(&pid)).await;
    assert_eq!(identity(&answer), (id, pid));
    let missed = returned.receive("42[\"source:created\"").await.unwrap();
    assert!(missed.contains("missed"), "{missed}");
    assert_eq!(recoveries("recovered").await, Some(1.0));
    service.stop().await;
}

/// What a client receives of a vault, in order: the arguments of each event behind its name, and of the acknowledgement.
async fn everything_of_a_vault(service: &TestService, auth: Value) -> (Value, Vec<Vec<Value>>) {
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let id = vault.trim_start_matches("/api/vaults/").to_owned();
    ana.create_source(&vault, "replayed").await;
    let mut socket = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
    let answer = socket.connect_answer().await;
    let identity = serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap();
    let join = json!(["vault:join", { "vaultId": id, "since": 0 }]);
    socket.send_event(&join).await;
    let mut received = Vec::new();
    let mut next = async |socket: &mut RawSocket, prefix: &str| {
        let packet = socket.receive(prefix).await.unwrap();
        let args: Vec<Value> =
            serde_json::from_str(packet.trim_start_matches(char::is_numeric)).unwrap();
        received.push(args);
    };
    next(&mut socket, "42[\"vault:joined\"").await;
    next(&mut socket, "42[\"source:created\"").await;
    ana.create_source(&vault, "live").await;
    next(&mut socket, "42[\"source:created\"").await;
    socket.send_event(&json!(["vault:join", "nope"])).await;
    next(&mut socket, "42[\"error\"").await;
    socket.send_with_ack(&json!(["vault:leave", id])).await;
    next(&mut socket, "430").await;
    (identity, received)
}

#[actix_web::test]
async fn socket_without_recovery_receives_one_payload_with_each_event() {
    let service = TestService::start().await;
    let token = token("ana");
    // Clients in Java send texts only.
    for off in [json!(false), json!("false")] {
        let auth = json!({ "token": token, "recovery": off });
        let (identity, received) = everything_of_a_vault(&service, auth).await;
        assert_eq!(identity["pid"], Value::Null, "{off}");
        let arguments: Vec<_> = received.iter().map(Vec::len).collect();
        assert_eq!(arguments, [2, 2, 2, 2, 1], "{off}: {received:?}");
    }
    for on in [
        json!(true),
        json!("true"),
        json!(null),
        json!(0),
        json!(""),
        json!([]),
        json!({}),
    ] {
        let auth = json!({ "token": token, "recovery": on });
        let (identity, received) = everything_of_a_vault(&service, auth).await;
        assert!(identity["pid"].is_string(), "{on}");
        let arguments: Vec<_> = received.iter().map(Vec::len).collect();
        assert_eq!(arguments, [3, 3, 3, 2, 1], "{on}: {received:?}");
    }
    service.stop().await;
}

#[actix_web::test]
async fn sockets_with_and_without_recovery_receive_the_same_event() {
    let service = TestService::start().await;
    let ana = service.user("ana");
    let vault = ana.create_vault().await;
    let connect = async |recovery: bool| {
        let auth = json!({ "token": token("ana"), "recovery": recovery });
        let mut socket = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
        socket.connect_answer().await;
        assert_eq!(socket.join(&vault).await["ok"], true);
        socket
    };
    let mut sockets = [
        connect(false).await,
        connect(true).await,
        connect(false).await,
    ];
    for title in ["first", "second"] {
        ana.create_source(&vault, title).await;
        let mut received = Vec::new();
        for socket in &mut sockets {
            let packet = socket.receive("42[\"source:created\"").await.unwrap();
            received.push(serde_json::from_str::<Vec<Value>>(&packet[2..]).unwrap());
        }
        assert_eq!(received[1].len(), 3);
        assert_eq!(received[0], received[1][..2]);
        assert_eq!(received[0], received[2]);
    }
    service.stop().await;
}

#[actix_web::test]
async fn connect_with_a_pid_and_without_recovery_is_a_new_connection() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let (first, answer) = connect_when_possible(&service, None).await;
    let (id, pid) = identity(&answer);
    drop(first);
    let auth = json!({ "token": token("ana"), "pid": pid, "offset": "x", "recovery": false });
    let mut socket = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
    let fresh = socket.connect_answer().await;
    let fresh: Value = serde_json::from_str(&fresh[2..]).unwrap();
    assert_eq!(fresh["pid"], Value::Null);
    assert_ne!(fresh["sid"], json!(id));
    // The state of the former connection is not used up.
    let (_, answer) = connect_when_possible(&service, Some(&pid)).await;
    assert_eq!(identity(&answer), (id, pid));
    let outcomes = ["recovered", "connected"]
        .map(|outcome| format!("vaultcast_connects_total{{outcome=\"{outcome}\"}}"));
    assert_eq!(metrics.value(&outcomes[0]).await, Some(1.0));
    assert_eq!(metrics.value(&outcomes[1]).await, Some(2.0));
    service.stop().await;
}
