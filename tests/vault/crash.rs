//! An answered mutation is on disk: the service is killed right after an answer, several times.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};

use crate::common::database::TestDatabase;

const SECRET: &str = "a secret of the tests alone";
const KILLS: usize = 20;

/// A running service that the test kills.
struct KilledService {
    process: Child,
    base: String,
}

impl KilledService {
    fn start(database: &TestDatabase) -> Self {
        #[allow(clippy::zombie_processes, reason = "kill waits for it")]
        let mut process = program(database)
            .arg("serve")
            .env("VAULTCAST__SERVER__BIND", "127.0.0.1:0")
            .env("VAULTCAST__ADMIN__BIND", "")
            .env("VAULTCAST__LIMITS__MUTATIONS_PER_SECOND", "0")
            .env("VAULTCAST__LIMITS__READS_PER_SECOND", "0")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let mut lines = Vec::new();
        for line in log.lines().map_while(Result::ok) {
            if line.contains("vaultcast serves") {
                let addr = line.split("addr=").nth(1).unwrap();
                let base = format!("http://{}", addr.split_whitespace().next().unwrap());
                return Self { process, base };
            }
            lines.push(line);
        }
        panic!("the service did not start: {lines:#?}");
    }

    /// Kills the service with SIGKILL.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn program(database: &TestDatabase) -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_vaultcast"));
    program
        .current_dir(database.directory.path())
        .env("DATABASE_URL", &database.url)
        .env("AUTH_SECRET", SECRET);
    program
}

async fn send(request: reqwest::RequestBuilder, token: &str) -> Value {
    let answer = request.bearer_auth(token).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    answer.json().await.unwrap()
}

#[actix_web::test]
async fn answered_mutation_survives_a_kill() {
    let database = TestDatabase::create().await;
    let token = program(&database)
        .args(["token", "--user", "ana"])
        .output()
        .unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    let token = token.trim();
    let client = reqwest::Client::new();

    let service = KilledService::start(&database);
    let vaults = format!("{}/api/vaults", service.base);
    let vault = send(client.post(vaults).json(&json!({"name": "Physics"})), token).await;
    let id = vault["id"].as_str().unwrap().to_owned();
    service.kill();

    let mut answered_ids = Vec::new();
    for round in 0..KILLS {
        let service = KilledService::start(&database);
        let sources = format!("{}/api/vaults/{id}/sources", service.base);
        // Several at once, so that some are in flight when the service is killed.
        let posts = (0..4).map(|n| {
            let body =
                json!({"title": format!("{round}.{n}"), "fileUrl": "https://files.example/a.pdf"});
            let post = client.post(&sources).json(&body).bearer_auth(token).send();
            actix_web::rt::spawn(async move { post.await?.error_for_status()?.json().await })
        });
        let (first, _, others) = futures_util::future::select_all(posts).await;
        service.kill();
        let mut answers: Vec<reqwest::Result<Value>> = vec![first.unwrap()];
        assert!(answers[0].is_ok(), "{answers:?}");
        for other in others {
            answers.push(other.await.unwrap());
        }
        let ids = answers
            .into_iter()
            .flatten()
            .map(|source| source["id"].clone());
        answered_ids.extend(ids);
    }
    assert!(answered_ids.len() >= KILLS);

    let service = KilledService::start(&database);
    let events = format!("{}/api/vaults/{id}/events?since=0&limit=500", service.base);
    let journal = send(client.get(events), token).await;
    let events = journal["events"].as_array().unwrap();
    let seqs: Vec<_> = events
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert_eq!(journal["seq"].as_u64(), seqs.last().copied());
    let known: Vec<_> = events
        .iter()
        .map(|event| &event["payload"]["source"]["id"])
        .collect();
    for id in &answered_ids {
        assert!(known.contains(&id), "{id} was answered and is lost");
    }
    let sources = format!("{}/api/vaults/{id}/sources?limit=500", service.base);
    let sources = send(client.get(sources), token).await;
    assert_eq!(sources["sources"].as_array().unwrap().len(), seqs.len());
    service.kill();

    let proven = program(&database).arg("verify").output().unwrap();
    assert!(proven.status.success(), "{proven:?}");
    let proven = String::from_utf8(proven.stdout).unwrap();
    assert!(
        proven.contains(": verified from the first event\n"),
        "{proven}"
    );
}
