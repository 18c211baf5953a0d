//! Who is not a member cannot tell a vault that exists from one that does not, by any answer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::common::app::{TestApp, hear, source};

#[actix_web::test]
async fn a_strangers_answers_are_the_same_byte_for_byte() {
    let app = TestApp::start().await;
    let (ana, zoe) = (app.user("ana"), app.user("zoe"));
    let real = ana.makes_vault().await;
    let real_source = ana.adds_source(&real, "Secret").await;
    let key = ana
        .ask(Method::POST, &format!("{real}/sources"))
        .header("Idempotency-Key", "k");
    hear(key.json(&source("Known"))).await.is(201);
    let (none, no_source) = (
        "/api/vaults/cnone00000000000000000000",
        "/api/sources/cnone00000000000000000000",
    );

    let member = json!({ "userId": "zoe", "role": "owner" });
    let asked: [(Method, &str, Option<Value>); 18] = [
        (Method::GET, "", None),
        (Method::HEAD, "", None),
        (Method::PATCH, "", Some(json!({ "name": "Mine" }))),
        (Method::PATCH, "", Some(json!({ "name": "" }))),
        (Method::DELETE, "", None),
        (Method::GET, "/members", None),
        (Method::POST, "/members", Some(member)),
        (
            Method::POST,
            "/members",
            Some(json!({ "email": "ana@example.com", "role": "owner" })),
        ),
        (
            Method::PATCH,
            "/members/ana",
            Some(json!({ "role": "viewer" })),
        ),
        (Method::DELETE, "/members/ana", None),
        (Method::DELETE, "/members/zoe", None),
        (Method::GET, "/sources", None),
        (Method::GET, "/sources?limit=0", None),
        (Method::GET, "/sources?cursor=1", None),
        (Method::POST, "/sources", Some(source("Mine"))),
        (Method::POST, "/sources", Some(json!([]))),
        (Method::GET, "/events", None),
        (Method::GET, "/events?since=1&limit=1", None),
    ];
    for (method, below, body) in asked {
        let ask = async |vault: &str| {
            let mut request = zoe.ask(method.clone(), &format!("{vault}{below}"));
            request = request
                .header("Idempotency-Key", "k")
                .header("If-Match", "\"1\"");
            if let Some(body) = &body {
                request = request.json(body);
            }
            hear(request).await
        };
        let (there, not_there) = (ask(&real).await, ask(none).await);
        assert_eq!(there.told(), not_there.told(), "{method} {below}");
        assert!(there.status >= 400, "{method} {below}");
    }
    for (method, body) in [
        (Method::GET, None),
        (Method::HEAD, None),
        (Method::PATCH, Some(json!({ "title": "Mine" }))),
        (Method::PATCH, Some(json!({}))),
        (Method::DELETE, None),
    ] {
        let ask = async |path: &str| {
            let request = zoe.ask(method.clone(), path).header("If-Match", "\"1\"");
            hear(match &body {
                Some(body) => request.json(body),
                None => request,
            })
            .await
        };
        let (there, not_there) = (ask(&real_source).await, ask(no_source).await);
        assert_eq!(there.told(), not_there.told(), "{method}");
        assert!([400, 404].contains(&there.status), "{method}");
    }
    assert_eq!(
        zoe.get("/api/vaults").await.is(200),
        json!({ "vaults": [] })
    );
    assert_eq!(ana.get(&real).await.is(200)["seq"], 2);
}

#[actix_web::test]
async fn who_was_removed_is_a_stranger_again() {
    let app = TestApp::start().await;
    let (ana, ben, zoe) = (app.user("ana"), app.user("ben"), app.user("zoe"));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &ben, "owner").await;
    let path = ben.adds_source(&vault, "Mine").await;
    ana.delete(&format!("{vault}/members/ben")).await.is(204);
    for below in ["", "/members", "/sources", "/events"] {
        let answer = ben.get(&format!("{vault}{below}")).await;
        assert_eq!(
            answer.told(),
            zoe.get(&format!("{vault}{below}")).await.told()
        );
        answer.refused(403, "ACCESS_DENIED");
    }
    ben.delete(&path).await.refused(404, "NOT_FOUND");
}
