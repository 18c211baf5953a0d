//! What is nobody's wish. A fault of ours: the client learns its name and no more, whoever runs the service finds it
//! in the log, once. A database or a queue that cannot take more: the client is told to come back.

use std::{
    io,
    sync::{Arc, Mutex, OnceLock},
};

use futures_util::{StreamExt, future::select, stream::FuturesUnordered};
use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::json;
use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::common::app::{Answer, TestApp, source};

/// Everything that was logged by the tests of this binary.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn kept() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Log::default();
            let lines = tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_writer(log.clone());
            let level = tracing_subscriber::filter::LevelFilter::INFO;
            tracing_subscriber::registry()
                .with(level)
                .with(lines)
                .init();
            log
        })
    }

    /// The lines that name this.
    pub fn lines(&self, naming: &str) -> Vec<String> {
        let log = String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned();
        log.lines()
            .filter(|line| line.contains(naming))
            .map(str::to_owned)
            .collect()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Does something to the database behind the service's back.
async fn behind_its_back(app: &TestApp, sql: &str) {
    let database = Database::connect(&app.database.url).await.unwrap();
    database.execute_unprepared(sql).await.unwrap();
    database.close().await.unwrap();
}

#[track_caller]
fn tells_nothing(answer: &Answer) {
    let problem = answer.refused(500, "INTERNAL");
    assert_eq!(
        problem,
        json!({ "message": "Internal error", "code": "INTERNAL" })
    );
}

#[actix_web::test]
async fn a_read_that_fails_is_logged_once_under_the_name_that_the_client_was_told() {
    let log = Log::kept();
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    behind_its_back(&app, "DROP TABLE sources").await;
    let answer = ana.get(&format!("{vault}/sources")).await;
    tells_nothing(&answer);
    let lines = log.lines(answer.header("x-request-id").unwrap());
    let [line] = lines.as_slice() else {
        panic!("one line: {lines:?}");
    };
    assert!(
        line.contains("ERROR") && line.contains("sources") && line.contains(&vault),
        "{line}"
    );
}

#[actix_web::test]
async fn a_mutation_that_fails_is_logged_once_and_the_vault_goes_on() {
    let log = Log::kept();
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    behind_its_back(&app, "DROP TABLE sources").await;
    let answer = ana.post(&format!("{vault}/sources"), source("Lost")).await;
    tells_nothing(&answer);
    let id = vault.trim_start_matches("/api/vaults/");
    let errors = log
        .lines(id)
        .into_iter()
        .filter(|line| line.contains("ERROR"));
    assert_eq!(errors.count(), 1);
    assert_eq!(log.lines(answer.header("x-request-id").unwrap()).len(), 1);
    // Nothing was written, and what needs no source goes on.
    assert_eq!(
        ana.patch(&vault, json!({ "name": "Still here" }))
            .await
            .seq(),
        1
    );
}

#[actix_web::test]
async fn a_batch_that_fails_is_one_line_however_many_wrote_it() {
    const AUTHORS: usize = 20;
    let log = Log::kept();
    let app = TestApp::start_with(|config| config.actors.vault_mailbox = AUTHORS).await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let database = Database::connect(&app.database.url).await.unwrap();
    let writer = database.begin().await.unwrap();
    let held = writer
        .execute_unprepared("UPDATE vault_heads SET head = head")
        .await;
    held.unwrap();

    let path = format!("{vault}/sources");
    let post = |_| ana.post(&path, source("Lost"));
    let mut posts: FuturesUnordered<_> = (0..=AUTHORS).map(post).collect();
    // All the others wait when there is no place left for the last.
    posts.next().await.unwrap().refused(503, "VAULT_BUSY");
    writer
        .execute_unprepared("DROP TABLE sources")
        .await
        .unwrap();
    writer.commit().await.unwrap();
    while let Some(answer) = posts.next().await {
        tells_nothing(&answer);
    }

    let id = vault.trim_start_matches("/api/vaults/");
    let lines = log.lines(id).into_iter();
    let errors: Vec<_> = lines.filter(|line| line.contains("ERROR")).collect();
    // One who came first, and those who came meanwhile.
    assert!(errors.len() <= 2, "{errors:#?}");
    let failed = |line: &String| -> usize {
        let (_, rest) = line.split_once("failed=").unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert_eq!(errors.iter().map(failed).sum::<usize>(), AUTHORS);
}

#[actix_web::test]
async fn a_vault_that_cannot_be_made_is_a_fault_that_is_logged() {
    let log = Log::kept();
    let app = TestApp::start().await;
    let ana = app.user("ana");
    ana.get("/api/me").await.is(200);
    behind_its_back(&app, "DROP TABLE vault_heads").await;
    let answer = ana.post("/api/vaults", json!({ "name": "Lost" })).await;
    tells_nothing(&answer);
    let lines = log.lines("vault_heads");
    assert!(lines.iter().any(|line| line.contains("ERROR")), "{lines:?}");
}

#[actix_web::test]
async fn a_session_that_cannot_be_checked_is_not_called_bad() {
    let app = TestApp::start().await;
    behind_its_back(&app, "DROP TABLE users").await;
    let answer = app.user("ana").get("/api/me").await;
    let problem = answer.refused(503, "AUTHENTICATION_FAILED");
    assert_eq!(problem["message"], "AUTHENTICATION_FAILED");
    assert_eq!(answer.header("retry-after"), Some("1"));
    app.nobody()
        .get("/api/me")
        .await
        .refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn events_that_are_no_longer_kept_are_gone_and_the_others_are_told() {
    let app = TestApp::start().await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    for n in 1..=5 {
        ana.adds_source(&vault, &n.to_string()).await;
    }
    behind_its_back(&app, "DELETE FROM vault_events WHERE seq <= 3").await;
    for since in 0..3 {
        let answer = ana.get(&format!("{vault}/events?since={since}")).await;
        answer.refused(410, "JOURNAL_TRIMMED");
    }
    for (since, left) in [(3, 2), (4, 1), (5, 0)] {
        let answer = ana.get(&format!("{vault}/events?since={since}")).await;
        assert_eq!(answer.is(200)["events"].as_array().unwrap().len(), left);
    }
}

#[actix_web::test]
async fn a_vault_whose_queue_is_full_says_so_at_once_and_keeps_what_it_took() {
    let app = TestApp::start_with(|config| config.actors.vault_mailbox = 1).await;
    let ana = app.user("ana");
    let vault = ana.makes_vault().await;
    let database = Database::connect(&app.database.url).await.unwrap();
    let writer = database.begin().await.unwrap();
    let held = writer
        .execute_unprepared("UPDATE vault_heads SET head = head")
        .await;
    held.unwrap();

    let body = || json!({ "name": "New" });
    let one = Box::pin(ana.patch(&vault, body()));
    let other = Box::pin(ana.patch(&vault, body()));
    let (first, waiting) = select(one, other).await.factor_first();
    first.refused(503, "VAULT_BUSY");
    assert_eq!(first.header("retry-after"), Some("1"));
    writer.rollback().await.unwrap();
    assert_eq!(waiting.await.seq(), 1);
}
