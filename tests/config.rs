//! The configuration from the operator's side: the shipped file, the variables that override it, and the error
//! messages for invalid settings.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::NamedTempFile;
use toml::{Table, Value};
use vaultcast::config::{
    BusChoice, Config, LogFormat, LoopbackReason, Synchronous, TokenKind, WebSocketTransport,
};

const SHIPPED: &str = include_str!("../config.toml");

/// Writes a configuration file with this text.
fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

/// Loads the configuration of a file with this text and of these variables.
fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    load_from(file(text).path(), env)
}

fn load_from(path: &Path, env: &[(&str, &str)]) -> Result<Config, String> {
    Config::load(Some(path), env.iter().copied()).map_err(|error| error.to_string())
}

/// Returns all keys in dotted form.
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

fn socket_address(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[test]
fn shipped_file_lists_every_key_with_its_default() {
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
fn shipped_file_explains_every_key() {
    let mut before = "";
    for line in SHIPPED.lines() {
        if line.contains(" = ") && !line.starts_with('#') {
            assert!(before.starts_with("# "), "{line} has no comment");
        }
        before = line;
    }
}

#[test]
fn sessions_page_names_every_auth_key_and_no_unknown_key() {
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
fn defaults_are_the_documented_values() {
    let config = Config::default();
    assert_eq!(config.server.bind, socket_address("127.0.0.1:3000"));
    assert_eq!(config.server.base_path.as_str(), "");
    assert_eq!(config.server.max_body, 1_048_576);
    assert_eq!(config.server.max_connections, 0);
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(10));
    assert_eq!(config.server.drain_delay, Duration::ZERO);
    assert_eq!(config.server.drain_rate, 0);
    assert!(!config.server.page);
    assert_eq!(config.admin.bind, Some(socket_address("127.0.0.1:9300")));
    assert_eq!(config.database.url.expose(), "sqlite://vaultcast.db");
    assert_eq!(config.database.synchronous, Synchronous::Full);
    assert_eq!(config.database.max_connections, 0);
    assert_eq!(config.cluster.bus, BusChoice::Auto);
    assert_eq!(config.cluster.node, None);
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
    assert_eq!(config.socketio.recovery_events, 32_768);
    assert_eq!(config.socketio.transport, WebSocketTransport::Auto);
    assert_eq!(config.actors.vault_mailbox, 1024);
    assert_eq!(config.actors.commit_batch, 256);
    assert_eq!(config.actors.session_outbox, 1024);
    assert_eq!(config.actors.session_outbox_bytes, 4_194_304);
    assert_eq!(config.actors.relay_mailbox, 8192);
    assert_eq!(config.actors.join_timeout, Duration::from_secs(10));
    assert_eq!(config.actors.vault_idle, Duration::from_secs(300));
    assert_eq!(config.actors.vault_memory, 268_435_456);
    assert_eq!(config.journal.retain_events, 100_000);
    assert_eq!(config.journal.retain_for, Duration::from_secs(30 * 86_400));
    assert_eq!(config.limits.mutations_per_second, 100);
    assert_eq!(config.limits.reads_per_second, 100);
    assert_eq!(config.limits.socket_events_per_second, 100);
    assert_eq!(config.limits.socket_bytes_per_second, 4_000_000);
    assert_eq!(config.limits.joins_per_socket, 1000);
    assert_eq!(config.limits.sockets, 0);
}

#[test]
fn drain_delay_must_be_shorter_than_the_shutdown_grace() {
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
fn bus_between_nodes_needs_postgres() {
    for bus in ["postgres", "redis://cache"] {
        let found = load(&format!("[cluster]\nbus = \"{bus}\"\n"), &[]).unwrap_err();
        let expected =
            format!("cluster.bus: \"{bus}\" needs a database.url that begins with \"postgres://\"");
        assert!(found.starts_with(&expected), "{found}");
        let env = [
            ("DATABASE_URL", "postgres://db/v"),
            ("VAULTCAST__CLUSTER__BUS", bus),
        ];
        assert_eq!(load("", &env).unwrap().cluster.bus, bus.parse().unwrap());
    }
}

#[test]
fn variable_overrides_the_file_and_the_file_overrides_the_default() {
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
fn variable_can_set_every_type_of_value() {
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
    assert_eq!(config.server.bind, socket_address("[::1]:0"));
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
fn port_and_database_url_override_all_other_settings() {
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
    assert_eq!(config.server.bind, socket_address("127.0.0.2:8080"));
    assert_eq!(config.database.url.expose(), "postgres://db/v");
}

#[test]
fn empty_port_and_database_url_are_ignored() {
    assert_eq!(
        load("", &[("PORT", ""), ("DATABASE_URL", "")]),
        Ok(Config::default())
    );
}

#[test]
fn invalid_port_is_rejected() {
    for port in ["http", "-1", "+80", "65536", "8 0"] {
        let error = load("", &[("PORT", port)]).unwrap_err();
        assert_eq!(
            error,
            format!("server.bind: {port:?} is not a port from 0 to 65535 (from PORT)")
        );
    }
}

#[test]
fn demo_uses_a_separate_database_unless_database_url_names_one() {
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
fn demo_serves_the_page_unless_a_variable_disables_it() {
    let demo = |env: &[(&str, &str)]| {
        let file = file("[server]\npage = false\n");
        let config = Config::load_for_demo(Some(file.path()), env.iter().copied());
        config.unwrap().server.page
    };
    assert!(demo(&[]));
    assert!(!demo(&[("VAULTCAST__SERVER__PAGE", "false")]));
}

#[test]
fn named_file_must_exist() {
    let missing = tempfile::tempdir().unwrap().path().join("mine.toml");
    let error = load_from(&missing, &[]).unwrap_err();
    assert!(
        error.starts_with(&format!("cannot read {}: ", missing.display())),
        "{error}"
    );
}

#[test]
fn malformed_file_is_rejected_with_its_line_number() {
    let file = file("[server]\nbind = \"127.0.0.1:1\"\nmax_body 5\n");
    let error = load_from(file.path(), &[]).unwrap_err();
    assert!(
        error.starts_with(&format!("{}, line 3: ", file.path().display())),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn unknown_key_is_rejected_in_the_file_and_in_variables() {
    for (text, key) in [
        ("[actors]\ncommit_bach = 5\n", "actors.commit_bach"),
        ("[actor]\ncommit_batch = 5\n", "actor"),
        ("bind = \"127.0.0.1:1\"\n", "bind"),
    ] {
        let file = file(text);
        let error = load_from(file.path(), &[]).unwrap_err();
        assert_eq!(
            error,
            format!("{key}: unknown key (from {})", file.path().display())
        );
    }
    for (name, key) in [
        ("VAULTCAST__ACTORS__COMMIT_BACH", "actors.commit_bach"),
        ("VAULTCAST__ACTOR__COMMIT_BATCH", "actor"),
        ("VAULTCAST__", ""),
    ] {
        let error = load("", &[(name, "5")]).unwrap_err();
        assert_eq!(error, format!("{key}: unknown key (from {name})"));
    }
}

#[test]
fn value_in_place_of_a_section_is_rejected() {
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
fn empty_list_of_token_kinds_is_rejected() {
    let error = load("", &[("VAULTCAST__AUTH__ACCEPT", "[]")]).unwrap_err();
    let problem = "auth.accept: [] is not a list with at least one item";
    assert_eq!(error, format!("{problem} (from VAULTCAST__AUTH__ACCEPT)"));
}

#[test]
fn incomplete_list_of_session_columns_is_rejected() {
    let error = load("", &[("VAULTCAST__AUTH__SESSION_COLUMNS", r#"["a", "b"]"#)]).unwrap_err();
    let problem = "auth.session_columns: expected a list of 3 items, found 2";
    let origin = "VAULTCAST__AUTH__SESSION_COLUMNS";
    assert_eq!(error, format!("{problem} (from {origin})"));
}

#[test]
fn session_database_is_displayed_without_its_password() {
    let url = "postgresql://ana:hunter2@db/app?schema=public";
    let config = load("", &[("VAULTCAST__AUTH__DATABASE_URL", url)]).unwrap();
    assert_eq!(config.auth.database_url.as_ref().unwrap().expose(), url);
    assert!(config.to_string().contains("ana:***@db/app"));
    assert!(!format!("{config} {config:?}").contains("hunter2"));
}

#[test]
fn invalid_database_url_is_displayed_without_its_password() {
    let error = load("", &[("DATABASE_URL", "mysql://ana:hunter2@db/v")]).unwrap_err();
    assert!(
        error.starts_with(r#"database.url: "mysql://ana:***@db/v" is not "#),
        "{error}"
    );
    assert!(error.ends_with(" (from DATABASE_URL)"), "{error}");
}

#[test]
fn zero_disables_a_limit() {
    let keys = [
        "mutations_per_second",
        "reads_per_second",
        "socket_events_per_second",
        "socket_bytes_per_second",
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
fn clients_of_socketio_2_are_served_only_if_allowed() {
    assert!(!load("", &[]).unwrap().socketio.allow_eio3);
    let allowed = load("[socketio]\nallow_eio3 = true\n", &[]).unwrap();
    assert!(allowed.socketio.allow_eio3);
}

#[test]
fn displayed_configuration_is_a_file_with_the_same_values() {
    let config = load("", &[("VAULTCAST__ADMIN__BIND", ""), ("PORT", "8080")]).unwrap();
    assert_eq!(load(&config.to_string(), &[]), Ok(config));
}

#[test]
fn displayed_configuration_hides_the_password() {
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
fn demo_and_generated_secret_require_loopback_listeners() {
    let server = |bind: &str| load("", &[("VAULTCAST__SERVER__BIND", bind)]).unwrap();
    for bind in ["127.0.0.1:3000", "127.8.8.8:3000", "[::1]:3000"] {
        assert!(server(bind).require_loopback(LoopbackReason::Demo).is_ok());
    }
    let error = server("0.0.0.0:3000")
        .require_loopback(LoopbackReason::GeneratedSecret)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "server.bind: 0.0.0.0:3000 is not a loopback address, and a service with a generated \
         secret listens only on loopback: set AUTH_SECRET"
    );
    let error = server("[::]:3000")
        .require_loopback(LoopbackReason::Demo)
        .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("the demo, which signs in every visitor, listens only on loopback")
    );
    let admin = load("", &[("VAULTCAST__ADMIN__BIND", "0.0.0.0:9300")]).unwrap();
    let error = admin.require_loopback(LoopbackReason::Demo).unwrap_err();
    assert!(error.to_string().starts_with("admin.bind: 0.0.0.0:9300 "));
}

#[test]
fn rust_log_overrides_the_configured_log_level() {
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

/// What a text must not begin or end with, and how an error calls it.
const FLAWS: [(&str, &str); 6] = [
    ("\n", "a line break"),
    ("\r\n", "a line break"),
    (" ", "a blank or a control character"),
    ("\t", "a blank or a control character"),
    ("\u{a0}", "a blank or a control character"),
    ("\u{7f}", "a blank or a control character"),
];

/// Asserts that a variable is accepted with this value, and refused by name with a blank or a control character at either end.
fn assert_ends_are_checked(variable: &str, key: &str, value: &str) {
    assert!(load("", &[(variable, value)]).is_ok(), "{variable}={value}");
    for (flaw, name) in FLAWS {
        for value in [format!("{value}{flaw}"), format!("{flaw}{value}")] {
            let refused = load("", &[(variable, &value)]).unwrap_err();
            let expected =
                format!("{key}: {value:?} begins or ends with {name}: remove it (from {variable})");
            assert_eq!(refused, expected);
        }
    }
}

#[test]
fn value_with_a_blank_or_control_character_at_an_end_is_refused_by_name_for_every_key() {
    assert_ends_are_checked("PORT", "server.bind", "4000");
    assert_ends_are_checked("RUST_LOG", "telemetry.log_level", "debug");
    assert_ends_are_checked("DATABASE_URL", "database.url", "sqlite://v.db");
    assert_ends_are_checked("DATABASE_URL", "database.url", "postgres://db/vaultcast");
    let sections: Table = Config::default().to_string().parse().unwrap();
    for (section, keys) in &sections {
        for (name, value) in keys.as_table().unwrap() {
            let key = format!("{section}.{name}");
            let value = match value.as_str() {
                Some("") => continue,
                Some(text) => text.to_owned(),
                None => value.to_string(),
            };
            let variable = format!("VAULTCAST__{}", key.replace('.', "__").to_uppercase());
            assert_ends_are_checked(&variable, &key, &value);
        }
    }
    assert_ends_are_checked(
        "VAULTCAST__AUTH__JWT_AUDIENCE",
        "auth.jwt_audience",
        "vaults",
    );
}

#[test]
fn text_in_the_file_or_in_a_list_with_a_blank_at_an_end_is_refused() {
    for (text, problem) in [
        (
            "[database]\nurl = \"sqlite://v.db\\n\"",
            r#"database.url: "sqlite://v.db\n" begins"#,
        ),
        (
            "[auth]\njwt_audience = \" vaults\"",
            r#"auth.jwt_audience: " vaults" begins"#,
        ),
        (
            "[auth]\nid_claims = [\"id\", \"sub \"]",
            r#"auth.id_claims: "sub " begins"#,
        ),
        (
            "[database]\nurl = \"postgres://db/v\\tw\"",
            r#"database.url: "postgres://db/v\tw" contains a control character"#,
        ),
        (
            "[actors]\njoin_timeout = \" 5s\"",
            r#"actors.join_timeout: " 5s" begins"#,
        ),
    ] {
        let refused = load(text, &[]).unwrap_err();
        assert!(refused.starts_with(problem), "{refused}");
    }
    let refused = load("", &[("DATABASE_URL", "postgres://db/v\nw")]).unwrap_err();
    assert!(
        refused.starts_with(r#"database.url: "postgres://db/v\nw" contains"#),
        "{refused}"
    );
    let list = ("VAULTCAST__AUTH__ID_CLAIMS", "[\"id\",\n \"sub\"]");
    assert!(load("", &[list]).is_ok(), "a list may have several lines");
}

#[test]
fn value_that_is_not_unicode_is_refused_by_name() {
    let refused = load("", &[("VAULTCAST__AUTH__JWT_AUDIENCE", "vault\u{fffd}")]);
    let expected =
        "auth.jwt_audience: \"vault\u{fffd}\" is not UTF-8 (from VAULTCAST__AUTH__JWT_AUDIENCE)";
    assert_eq!(refused.unwrap_err(), expected);
}

#[test]
fn password_in_a_refused_url_is_not_displayed() {
    let refused = load("", &[("DATABASE_URL", "postgres://ana:hunter2@db/v\n")]).unwrap_err();
    assert!(!refused.contains("hunter2"), "{refused}");
}
