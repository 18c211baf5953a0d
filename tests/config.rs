//! The configuration as someone who runs the service meets it: the file that is shipped, the
//! environment over it, and the line that comes back for what is wrong.

// Helpers of tests may unwrap as tests do.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;
use toml::{Table, Value};
use vaultcast::config::{Config, LogFormat, LoopbackOnly, Synchronous, TokenKind};

const SHIPPED: &str = include_str!("../config.toml");

/// A configuration file with this text.
fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// What is in effect with this file and these variables.
fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    load_from(file(text).path(), env)
}

fn load_from(path: &Path, env: &[(&str, &str)]) -> Result<Config, String> {
    Config::load(Some(path), env.iter().copied()).map_err(|error| error.to_string())
}

/// All keys in dotted form.
fn keys(table: &Table) -> Vec<String> {
    let section = |(name, keys): (&String, &Value)| -> Vec<String> {
        keys.as_table()
            .unwrap()
            .keys()
            .map(|key| format!("{name}.{key}"))
            .collect()
    };
    table.iter().flat_map(section).collect()
}

fn bind(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[test]
fn the_shipped_file_holds_every_key_with_its_built_in_default() {
    let shipped: Table = SHIPPED.parse().unwrap();
    let built_in: Table = Config::default().to_string().parse().unwrap();
    let mut expected = keys(&built_in);
    let mut found = keys(&shipped);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(load(SHIPPED, &[]), load("", &[]));
    assert_eq!(load(SHIPPED, &[]), Ok(Config::default()));
}

#[test]
fn the_shipped_file_says_why_beside_every_key() {
    let mut before = "";
    for line in SHIPPED.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with("# "), "{line} stands without a reason");
        }
        before = line;
    }
}

#[test]
fn the_page_about_sessions_names_every_key_of_theirs_and_no_other() {
    let page = include_str!("../docs/sessions.md");
    let shipped: Table = SHIPPED.parse().unwrap();
    let known = shipped["auth"].as_table().unwrap();
    for key in known.keys() {
        let variable = format!("VAULTCAST__AUTH__{}", key.to_uppercase());
        assert!(page.contains(key) || page.contains(&variable), "{key}");
    }
    let end = |rest: &str| rest.find(|char: char| !char.is_ascii_lowercase() && char != '_');
    for (at, name) in page.match_indices("`auth.") {
        let rest = &page[at + name.len()..];
        let key = &rest[..end(rest).unwrap()];
        assert!(known.contains_key(key), "auth.{key}");
    }
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Config::default();
    assert_eq!(config.server.bind, bind("127.0.0.1:3000"));
    assert_eq!(config.server.max_body, 1_048_576);
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(10));
    assert_eq!(config.server.drain_delay, Duration::ZERO);
    assert_eq!(config.server.drain_rate, 0);
    assert_eq!(config.admin.bind, Some(bind("127.0.0.1:9300")));
    assert_eq!(config.database.url.expose(), "sqlite://vaultcast.db");
    assert_eq!(config.database.synchronous, Synchronous::Full);
    assert_eq!(
        config.auth.accept,
        [TokenKind::Authjs, TokenKind::NextAuth, TokenKind::Jwt]
    );
    assert_eq!(config.auth.recheck, Duration::from_secs(60));
    assert_eq!(config.socketio.ping_interval, Duration::from_secs(25));
    assert_eq!(config.socketio.ping_timeout, Duration::from_secs(20));
    assert_eq!(config.socketio.max_payload, 1_000_000);
    assert_eq!(config.socketio.connect_timeout, Duration::from_secs(45));
    assert_eq!(config.socketio.recovery_window, Duration::from_secs(120));
    assert_eq!(config.actors.vault_mailbox, 1024);
    assert_eq!(config.actors.commit_batch, 256);
    assert_eq!(config.actors.session_outbox, 1024);
    assert_eq!(config.actors.session_outbox_bytes, 4_194_304);
    assert_eq!(config.actors.relay_mailbox, 8192);
    assert_eq!(config.actors.join_timeout, Duration::from_secs(10));
    assert_eq!(config.actors.vault_idle, Duration::from_secs(300));
    assert_eq!(config.journal.retain_events, 100_000);
    assert_eq!(config.journal.retain_for, Duration::from_secs(30 * 86_400));
    assert_eq!(config.limits.mutations_per_second, 100);
    assert_eq!(config.limits.socket_events_per_second, 100);
    assert_eq!(config.limits.joins_per_socket, 1000);
    assert_eq!(config.limits.sockets, 0);
}

#[test]
fn a_stop_does_not_wait_for_longer_than_it_may_take() {
    let text = "[server]\nshutdown_grace = \"5s\"\n";
    assert_eq!(
        load(text, &[("VAULTCAST__SERVER__DRAIN_DELAY", "5s")]),
        Err(
            "server.drain_delay: \"5s\" is not shorter than server.shutdown_grace, \"5s\" \
             (from VAULTCAST__SERVER__DRAIN_DELAY)"
                .to_owned()
        )
    );
    let config = load(text, &[("VAULTCAST__SERVER__DRAIN_DELAY", "4s")]).unwrap();
    assert_eq!(config.server.drain_delay, Duration::from_secs(4));
}

#[test]
fn a_variable_goes_over_the_file_and_the_file_over_the_default() {
    let text = "[actors]\ncommit_batch = 64\nvault_mailbox = 32\n";
    let config = load(
        text,
        &[
            ("VAULTCAST__ACTORS__COMMIT_BATCH", "128"),
            ("HOME", "/nowhere"),
        ],
    )
    .unwrap();
    assert_eq!(config.actors.commit_batch, 128);
    assert_eq!(config.actors.vault_mailbox, 32);
    assert_eq!(config.actors.relay_mailbox, 8192);
}

#[test]
fn every_form_of_value_can_be_set_by_a_variable() {
    let config = load(
        "",
        &[
            ("VAULTCAST__SERVER__BIND", "[::1]:0"),
            (
                "VAULTCAST__SERVER__ALLOWED_ORIGINS",
                r#"["https://a.example", "http://localhost:5173"]"#,
            ),
            (
                "VAULTCAST__SERVER__TRUSTED_PROXIES",
                r#"["10.0.0.0/8","::1"]"#,
            ),
            ("VAULTCAST__ADMIN__BIND", ""),
            ("VAULTCAST__DATABASE__MIGRATE", "false"),
            ("VAULTCAST__DATABASE__SYNCHRONOUS", "normal"),
            (
                "VAULTCAST__DATABASE__URL",
                "postgres://ana:{[secret,]}@db/vaultcast",
            ),
            ("VAULTCAST__AUTH__ACCEPT", r#"["jwt"]"#),
            ("VAULTCAST__SOCKETIO__RECOVERY_WINDOW", "0s"),
            ("VAULTCAST__JOURNAL__RETAIN_FOR", "1d 12h"),
            ("VAULTCAST__LIMITS__SOCKETS", "5000"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.bind, bind("[::1]:0"));
    let origins: Vec<_> = config
        .server
        .allowed_origins
        .iter()
        .map(|origin| origin.as_str())
        .collect();
    assert_eq!(origins, ["https://a.example", "http://localhost:5173"]);
    assert!(config.server.trusted_proxies[0].contains("10.1.2.3".parse().unwrap()));
    assert!(config.server.trusted_proxies[1].contains("::1".parse().unwrap()));
    assert_eq!(config.admin.bind, None);
    assert!(!config.database.migrate);
    assert_eq!(config.database.synchronous, Synchronous::Normal);
    assert_eq!(
        config.database.url.expose(),
        "postgres://ana:{[secret,]}@db/vaultcast"
    );
    assert_eq!(config.auth.accept, [TokenKind::Jwt]);
    assert_eq!(config.socketio.recovery_window, Duration::ZERO);
    assert_eq!(config.journal.retain_for, Duration::from_secs(36 * 3600));
    assert_eq!(config.limits.sockets, 5000);
}

#[test]
fn port_and_database_url_have_the_last_word() {
    let config = load(
        "[server]\nbind = \"0.0.0.0:1\"\n",
        &[
            ("PORT", "8080"),
            ("DATABASE_URL", "postgres://db/v"),
            ("VAULTCAST__SERVER__BIND", "127.0.0.2:2"),
            ("VAULTCAST__DATABASE__URL", "sqlite://other.db"),
        ],
    )
    .unwrap();
    assert_eq!(config.server.bind, bind("127.0.0.2:8080"));
    assert_eq!(config.database.url.expose(), "postgres://db/v");
}

#[test]
fn port_and_database_url_left_empty_are_not_set() {
    assert_eq!(
        load("", &[("PORT", ""), ("DATABASE_URL", "")]),
        Ok(Config::default())
    );
}

#[test]
fn a_port_that_is_none_is_refused() {
    for port in ["http", "-1", "+80", "65536", "80 "] {
        let error = load("", &[("PORT", port)]).unwrap_err();
        assert_eq!(
            error,
            format!("server.bind: {port:?} is not a port from 0 to 65535 (from PORT)")
        );
    }
}

#[test]
fn the_demo_has_a_database_of_its_own_unless_told_otherwise() {
    let demo = |env: &[(&str, &str)]| {
        let file = file("[database]\nurl = \"sqlite://real.db\"\n");
        Config::load_for_demo(Some(file.path()), env.iter().copied())
            .unwrap()
            .database
            .url
    };
    assert_eq!(demo(&[]).expose(), "sqlite://vaultcast-demo.db");
    assert_eq!(
        demo(&[("DATABASE_URL", "")]).expose(),
        "sqlite://vaultcast-demo.db"
    );
    assert_eq!(
        demo(&[("DATABASE_URL", "sqlite://mine.db")]).expose(),
        "sqlite://mine.db"
    );
}

#[test]
fn a_named_file_has_to_exist() {
    let missing = tempfile::tempdir().unwrap().path().join("mine.toml");
    let error = load_from(&missing, &[]).unwrap_err();
    assert!(
        error.starts_with(&format!("cannot read {}: ", missing.display())),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    let file = file("[server]\nbind = \"127.0.0.1:1\"\nmax_body 5\n");
    let error = load_from(file.path(), &[]).unwrap_err();
    assert!(
        error.starts_with(&format!("{}, line 3: ", file.path().display())),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn an_unknown_key_is_refused_wherever_it_is_set() {
    for (text, key) in [
        ("[actors]\ncommit_bach = 5\n", "actors.commit_bach"),
        ("[actor]\ncommit_batch = 5\n", "actor"),
        ("bind = \"127.0.0.1:1\"\n", "bind"),
    ] {
        let file = file(text);
        let error = load_from(file.path(), &[]).unwrap_err();
        assert_eq!(
            error,
            format!(
                "{key}: there is no such key (from {})",
                file.path().display()
            )
        );
    }
    for (name, key) in [
        ("VAULTCAST__ACTORS__COMMIT_BACH", "actors.commit_bach"),
        ("VAULTCAST__ACTOR__COMMIT_BATCH", "actor"),
        ("VAULTCAST__", ""),
    ] {
        let error = load("", &[(name, "5")]).unwrap_err();
        assert_eq!(error, format!("{key}: there is no such key (from {name})"));
    }
}

#[test]
fn a_value_where_a_section_belongs_is_refused() {
    let error = load("", &[("VAULTCAST__SERVER", "127.0.0.1:1")]).unwrap_err();
    assert_eq!(
        error,
        r#"server: "127.0.0.1:1" is not a section with keys (from VAULTCAST__SERVER)"#
    );
    let error = load("", &[("VAULTCAST__SERVER__BIND__PORT", "1")]).unwrap_err();
    assert!(
        error.starts_with("server.bind: a table is not an address"),
        "{error}"
    );
}

#[test]
fn who_accepts_no_kind_of_token_is_told() {
    let error = load("", &[("VAULTCAST__AUTH__ACCEPT", "[]")]).unwrap_err();
    let problem = "auth.accept: [] is not a list with at least one item";
    assert_eq!(error, format!("{problem} (from VAULTCAST__AUTH__ACCEPT)"));
}

#[test]
fn the_columns_of_sessions_are_named_in_full_or_not_at_all() {
    let error = load("", &[("VAULTCAST__AUTH__SESSION_COLUMNS", r#"["a", "b"]"#)]).unwrap_err();
    let problem = "auth.session_columns: a list of 3 is needed, not of 2";
    let origin = "VAULTCAST__AUTH__SESSION_COLUMNS";
    assert_eq!(error, format!("{problem} (from {origin})"));
}

#[test]
fn the_database_of_sessions_is_shown_without_its_password() {
    let url = "postgresql://ana:hunter2@db/app?schema=public";
    let config = load("", &[("VAULTCAST__AUTH__DATABASE_URL", url)]).unwrap();
    assert_eq!(config.auth.database_url.as_ref().unwrap().expose(), url);
    assert!(config.to_string().contains("ana:***@db/app"));
    assert!(!format!("{config} {config:?}").contains("hunter2"));
}

#[test]
fn a_wrong_database_is_shown_without_its_password() {
    let error = load("", &[("DATABASE_URL", "mysql://ana:hunter2@db/v")]).unwrap_err();
    assert!(
        error.starts_with(r#"database.url: "mysql://ana:***@db/v" is not "#),
        "{error}"
    );
    assert!(error.ends_with(" (from DATABASE_URL)"), "{error}");
}

#[test]
fn limits_can_be_lifted_with_zero() {
    let keys = [
        "mutations_per_second",
        "socket_events_per_second",
        "joins_per_socket",
        "sockets",
    ];
    let text = keys.map(|key| format!("{key} = 0\n")).concat();
    assert_eq!(
        load(&format!("[limits]\n{text}"), &[])
            .unwrap()
            .limits
            .joins_per_socket,
        0
    );
}

#[test]
fn what_does_not_work_yet_stops_the_start_and_says_so() {
    let file = file("[socketio]\nallow_eio3 = true\n");
    let error = load_from(file.path(), &[]).unwrap_err();
    let origin = file.path().display();
    assert_eq!(
        error,
        format!("socketio.allow_eio3: true is not supported yet (from {origin})")
    );
}

#[test]
fn the_effective_configuration_is_shown_as_a_file_that_means_the_same() {
    let config = load("", &[("VAULTCAST__ADMIN__BIND", ""), ("PORT", "8080")]).unwrap();
    assert_eq!(load(&config.to_string(), &[]), Ok(config));
}

#[test]
fn the_effective_configuration_is_shown_without_the_password() {
    let config = load(
        "",
        &[(
            "DATABASE_URL",
            "postgres://ana:hunter2@db/v?sslmode=require",
        )],
    )
    .unwrap();
    assert!(
        config
            .to_string()
            .contains(r#"url = "postgres://ana:***@db/v?sslmode=require""#)
    );
    assert!(!format!("{config} {config:?}").contains("hunter2"));
    assert_eq!(
        config.database.url.expose(),
        "postgres://ana:hunter2@db/v?sslmode=require"
    );
}

#[test]
fn a_demo_or_a_generated_secret_keeps_the_service_on_this_machine() {
    let server = |bind: &str| load("", &[("VAULTCAST__SERVER__BIND", bind)]).unwrap();
    for bind in ["127.0.0.1:3000", "127.8.8.8:3000", "[::1]:3000"] {
        assert!(server(bind).require_loopback(LoopbackOnly::Demo).is_ok());
    }
    let error = server("0.0.0.0:3000")
        .require_loopback(LoopbackOnly::GeneratedSecret)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "server.bind: 0.0.0.0:3000 is not a loopback address, and with a secret that it made itself \
         the service listens to nothing else: set AUTH_SECRET"
    );
    let error = server("[::]:3000")
        .require_loopback(LoopbackOnly::Demo)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the demo, which signs in whoever asks, listens to nothing else")
    );
    let admin = load("", &[("VAULTCAST__ADMIN__BIND", "0.0.0.0:9300")]).unwrap();
    let error = admin.require_loopback(LoopbackOnly::Demo).unwrap_err();
    assert!(error.to_string().starts_with("admin.bind: 0.0.0.0:9300 "));
}

#[test]
fn what_is_logged_is_set_like_all_else_and_rust_log_has_the_last_word() {
    let file = "[telemetry]\nlog_level = \"debug\"\nlog_format = \"json\"\n";
    let config = load(file, &[("RUST_LOG", "")]).unwrap();
    assert_eq!(config.telemetry.log_level.to_string(), "debug");
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    let variables = [
        ("RUST_LOG", "warn,vaultcast::journal=trace"),
        ("VAULTCAST__TELEMETRY__LOG_LEVEL", "info"),
    ];
    let config = load(file, &variables).unwrap();
    assert_eq!(
        config.telemetry.log_level.to_string(),
        "warn,vaultcast::journal=trace"
    );

    let refused = load("", &[("RUST_LOG", "verbose")]).unwrap_err();
    assert!(
        refused.starts_with("telemetry.log_level: \"verbose\" is not "),
        "{refused}"
    );
    assert!(refused.ends_with("(from RUST_LOG)"), "{refused}");
    let refused = load("[telemetry]\nlog_format = \"xml\"\n", &[]).unwrap_err();
    assert!(
        refused.starts_with("telemetry.log_format: \"xml\" is not "),
        "{refused}"
    );
}
