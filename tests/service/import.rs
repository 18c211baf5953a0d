//! `vaultcast import`: an application's vaults are served as they were, and an import may run again.

use std::time::Duration;

use serde_json::{Value, json};
use vaultcast::config::Config;

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestService, source},
    },
    support::importing_application::{ImportingApplication, VAULT},
};

/// What the command prints when it has copied the application.
const COPIED: [&str; 4] = [
    "users: 2 copied, 0 there already, 0 refused",
    "vaults: 1 copied, 0 there already, 0 refused",
    "members: 2 copied, 0 there already, 0 refused",
    "sources: 2 copied, 0 there already, 0 refused",
];

/// What the command prints when there is nothing left to copy.
const PRESENT: [&str; 4] = [
    "users: 0 copied, 2 there already, 0 refused",
    "vaults: 0 copied, 1 there already, 0 refused",
    "members: 0 copied, 2 there already, 0 refused",
    "sources: 0 copied, 2 there already, 0 refused",
];

/// Longer than the application exists.
const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

fn titles(listing: &Value) -> Vec<&str> {
    let sources = listing["sources"].as_array().unwrap();
    sources
        .iter()
        .map(|source| source["title"].as_str().unwrap())
        .collect()
}

/// Makes events of an import those of a mutation, or of the import of an earlier version.
const REMOVE_MARKS: &str =
    "UPDATE vault_events SET payload = replace(payload, ',\"imported\":true', '')";

#[actix_web::test]
async fn imported_vault_is_served_with_its_ids_roles_and_times() {
    let importing = ImportingApplication::create().await;
    assert_eq!(importing.import(&[]).assert_status(0), COPIED);
    importing.assert_verified().await;

    let service = TestService::start_on(importing.service, |_| {}).await;
    let (ana, ben) = (service.user("ana"), service.user("ben"));
    let vault = json!({
        "id": VAULT, "name": "Physics", "role": "owner", "seq": 4,
        "createdAt": "2026-02-15T10:00:00.000Z", "updatedAt": "2026-02-15T11:00:00.000Z",
    });
    let path = format!("/api/vaults/{VAULT}");
    assert_eq!(
        ana.get("/api/vaults").await.assert_status(200)["vaults"],
        json!([vault])
    );
    let members = ana.get(&format!("{path}/members")).await.assert_status(200);
    assert_eq!(members["members"][1]["userId"], "ben");
    assert_eq!(members["members"][1]["role"], "viewer");
    assert_eq!(
        members["members"][1]["createdAt"],
        "2026-02-15T10:00:00.000Z"
    );

    let sources = ben.get(&format!("{path}/sources")).await.assert_status(200);
    assert_eq!(titles(&sources), ["Second", "First"]);
    let second = json!({
        "id": "csource000000000000000002", "title": "Second", "fileUrl": "https://files.example.com/a.pdf",
        "fileSize": 1024, "mimeType": "application/pdf", "vaultId": VAULT,
        "createdAt": "2026-02-15T10:02:00.000Z", "updatedAt": "2026-02-15T10:03:00.000Z",
    });
    assert_eq!(sources["sources"][0], second);
    let refused = ben.post(&format!("{path}/sources"), source("Third")).await;
    refused.assert_refused(403, "INSUFFICIENT_PERMISSIONS");
}

#[actix_web::test]
async fn journal_of_an_imported_vault_goes_on_from_its_number() {
    let importing = ImportingApplication::create().await;
    importing.import(&[]).assert_status(0);
    let service = TestService::start_on(importing.service, |_| {}).await;
    let ana = service.user("ana");
    let path = format!("/api/vaults/{VAULT}");
    let trimmed = ana.get(&format!("{path}/events?since=0")).await;
    trimmed.assert_refused(410, "JOURNAL_TRIMMED");

    let token = crate::common::service::token("ana");
    let auth = json!({ "token": token });
    let mut socket = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
    assert!(socket.connect_answer().await.starts_with("40"));
    let joined = socket.join(VAULT).await;
    assert_eq!(
        (&joined["seq"], &joined["role"]),
        (&json!(4), &json!("owner")),
        "{joined}"
    );
    let added = ana.post(&format!("{path}/sources"), source("Third")).await;
    added.assert_status(201);
    assert_eq!(added.seq(), 5);
    let event = socket.receive("42").await.unwrap();
    assert!(
        event.contains("source:created") && event.contains("\"seq\":5"),
        "{event}"
    );

    let changed = json!({ "title": "First and last" });
    let patched = ana
        .patch("/api/sources/csource000000000000000001", changed)
        .await;
    assert_eq!(patched.seq(), 6);
    let deleted = ana.delete("/api/sources/csource000000000000000002").await;
    assert_eq!(deleted.seq(), 7);
    let sources = ana.get(&format!("{path}/sources")).await.assert_status(200);
    assert_eq!(titles(&sources), ["Third", "First and last"]);
}

#[actix_web::test]
async fn second_import_changes_nothing_and_later_rows_become_events() {
    let importing = ImportingApplication::create().await;
    importing.import(&[]).assert_status(0);
    assert_eq!(importing.import(&[]).assert_status(0), PRESENT);
    assert_eq!(importing.count("vault_events").await, 1);

    importing
        .insert_source("csource000000000000000003", VAULT, "Third", 3)
        .await;
    let eve = "'eve', 'Eve', NULL";
    importing
        .insert("User", r#""id", "name", "email""#, eve)
        .await;
    importing
        .insert_member("cmember000000000000000003", VAULT, "eve", "CONTRIBUTOR")
        .await;
    let lines = importing.import(&[]);
    let lines = lines.assert_status(0);
    assert_eq!(lines[2], "members: 1 copied, 2 there already, 0 refused");
    assert_eq!(lines[3], "sources: 1 copied, 2 there already, 0 refused");
    importing.assert_verified().await;

    // The events have the times of the application, and would be trimmed at once.
    let retain = |config: &mut Config| config.journal.retain_for = CENTURY;
    let service = TestService::start_on(importing.service, retain).await;
    let path = format!("/api/vaults/{VAULT}/events?since=4");
    let events = service.user("eve").get(&path).await.assert_status(200);
    let events = events["events"].as_array().unwrap();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["member:added", "source:created", "source:updated"]);
    assert_eq!(
        events[1]["payload"]["timestamp"],
        "2026-02-15T10:03:00.000Z"
    );
}

/// A user has the name that the import gives to the actor of its events.
#[actix_web::test]
async fn user_with_the_name_of_the_import_is_not_taken_for_it() {
    let importing = ImportingApplication::create().await;
    importing.import(&[]).assert_status(0);
    let name_ana = "UPDATE users SET name = 'vaultcast import' WHERE id = 'ana'";
    importing.service.execute(name_ana).await;
    importing
        .insert_source("csource000000000000000003", VAULT, "Third", 3)
        .await;
    let lines = importing.import(&[]);
    let added = "sources: 1 copied, 2 there already, 0 refused";
    assert_eq!(lines.assert_status(0)[3], added);

    // The last event is one of ana, as a mutation makes it.
    importing.service.execute(REMOVE_MARKS).await;
    importing
        .insert_source("csource000000000000000004", VAULT, "Fourth", 4)
        .await;
    let lines = importing.import(&[]);
    let refused = "sources: 0 copied, 3 there already, 1 refused";
    assert_eq!(lines.assert_status(3)[3], refused);
    importing.assert_verified().await;
}

#[actix_web::test]
async fn rows_that_an_earlier_version_imported_are_recognised() {
    let importing = ImportingApplication::create().await;
    importing.import(&[]).assert_status(0);
    // Earlier versions set no mark.
    importing.service.execute(REMOVE_MARKS).await;
    importing
        .insert_source("csource000000000000000003", VAULT, "Third", 3)
        .await;
    let lines = importing.import(&[]);
    let added = "sources: 1 copied, 2 there already, 0 refused";
    assert_eq!(lines.assert_status(0)[3], added);
    importing.assert_verified().await;
}

#[actix_web::test]
async fn dry_run_writes_nothing() {
    let importing = ImportingApplication::create().await;
    let lines = importing.import(&["--dry-run"]);
    assert_eq!(
        lines.assert_status(0)[3],
        "sources: 2 to copy, 0 there already, 0 refused"
    );
    let made = importing
        .service
        .directory
        .path()
        .read_dir()
        .unwrap()
        .count();
    assert_eq!((made, importing.count("users").await), (0, 0));

    importing.import(&[]).assert_status(0);
    importing
        .insert_source("csource000000000000000003", VAULT, "Third", 3)
        .await;
    let lines = importing.import(&["--dry-run"]);
    assert_eq!(
        lines.assert_status(0)[3],
        "sources: 1 to copy, 2 there already, 0 refused"
    );
    assert_eq!(importing.count("sources").await, 2);
}

#[actix_web::test]
async fn import_that_was_killed_is_finished_by_the_next() {
    let importing = ImportingApplication::create().await;
    importing.insert_sources(40_000).await;
    let mut killed = importing.start_import();
    while importing.count("sources").await == 0 {
        assert!(
            killed.try_wait().unwrap().is_none(),
            "the import ended early"
        );
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let written = importing.count("sources").await;
    assert!(
        (1..40_002).contains(&written),
        "{written} sources are written"
    );
    assert_eq!(
        importing.count("vaults").await,
        0,
        "the vault is written last"
    );

    let dry = importing.import(&["--dry-run"]);
    assert_eq!(
        dry.assert_status(0)[3],
        "sources: 40002 to copy, 0 there already, 0 refused"
    );
    let again = importing.import(&[]);
    assert_eq!(
        again.assert_status(0)[3],
        "sources: 40002 copied, 0 there already, 0 refused"
    );
    assert_eq!(importing.count("sources").await, 40_002);
    importing.assert_verified().await;
}

#[actix_web::test]
async fn import_runs_beside_a_service_on_postgresql() {
    let importing = ImportingApplication::create().await;
    if !importing.service.is_postgres() {
        return;
    }
    let url = importing.service.url.clone();
    let service =
        TestService::start_with(|config| config.database.url = url.parse().unwrap()).await;
    let ana = service.user("ana");
    let path = format!("/api/vaults/{VAULT}");
    ana.get(&path).await.assert_refused(403, "ACCESS_DENIED");
    importing.import(&[]).assert_status(0);
    assert_eq!(ana.get(&path).await.assert_status(200)["seq"], 4);

    let auth = json!({ "token": crate::common::service::token("ana") });
    let mut socket = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
    assert!(socket.connect_answer().await.starts_with("40"));
    socket.join(VAULT).await;
    importing
        .insert_source("csource000000000000000003", VAULT, "Third", 3)
        .await;
    importing.import(&[]).assert_status(0);
    let event = socket.receive("42").await.unwrap();
    assert!(
        event.contains("source:created") && event.contains("\"seq\":5"),
        "{event}"
    );
    let added = ana.post(&format!("{path}/sources"), source("Fourth")).await;
    assert_eq!(added.seq(), 7);
    importing.assert_verified().await;
}
