//! The log of a process: a panic is logged as one line, and the log level can change at run time. A process has one log, so
//! each scenario runs in a child process, which executes this test binary again.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{env, process::Command, thread};

use serde_json::Value;
use tracing::{debug, error_span};
use vaultcast::{
    config::TelemetryConfig,
    telemetry::{self, panics::vault_scope},
};

/// The environment variable that marks a child process.
const CHILD: &str = "VAULTCAST_TEST_CHILD";

/// Runs `scenario` in a child process and returns its log lines. `test` is the name of the calling test, which the child runs
/// too. In the child the result is empty.
fn log_of_child(test: &str, backtrace: &str, scenario: fn()) -> Vec<Value> {
    if env::var_os(CHILD).is_some() {
        scenario();
        return Vec::new();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", backtrace)
        .output()
        .unwrap();
    let log = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{log}");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    log.lines().map(parse).collect()
}

fn config_with_level(log_level: &str) -> TelemetryConfig {
    TelemetryConfig {
        log_format: "json".parse().unwrap(),
        log_level: log_level.parse().unwrap(),
    }
}

fn panic_on_a_thread() {
    let _log = telemetry::init(&config_with_level("info"));
    let panicking = thread::Builder::new()
        .name("a worker".to_owned())
        .spawn(|| {
            let _entered = error_span!("http", request.id = "request-1").entered();
            let _scope = vault_scope("cphysics01");
            panic!("on purpose,\nand in two lines");
        });
    assert!(panicking.unwrap().join().is_err());
}

#[test]
fn panic_is_logged_as_one_line_with_its_context() {
    for backtrace in ["0", "1"] {
        let test = "panic_is_logged_as_one_line_with_its_context";
        let lines = log_of_child(test, backtrace, panic_on_a_thread);
        let Some(line) = lines.first() else { return };
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(line["message"], "panicked: on purpose,\nand in two lines");
        assert_eq!(line["vault.id"], "cphysics01");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["thread"], "a worker");
        assert_eq!(line["request.id"], "request-1");
        assert!(
            line["location"]
                .as_str()
                .unwrap()
                .starts_with("tests/telemetry.rs:")
        );
        assert_eq!(line.get("backtrace").is_some(), backtrace == "1");
    }
}

fn log_at_changing_levels() {
    let log = telemetry::init(&config_with_level("info"));
    debug!("at level info");
    log.apply(&config_with_level("debug"));
    debug!(field = 1, "at level debug");
    log.apply(&config_with_level("warn"));
    debug!("at level warn");
}

#[test]
fn log_level_changes_at_run_time() {
    let lines = log_of_child("log_level_changes_at_run_time", "0", log_at_changing_levels);
    if env::var_os(CHILD).is_none() {
        let messages: Vec<_> = lines.iter().map(|line| &line["message"]).collect();
        assert_eq!(messages, ["at level debug"], "{lines:?}");
        assert_eq!(lines[0]["field"], 1);
    }
}
