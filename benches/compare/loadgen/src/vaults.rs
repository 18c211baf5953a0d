//! Creates vaults and members over HTTP before anything is measured.

use serde_json::Value;

use crate::{
    die,
    net::Http,
    plan::Plan,
    util::{jwt, now_ns},
};

pub struct Vaults {
    pub ids: Vec<String>,
    /// The rate of the requests, for the report.
    pub calls_per_second: f64,
}

/// Creates the vaults, with the subscribers' users as viewers and the writers' users as contributors.
pub fn create(plan: &Plan) -> Vaults {
    let mut http = Http::new(&plan.host);
    let owner = jwt(&plan.secret, "bench-owner");
    let start = now_ns();
    let mut calls = 0u64;
    let mut post = |path: &str, body: String| -> Vec<u8> {
        calls += 1;
        match http.call("POST", path, &owner, &body) {
            Ok((200 | 201, answer)) => answer,
            Ok((status, answer)) => die(format!("POST {path}: {status} {}", String::from_utf8_lossy(&answer))),
            Err(error) => die(format!("POST {path}: {error}")),
        }
    };
    let mut ids = Vec::new();
    for vault in 0..plan.vaults {
        let answer = post("/api/vaults", format!("{{\"name\":\"bench {vault}\"}}"));
        let parsed = serde_json::from_slice::<Value>(&answer).ok();
        let Some(id) = parsed.as_ref().and_then(id_of) else {
            die(format!("POST /api/vaults: no id in {}", String::from_utf8_lossy(&answer)))
        };
        let members = format!("/api/vaults/{id}/members");
        let viewers = if plan.connections > 0 { plan.users } else { 0 };
        for user in 0..viewers {
            post(&members, format!("{{\"userId\":\"bench-u{user}\",\"role\":\"viewer\"}}"));
        }
        for user in 0..plan.writing_users {
            post(&members, format!("{{\"userId\":\"bench-w{user}\",\"role\":\"contributor\"}}"));
        }
        ids.push(id);
    }
    let seconds = (now_ns() - start) as f64 / 1e9;
    Vaults { ids, calls_per_second: calls as f64 / seconds }
}

/// Returns the id in an answer: at the top, or in `data`, `vault` or `source`.
pub fn id_of(answer: &Value) -> Option<String> {
    [answer, &answer["data"], &answer["vault"], &answer["source"]].into_iter().find_map(|object| match &object["id"] {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    })
}
