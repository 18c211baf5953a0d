//! The result of a run: figures by name, printed as a table or as JSON.

use serde_json::{json, Map, Value};

use crate::{die, plan::Plan, subs::Stats, usage::Usage, util::Hist};

#[derive(Default)]
pub struct Report(Map<String, Value>);

impl Report {
    pub fn text(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), json!(value));
    }

    pub fn count(&mut self, name: &str, value: u64) {
        self.0.insert(name.into(), json!(value));
    }

    pub fn flag(&mut self, name: &str, value: bool) {
        self.0.insert(name.into(), json!(value));
    }

    /// Adds a figure with this many decimal places; `null` if it is not finite.
    pub fn rounded(&mut self, name: &str, value: f64, places: i32) {
        let factor = 10f64.powi(places);
        let value = if value.is_finite() { json!((value * factor).round() / factor) } else { Value::Null };
        self.0.insert(name.into(), value);
    }

    /// Adds quantiles in milliseconds, if there are values.
    pub fn distribution(&mut self, name: &str, values: &Hist) {
        if values.n == 0 {
            return;
        }
        for (suffix, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
            self.rounded(&format!("{name}_ms_{suffix}"), values.q(quantile), 3);
        }
        self.rounded(&format!("{name}_ms_max"), values.max_ms(), 3);
        self.rounded(&format!("{name}_ms_mean"), values.mean_ms(), 3);
    }

    /// Adds what was used between two times.
    pub fn usage(&mut self, plan: &Plan, from: &Usage, to: &Usage) {
        let (server, client) = (to.server.sub(&from.server), to.client.sub(&from.client));
        let wall = to.seconds_since(from);
        self.rounded("cpu_wall_s", wall, 3);
        if plan.pid > 0 {
            self.rounded("server_cpu_s", server.total(), 3);
            self.rounded("server_cpu_user_s", server.user, 3);
            self.rounded("server_cpu_sys_s", server.sys, 3);
            self.rounded("server_cores", server.total() / wall, 3);
        }
        self.rounded("client_cpu_s", client.total(), 3);
        self.rounded("client_cores", client.total() / wall, 3);
        let others = (to.machine - from.machine - client.total() - server.total()).max(0.0);
        self.rounded("other_cores", others / wall, 3);
    }

    /// Returns a figure that was added before.
    pub fn get(&self, name: &str) -> f64 {
        self.0.get(name).and_then(Value::as_f64).unwrap_or(0.0)
    }

    /// Prints the report, and writes it to a file if one is named.
    pub fn print(self, plan: &Plan, totals: &Stats) {
        if plan.has("json") {
            println!("{}", Value::Object(self.0.clone()));
        } else {
            for (name, value) in &self.0 {
                match value {
                    Value::String(text) => println!("{name:<32} {text}"),
                    other => println!("{name:<32} {other}"),
                }
            }
            if let Some(sample) = &totals.sample {
                println!("{:<32} {sample}", "sample");
            }
        }
        let file = plan.text("json-file", "");
        if !file.is_empty() {
            let content = format!("{}\n", Value::Object(self.0));
            std::fs::write(&file, content).unwrap_or_else(|error| die(format!("{file}: {error}")));
        }
    }
}
