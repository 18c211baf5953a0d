//! What the operators' page requests from the admin listener, and which hosts may request it.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::{
    common::service::{TestResponse, TestUser, send},
    support::metrics_client::MonitoredService,
};

fn bound<'a>(bounds: &'a Value, key: &str) -> &'a Value {
    let bounds = bounds["bounds"].as_array().unwrap();
    let found = bounds.iter().find(|bound| bound["key"] == key);
    found.unwrap_or_else(|| panic!("{key} in {bounds:?}"))
}

#[actix_web::test]
async fn history_names_the_process_and_has_samples_of_its_metrics() {
    let monitored = MonitoredService::start().await;
    let operator = monitored.metrics.user();
    let history = operator.get("/history").await.assert_status(200);
    let service = &history["service"];
    assert_eq!(service["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(service["stopping"], false);
    let node = service["node"].as_str().unwrap();
    // The name of the host and a random suffix.
    assert!(
        node.rsplit_once('-')
            .is_some_and(|(_, suffix)| suffix.len() == 4),
        "{node}"
    );
    let actors = operator.get("/actors").await.assert_status(200);
    assert_eq!(actors["node"], node);
    assert!(service["startedAt"].as_str().unwrap().ends_with('Z'));
    assert_eq!(history["intervalSeconds"], 5);

    let ana = monitored.service.user("ana");
    let vault = ana.create_vault().await;
    ana.create_source(&vault, "Paper").await;
    let sample = loop {
        let history = operator.get("/history").await.assert_status(200);
        let mut samples = history["samples"].as_array().unwrap().iter();
        // The vault is created before its actor gets a mutation, perhaps in an earlier sample.
        let has_mutations = |sample: &&Value| {
            sample["mutationsPerSecond"].as_f64().unwrap() > 0.0
                && sample["mailboxWait"]["vault"]["p99"].is_number()
        };
        if let Some(sample) = samples.find(has_mutations) {
            break sample.clone();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(sample["commit"]["p99"].as_f64().unwrap() > 0.0, "{sample}");
    for actor in ["vault", "committer"] {
        let wait = &sample["mailboxWait"][actor];
        assert!(wait["p50"].as_f64() <= wait["p99"].as_f64(), "{sample}");
        assert!(wait["p99"].is_number(), "{sample}");
    }
    assert!(sample["memoryBytes"].as_f64().unwrap() > 1e6, "{sample}");
    assert!(sample["cpuCores"].as_f64().unwrap() > 0.0, "{sample}");
    assert_eq!(sample["sockets"]["websocket"], 0.0);

    let time = sample["time"].as_str().unwrap();
    let later = operator.get(&format!("/history?after={time}")).await;
    let later = later.assert_status(200);
    let times = later["samples"].as_array().unwrap().iter();
    assert!(
        times
            .clone()
            .all(|sample| sample["time"].as_str() > Some(time))
    );
    let repeated = operator.get("/history?after=a&after=b").await;
    assert_eq!(repeated.invalid_fields(), ["after"]);
}

#[actix_web::test]
async fn bounds_show_the_values_in_effect_and_how_often_they_were_reached() {
    let mut monitored = MonitoredService::start_with(|config| {
        config.actors.vault_mailbox = 77;
        config.limits.reads_per_second = 1;
    })
    .await;
    let ana = monitored.service.user("ana");
    let refused = async { while ana.get("/api/vaults").await.status != 429 {} };
    tokio::time::timeout(Duration::from_secs(60), refused)
        .await
        .expect("the limit of reads is reached");
    let operator = monitored.metrics.user().clone();
    let bounds = operator.get("/bounds").await.assert_status(200);
    let queue = bound(&bounds, "actors.vault_mailbox");
    assert_eq!(
        (&queue["value"], &queue["level"]),
        (&77.0.into(), &0.0.into())
    );
    assert_eq!(
        (&queue["unit"], &queue["outcome"]),
        (&"mutations".into(), &"503 VAULT_BUSY".into())
    );
    let reads = bound(&bounds, "limits.reads_per_second");
    assert_eq!(
        (&reads["value"], &reads["hits"]),
        (&1.0.into(), &1.0.into())
    );
    assert_eq!(bound(&bounds, "limits.sockets")["value"], Value::Null);
    let connections = bound(&bounds, "server.max_connections");
    assert!(connections["value"].as_f64().unwrap() > connections["level"].as_f64().unwrap());

    let reloaded = monitored
        .service
        .reload(|config| config.actors.vault_mailbox = 88);
    assert_eq!(reloaded.unwrap().applied.len(), 1);
    let bounds = operator.get("/bounds").await.assert_status(200);
    assert_eq!(bound(&bounds, "actors.vault_mailbox")["value"], 88.0);
}

/// The paths that show internal details.
const PRIVATE: [&str; 5] = ["/", "/metrics", "/actors", "/history", "/bounds"];

async fn get_from_host(operator: &TestUser, path: &str, host: &str) -> TestResponse {
    let request = operator.request(Method::GET, path);
    send(request.header("Host", host)).await
}

#[actix_web::test]
async fn page_of_a_name_that_resolves_to_loopback_is_refused() {
    let monitored = MonitoredService::start().await;
    let operator = monitored.metrics.user();
    for path in PRIVATE {
        for host in [
            "evil.example",
            "evil.example:9300",
            "localhost.evil.example",
        ] {
            let refused = get_from_host(operator, path, host).await;
            refused.assert_refused(403, "ORIGIN_NOT_ALLOWED");
        }
        for host in [
            "127.0.0.1:9300",
            "localhost",
            "localhost:9300",
            "[::1]:9300",
        ] {
            let allowed = get_from_host(operator, path, host).await;
            assert_eq!(allowed.status, 200, "{path} at {host}");
        }
    }
    for path in ["/healthz", "/readyz"] {
        let health = get_from_host(operator, path, "node-1.internal:9300").await;
        assert_eq!(health.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn host_is_not_checked_where_the_admin_listener_is_not_on_loopback() {
    let monitored = MonitoredService::start_with(|config| {
        config.admin.bind = Some(([0, 0, 0, 0], 0).into());
    })
    .await;
    let operator = monitored.metrics.user();
    for path in PRIVATE {
        let response = get_from_host(operator, path, "node-1.internal:9300").await;
        assert_eq!(response.status, 200, "{path}");
    }
}

#[actix_web::test]
async fn pages_of_other_origins_can_neither_read_nor_embed_an_answer() {
    let monitored = MonitoredService::start().await;
    for path in PRIVATE {
        let request = monitored.metrics.user().request(Method::GET, path);
        let response = send(request.header("Origin", "https://evil.example")).await;
        assert_eq!(
            response.header("access-control-allow-origin"),
            None,
            "{path}"
        );
        let policy = response.header("cross-origin-resource-policy");
        assert_eq!(policy, Some("same-origin"), "{path}");
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    }
}
