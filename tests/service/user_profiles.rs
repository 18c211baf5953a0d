//! The recorded name and email of a user who has several live sessions with different ones.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use serde_json::{Value, json};
use vaultcast::domain::{Principal, Timestamp, UserId, UserProfile};

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestService, TestUser, tokens},
    },
    support::metrics_client::MonitoredService,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Write requests that were committed.
const WRITTEN: &str = "vaultcast_journal_requests_total{outcome=\"written\"}";

/// Returns a token of Ana that was issued this many seconds ago.
fn token_issued_before(seconds: u64, name: Option<&str>, email: Option<&str>) -> String {
    let ana = Principal {
        id: UserId::new("ana").unwrap(),
        name: name.map(str::to_owned),
        email: email.map(str::to_owned),
    };
    tokens().issue(&ana, SystemTime::now() - Duration::from_secs(seconds), HOUR)
}

/// Returns the members' names and emails of a vault.
async fn member(owner: &TestUser, vault: &str, id: &str) -> Value {
    let members = owner
        .get(&format!("{vault}/members"))
        .await
        .assert_status(200);
    let mut members = members["members"].as_array().unwrap().iter();
    let member = members.find(|member| member["userId"] == id).unwrap();
    json!([member["userName"], member["email"]])
}

async fn connect(service: &TestService, token: &str) {
    let auth = json!({ "token": token });
    let mut socket = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
    assert!(socket.connect_answer().await.starts_with("40"));
}

#[actix_web::test]
async fn of_two_live_sessions_the_later_issued_one_is_recorded_and_requests_do_not_write() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let old = token_issued_before(20, Some("Ana Old"), Some("old@example.com"));
    let new = token_issued_before(10, Some("Ana New"), Some("new@example.com"));
    let [ana_old, ana_new] = [&old, &new].map(|token| service.bearer("ana", Some(token.clone())));
    let vault = ana_old.create_vault().await;
    ana_new.get("/api/me").await.assert_status(200);
    let before = metrics.value(WRITTEN).await;
    for _ in 0..5 {
        ana_old.get("/api/me").await.assert_status(200);
        connect(&service, &old).await;
        ana_new.get("/api/me").await.assert_status(200);
        connect(&service, &new).await;
    }
    ana_old.get("/api/me").await.assert_status(200);
    let expected = json!(["Ana New", "new@example.com"]);
    assert_eq!(member(&ana_old, &vault, "ana").await, expected);
    assert_eq!(metrics.value(WRITTEN).await, before);
}

#[actix_web::test]
async fn sockets_of_a_new_user_that_connect_together_cause_one_write() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let token = token_issued_before(10, Some("Ana"), Some("ana@example.com"));
    let before = metrics.value(WRITTEN).await.unwrap_or_default();
    join_all((0..20).map(|_| connect(&service, &token))).await;
    assert_eq!(metrics.value(WRITTEN).await, Some(before + 1.0));
}

#[actix_web::test]
async fn older_session_does_not_replace_the_name_after_a_restart() {
    let mut service = TestService::start().await;
    let new = token_issued_before(10, Some("Ana New"), None);
    let old = token_issued_before(20, Some("Ana Old"), Some("ana@example.com"));
    let vault = service.bearer("ana", Some(new)).create_vault().await;
    service.restart().await;
    let ana = service.bearer("ana", Some(old));
    // The email that the recorded session lacks is added.
    let expected = json!(["Ana New", "ana@example.com"]);
    assert_eq!(member(&ana, &vault, "ana").await, expected);
    let newest = token_issued_before(0, Some("Ana Newest"), None);
    let ana = service.bearer("ana", Some(newest));
    let expected = json!(["Ana Newest", "ana@example.com"]);
    assert_eq!(member(&ana, &vault, "ana").await, expected);
}

#[actix_web::test]
async fn user_who_was_added_as_a_member_is_recorded_by_an_earlier_issued_session() {
    let service = TestService::start().await;
    let token = token_issued_before(60, Some("Ana"), Some("ana@example.com"));
    let owner = service.user("ben");
    let vault = owner.create_vault().await;
    let member_of = json!({ "userId": "ana", "role": "viewer" });
    owner
        .post(&format!("{vault}/members"), member_of)
        .await
        .assert_status(201);
    assert_eq!(member(&owner, &vault, "ana").await, json!(["ana", null]));
    let ana = service.bearer("ana", Some(token));
    ana.get("/api/me").await.assert_status(200);
    let renamed = token_issued_before(30, Some("Anna"), None);
    let ana = service.bearer("ana", Some(renamed));
    ana.get("/api/me").await.assert_status(200);
    let expected = json!(["Anna", "ana@example.com"]);
    assert_eq!(member(&owner, &vault, "ana").await, expected);
}

#[actix_web::test]
async fn node_that_has_seen_only_an_older_session_does_not_replace_the_name() {
    let service = TestService::start().await;
    let journal = service.vaults().journal();
    let profile = |name: Option<&str>, email: Option<&str>, issued_at: Option<i64>| UserProfile {
        principal: Principal {
            id: UserId::new("ana").unwrap(),
            name: name.map(str::to_owned),
            email: email.map(str::to_owned),
        },
        issued_at: issued_at.map(Timestamp),
    };
    for (written, recorded) in [
        (
            profile(Some("New"), None, Some(20)),
            profile(Some("New"), None, Some(20)),
        ),
        (
            profile(Some("Old"), Some("a@b.c"), Some(10)),
            profile(Some("New"), Some("a@b.c"), Some(20)),
        ),
        (
            profile(Some("Undated"), None, None),
            profile(Some("Undated"), Some("a@b.c"), Some(20)),
        ),
        (
            profile(Some("Newest"), None, Some(30)),
            profile(Some("Newest"), Some("a@b.c"), Some(30)),
        ),
    ] {
        let id = written.principal.id.clone();
        journal.record_user(written).await.unwrap();
        assert_eq!(journal.user(&id).await.unwrap(), Some(recorded));
    }
}

#[actix_web::test]
async fn changed_name_in_a_session_of_the_same_second_is_recorded_once() {
    let MonitoredService { service, metrics } = MonitoredService::start().await;
    let issued_at = SystemTime::now() - Duration::from_secs(5);
    let [old, new] = ["Ana Old", "Ana New"].map(|name| {
        let ana = Principal {
            id: UserId::new("ana").unwrap(),
            name: Some(name.to_owned()),
            email: None,
        };
        service.bearer("ana", Some(tokens().issue(&ana, issued_at, HOUR)))
    });
    let vault = old.create_vault().await;
    new.get("/api/me").await.assert_status(200);
    let expected = json!(["Ana New", null]);
    assert_eq!(member(&new, &vault, "ana").await, expected);
    let before = metrics.value(WRITTEN).await;
    for _ in 0..3 {
        old.get("/api/me").await.assert_status(200);
        new.get("/api/me").await.assert_status(200);
    }
    assert_eq!(member(&new, &vault, "ana").await, expected);
    assert_eq!(metrics.value(WRITTEN).await, before);
}
