//! The log of a process: a panic is one line of it, and which lines there are changes while it runs. A process has one
//! log, so each story is told by a child of its own, which is this same program.

#![allow(clippy::unwrap_used, reason = "what is missing in a test fails it")]

use std::{env, process::Command, thread};

use serde_json::Value;
use tracing::{debug, error_span};
use vaultcast::{config::Telemetry, panics::about_vault, telemetry};

const CHILD: &str = "VAULTCAST_TEST_CHILD";

/// Tells `story` in a child; what that has logged.
fn told(name: &str, backtrace: &str, story: fn()) -> Vec<Value> {
    if env::var_os(CHILD).is_some() {
        story();
        return Vec::new();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .env("RUST_BACKTRACE", backtrace)
        .output()
        .unwrap();
    let said = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{said}");
    let parsed = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    said.lines().map(parsed).collect()
}

fn telemetry_of(log_level: &str) -> Telemetry {
    Telemetry {
        log_format: "json".parse().unwrap(),
        log_level: log_level.parse().unwrap(),
    }
}

fn panic_on_a_thread() {
    let _log = telemetry::init(&telemetry_of("info"));
    let panicking = thread::Builder::new()
        .name("a worker".to_owned())
        .spawn(|| {
            let _entered = error_span!("http", request.id = "the-first").entered();
            let _about = about_vault("cphysics01");
            panic!("on purpose,\nand in two lines");
        });
    assert!(panicking.unwrap().join().is_err());
}

#[test]
fn a_panic_is_one_line_with_what_was_asked_for() {
    for backtrace in ["0", "1"] {
        let name = "a_panic_is_one_line_with_what_was_asked_for";
        let lines = told(name, backtrace, panic_on_a_thread);
        let Some(line) = lines.first() else { return };
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(line["message"], "panicked: on purpose,\nand in two lines");
        assert_eq!(line["vault.id"], "cphysics01");
        assert_eq!(line["level"], "ERROR");
        assert_eq!(line["thread"], "a worker");
        assert_eq!(line["request.id"], "the-first");
        assert!(
            line["location"]
                .as_str()
                .unwrap()
                .starts_with("tests/telemetry.rs:")
        );
        assert_eq!(line.get("backtrace").is_some(), backtrace == "1");
    }
}

fn say_more_and_less() {
    let log = telemetry::init(&telemetry_of("info"));
    debug!("not yet");
    log.apply(&telemetry_of("debug"));
    debug!(place = 1, "now");
    log.apply(&telemetry_of("warn"));
    debug!("not any more");
}

#[test]
fn what_is_logged_changes_while_it_runs() {
    let lines = told(
        "what_is_logged_changes_while_it_runs",
        "0",
        say_more_and_less,
    );
    if env::var_os(CHILD).is_none() {
        let messages: Vec<_> = lines.iter().map(|line| &line["message"]).collect();
        assert_eq!(messages, ["now"], "{lines:?}");
        assert_eq!(lines[0]["place"], 1);
    }
}
