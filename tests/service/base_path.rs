//! The prefix of the HTTP routes (`server.base_path`): what has it, and what has not.

use reqwest::{Client, Method, redirect};
use serde_json::{Value, json};

use crate::common::{
    raw_socket::RawSocket,
    service::{TestService, send, source, token},
};

const PREFIX: &str = "/apps/v1";

/// The paths of the main listener that need no session, except the health checks.
const PUBLIC_PATHS: [&str; 6] = [
    "/openapi.json",
    "/asyncapi.json",
    "/docs",
    "/",
    "/test/realtime",
    "/page.json",
];

async fn start() -> TestService {
    TestService::start_with(|config| {
        config.server.base_path = PREFIX.parse().unwrap();
        config.server.page = true;
    })
    .await
}

#[actix_web::test]
async fn every_operation_of_the_api_has_the_prefix() {
    let service = start().await;
    let [ana, ben] = ["ana", "ben"].map(|id| service.user(id).below(PREFIX));
    assert_eq!(ana.get("/api/me").await.assert_status(200)["id"], "ana");
    let vault = ana.create_vault().await;
    ana.get("/api/vaults").await.assert_status(200);
    ana.get(&vault).await.assert_status(200);
    let renamed = json!({ "name": "Notes" });
    ana.patch(&vault, renamed).await.assert_status(200);
    ana.add_member(&vault, &ben, "viewer").await;
    ana.get(&format!("{vault}/members"))
        .await
        .assert_status(200);
    let role = json!({ "role": "contributor" });
    let member = format!("{vault}/members/ben");
    ana.patch(&member, role).await.assert_status(200);
    let paper = ben.create_source(&vault, "A paper").await;
    ana.get(&paper).await.assert_status(200);
    let title = json!({ "title": "A better paper" });
    ben.patch(&paper, title).await.assert_status(200);
    ben.delete(&paper).await.assert_status(204);
    ana.delete(&format!("{vault}/members?userId=ben"))
        .await
        .assert_status(204);
    assert_eq!(ana.events(&vault).await.1, 7);
    ana.delete(&vault).await.assert_status(204);
}

#[actix_web::test]
async fn nothing_but_health_checks_and_socketio_is_served_without_the_prefix() {
    let service = start().await;
    let (root, below) = (service.anonymous(), service.anonymous().below(PREFIX));
    for path in PUBLIC_PATHS {
        assert_eq!(below.get(path).await.status, 200, "{path}");
        root.get(path).await.assert_refused(404, "NOT_FOUND");
    }
    let ana = service.user("ana");
    let vault = ana.clone().below(PREFIX).create_vault().await;
    for path in [
        "/api/me",
        "/api/vaults",
        &vault,
        &format!("{vault}/sources"),
    ] {
        ana.get(path).await.assert_refused(404, "NOT_FOUND");
    }
    let refused = ana
        .post(&format!("{vault}/sources"), source("A paper"))
        .await;
    refused.assert_refused(404, "NOT_FOUND");

    for path in ["/healthz", "/readyz"] {
        root.get(path).await.assert_status(200);
        below.get(path).await.assert_refused(404, "NOT_FOUND");
    }
    let handshake = "/socket.io/?EIO=4&transport=polling";
    assert_eq!(root.get(handshake).await.status, 200);
    below.get(handshake).await.assert_refused(404, "NOT_FOUND");
}

#[actix_web::test]
async fn paths_that_only_resemble_the_prefix_are_unknown() {
    let service = start().await;
    let ana = service.user("ana");
    for path in [
        "/apps/api/me",
        "/v1/api/me",
        "/apps/v10/api/me",
        "/apps/v1api/me",
        "/apps/V1/api/me",
        "/apps/v1//api/me",
        "/apps/v1/apps/v1/api/me",
        "/apps",
        "/apps/",
    ] {
        ana.get(path).await.assert_refused(404, "NOT_FOUND");
    }
}

#[actix_web::test]
async fn refusals_below_the_prefix_are_those_of_the_api() {
    let service = start().await;
    let (ana, anonymous) = (
        service.user("ana").below(PREFIX),
        service.anonymous().below(PREFIX),
    );
    let unauthorized = anonymous.get("/api/me").await;
    unauthorized.assert_refused(401, "UNAUTHORIZED");
    let method = send(ana.request(Method::PUT, "/api/vaults")).await;
    method.assert_refused(405, "METHOD_NOT_ALLOWED");
    assert_eq!(method.header("allow"), Some("GET, HEAD, POST"));
    let unknown = ana.get("/api/unknown").await;
    unknown.assert_refused(404, "NOT_FOUND");
    assert_eq!(unknown.header("cache-control"), Some("no-store"));
    let foreign = ana
        .request(Method::GET, "/api/me")
        .header("origin", "https://evil.example");
    send(foreign)
        .await
        .assert_refused(403, "ORIGIN_NOT_ALLOWED");
}

#[actix_web::test]
async fn a_socket_receives_what_is_created_below_the_prefix() {
    let service = start().await;
    let ana = service.user("ana").below(PREFIX);
    let vault = ana.create_vault().await;
    let bearer = format!("Bearer {}", token("ana"));
    let headers = [("authorization", bearer.as_str())];
    let mut socket = RawSocket::connect(service.addr(), &headers).await;
    assert_eq!(socket.join(&vault).await["ok"], true);
    ana.create_source(&vault, "A paper").await;
    let event = socket.receive("42[\"source:created\"").await.unwrap();
    assert!(event.contains("\"title\":\"A paper\""), "{event}");
}

#[actix_web::test]
async fn descriptions_name_the_prefix() {
    let service = start().await;
    let user = service.anonymous().below(PREFIX);
    let openapi = user.get("/openapi.json").await.assert_status(200);
    assert_eq!(openapi["servers"], json!([{ "url": PREFIX }]));
    for (path, item) in openapi["paths"].as_object().unwrap() {
        let is_health = ["/healthz", "/readyz"].contains(&path.as_str());
        let servers = if is_health {
            json!([{ "url": "/" }])
        } else {
            Value::Null
        };
        assert_eq!(item["servers"], servers, "{path}");
    }
    let description = openapi["info"]["description"].as_str().unwrap();
    assert!(
        description.contains("`/apps/v1/asyncapi.json`"),
        "{description}"
    );
    let asyncapi = user.get("/asyncapi.json").await.assert_status(200);
    assert_eq!(asyncapi["servers"]["vaultcast"]["pathname"], "/socket.io/");
    let page = user.get("/docs").await.text;
    assert!(page.contains("/apps/v1/api/vaults/{id}/sources"), "{page}");
    assert!(page.contains(">/healthz<"), "{page}");
}

#[actix_web::test]
async fn page_loads_its_files_below_the_prefix() {
    let service = start().await;
    let user = service.anonymous();
    for path in ["/", "/test/realtime"] {
        let page = user.clone().below(PREFIX).get(path).await.text;
        let quoted = page.split('"').filter(|text| text.contains("/assets/"));
        let files: Vec<_> = quoted.collect();
        assert!(files.len() >= 3, "{page}");
        for file in files {
            assert!(file.starts_with("/apps/v1/assets/"), "{file}");
            assert_eq!(user.get(file).await.status, 200, "{file}");
        }
    }
}

#[actix_web::test]
async fn the_prefix_itself_leads_to_the_page_while_there_is_one() {
    let mut service = start().await;
    let client = Client::builder().redirect(redirect::Policy::none());
    let client = client.build().unwrap();
    let url = format!("http://{}{PREFIX}", service.addr());
    let answer = send(client.get(&url)).await;
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("location"), Some("/apps/v1/"));
    service.reload(|config| config.server.page = false).unwrap();
    send(client.get(&url))
        .await
        .assert_refused(404, "NOT_FOUND");
}

#[actix_web::test]
async fn a_changed_prefix_needs_a_restart() {
    let mut service = start().await;
    let reloaded = service.reload(|config| config.server.base_path = "/v2".parse().unwrap());
    let reloaded = reloaded.unwrap();
    assert_eq!(reloaded.applied, []);
    assert_eq!(reloaded.waiting[0].key, "server.base_path");
    let ana = service.user("ana");
    ana.clone()
        .below("/v2")
        .get("/api/me")
        .await
        .assert_refused(404, "NOT_FOUND");
    ana.clone()
        .below(PREFIX)
        .get("/api/me")
        .await
        .assert_status(200);
}
