//! A PostgreSQL database that was put back, or got another epoch, while the service runs: its clients are disconnected, are not
//! recovered, and list again.

use serde_json::{Value, json};

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestService, token},
    },
    support::captured_log::CapturedLog,
};

/// A service with a connected socket that has joined a vault with five sources. `None` on SQLite.
struct JoinedService {
    service: TestService,
    vault: String,
    pid: String,
    socket: RawSocket,
    epoch: Value,
}

impl JoinedService {
    async fn start() -> Option<Self> {
        let service = TestService::start().await;
        if !service.database.is_postgres() {
            return None;
        }
        let ana = service.user("ana");
        let vault = ana.create_vault().await;
        for _ in 0..5 {
            ana.create_source(&vault, "before").await;
        }
        let (mut socket, answer) = connect(&service, None).await;
        let pid = answer["pid"].as_str().unwrap().to_owned();
        let joined = socket.join(&vault).await;
        assert_eq!(joined["seq"], 5);
        Some(Self {
            epoch: joined["epoch"].clone(),
            service,
            vault,
            pid,
            socket,
        })
    }

    fn id(&self) -> &str {
        self.vault.trim_start_matches("/api/vaults/")
    }

    /// The socket is closed, and its client comes back: it is not recovered. Returns the answer to its join.
    async fn rejoin(&mut self) -> Value {
        let received = self.socket.receive_until_closed().await;
        let is_event = |packet: &String| packet.contains("source:");
        assert!(!received.iter().any(is_event), "{received:?}");
        let (mut back, answer) = connect(&self.service, Some(&self.pid)).await;
        assert_ne!(answer["pid"].as_str(), Some(self.pid.as_str()));
        let join = json!({ "vaultId": self.id(), "since": 5, "epoch": self.epoch });
        back.emit(json!(["vault:join", join])).await
    }
}

async fn connect(service: &TestService, pid: Option<&str>) -> (RawSocket, Value) {
    let auth = json!({ "token": token("ana"), "pid": pid });
    let mut socket = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
    let answer = socket.connect_answer().await;
    let answer = serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap();
    (socket, answer)
}

#[actix_web::test]
async fn clients_list_again_when_a_database_was_put_back() {
    let log = CapturedLog::global();
    let Some(mut joined) = JoinedService::start().await else {
        return;
    };
    let id = joined.id().to_owned();
    let sql = format!(
        "BEGIN; \
         DELETE FROM sources WHERE vault_id = '{id}' AND seq > 3; \
         DELETE FROM vault_events WHERE vault_id = '{id}' AND seq > 3; \
         UPDATE vault_heads SET head = 3 WHERE vault_id = '{id}'; \
         COMMIT"
    );
    joined.service.database.execute(&sql).await;
    let answer = joined.rejoin().await;
    assert_eq!(
        (&answer["seq"], &answer["resync"]),
        (&json!(3), &json!(true))
    );
    let mut lines = log.lines_with(&id);
    lines.retain(|line| line.contains("went back"));
    assert!(
        lines.len() == 1 && lines[0].contains("vaultcast epoch renew"),
        "{lines:?}"
    );
    joined.service.stop().await;
}

#[actix_web::test]
async fn clients_list_again_when_the_epoch_was_renewed() {
    let Some(mut joined) = JoinedService::start().await else {
        return;
    };
    let renewal = "UPDATE epoch SET value = 'another'";
    joined.service.database.execute(renewal).await;
    let answer = joined.rejoin().await;
    assert_eq!(answer["resync"], true);
    assert_eq!(answer["epoch"], "another");
    let sources = format!("{}/sources", joined.vault);
    let listing = joined.service.user("ana").get(&sources).await;
    assert_eq!(listing.assert_status(200)["epoch"], "another");
    joined.service.stop().await;
}
