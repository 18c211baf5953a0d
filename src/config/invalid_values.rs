//! Invalid values for every key, and the error message of each.

use super::effective::Config;

/// One invalid value per line, in the syntax of the file and the environment, and what is accepted instead.
const INVALID_VALUES: &str = r#"
server.bind = "localhost" -> an address and a port, such as "127.0.0.1:3000"
server.bind = 3000 -> an address and a port, such as "127.0.0.1:3000"
server.base_path = "v1" -> "" or a path such as "/v1": segments of letters, digits, "-", "_", "." and "~", without "/" at the end
server.base_path = "/v1/" -> "" or a path such as "/v1": segments of letters, digits, "-", "_", "." and "~", without "/" at the end
server.base_path = "/v1//api" -> "" or a path such as "/v1": segments of letters, digits, "-", "_", "." and "~", without "/" at the end
server.base_path = "/v1?a=b" -> "" or a path such as "/v1": segments of letters, digits, "-", "_", "." and "~", without "/" at the end
server.base_path = "/v%31" -> "" or a path such as "/v1": segments of letters, digits, "-", "_", "." and "~", without "/" at the end
server.base_path = "/socket.io" -> "" or a path such as "/v1": segments of letters, digits, "-", "_", "." and "~", without "/" at the end
server.base_path = 1 -> "" or a path such as "/v1": segments of letters, digits, "-", "_", "." and "~", without "/" at the end
server.allowed_origins = "https://a.example" -> a list, such as ["a", "b"]
server.allowed_origins = ["https://a.example/"] -> an origin without a path, such as "https://example.com:8443", "capacitor://localhost" or "file://"
server.max_body = 0 -> a whole number from 1 to 1073741824
server.max_connections = -1 -> a whole number from 0 to 100000000
server.shutdown_grace = "0s" -> a duration from "1ms" to "1day", with its unit
server.drain_delay = "2days" -> a duration from "0s" to "1day", with its unit
server.drain_rate = -1 -> a whole number from 0 to 1000000
server.page = "yes" -> true or false
server.trusted_proxies = ["10.0.0.0/40"] -> an address or a network, such as "10.1.2.3" or "10.0.0.0/8"
server.trusted_proxies = [10] -> an address or a network, such as "10.1.2.3" or "10.0.0.0/8"
admin.bind = "off" -> an address and a port, such as "127.0.0.1:3000", or "" for none
database.url = "mysql://db/v" -> "sqlite://FILE" (no ? or % in it) or "postgres://HOST/DATABASE"
database.synchronous = "off" -> "full" or "normal"
database.max_connections = 5 -> 0 or a whole number from 6 to 10000
database.max_connections = 10001 -> a whole number from 0 to 10000
database.migrate = "yes" -> true or false
cluster.bus = "nats://bus" -> "auto", "postgres", "off", "redis://HOST" or "rediss://HOST"
cluster.node = "the first node" -> a name of 1 to 64 visible ASCII characters
auth.strategy = "cookie" -> "jwt" or "database"
auth.accept = ["paseto"] -> "authjs", "next-auth" or "jwt"
auth.cookies = ["my session"] -> the name of a cookie
auth.cookies = "sid" -> a list, such as ["a", "b"]
auth.id_claims = ["user..id"] -> the name of a claim, or a path such as "user.id"
auth.jwt_audience = 5 -> the name of an audience
auth.database_url = "mysql://db/v" -> "sqlite://FILE" (no ? or % in it) or "postgres://HOST/DATABASE"
auth.session_table = "a.b.c" -> the name of a table, or of a schema and a table such as "auth.Session"
auth.session_columns = ["session token"] -> the name of a column
auth.session_columns = "sessionToken" -> a list, such as ["a", "b"]
auth.user_table = "" -> the name of a table, or of a schema and a table such as "auth.Session"
auth.user_columns = [5] -> the name of a column
auth.recheck = 60 -> a duration from "0s" to "1day", with its unit
socketio.ping_interval = "0s" -> a duration from "10ms" to "1day", with its unit
socketio.ping_timeout = "2days" -> a duration from "10ms" to "1day", with its unit
socketio.max_payload = 999 -> a whole number from 1000 to 100000000
socketio.connect_timeout = "soon" -> a duration from "1ms" to "1day", with its unit
socketio.recovery_window = "-2m" -> a duration from "0s" to "1day", with its unit
socketio.recovery_events = 63 -> a whole number from 64 to 1000000
socketio.transport = "polling" -> "auto" or "actix-ws"
socketio.allow_eio3 = 1 -> true or false
actors.vault_mailbox = 0 -> a whole number from 1 to 1000000
actors.commit_batch = 10001 -> a whole number from 1 to 10000
actors.commit_batch = 2.5 -> a whole number from 1 to 10000
actors.commit_batch = true -> a whole number from 1 to 10000
actors.session_outbox = 63 -> a whole number from 64 to 1000000
actors.session_outbox_bytes = 524287 -> a whole number from 524288 to 1073741824
actors.relay_mailbox = "many" -> a whole number from 1 to 1000000
actors.join_timeout = 10 -> a duration from "1ms" to "1day", with its unit
actors.vault_idle = "0s" -> a duration from "1s" to "1day", with its unit
actors.vault_idle = "999ms" -> a duration from "1s" to "1day", with its unit
actors.vault_idle = "25h" -> a duration from "1s" to "1day", with its unit
actors.vault_memory = 1048575 -> a whole number from 1048576 to 1099511627776
journal.retain_events = 0 -> a whole number from 1 to 1000000000000
journal.retain_for = "0s" -> a duration from "1ms" to "100years", with its unit
import.vault_table = "a.b.c" -> the name of a table, or of a schema and a table such as "auth.Session"
import.vault_columns = ["a;b"] -> the name of a column
import.member_table = "" -> the name of a table, or of a schema and a table such as "auth.Session"
import.member_columns = [""] -> the name of a column
import.source_table = "So urce" -> the name of a table, or of a schema and a table such as "auth.Session"
import.source_columns = ["a.b"] -> the name of a column
import.user_table = 5 -> the name of a table, or of a schema and a table such as "auth.Session"
import.user_columns = [5] -> the name of a column
limits.mutations_per_second = -1 -> a whole number from 0 to 1000000
limits.reads_per_second = 1000001 -> a whole number from 0 to 1000000
limits.socket_events_per_second = -1 -> a whole number from 0 to 1000000
limits.socket_bytes_per_second = 1000000001 -> a whole number from 0 to 1000000000
limits.joins_per_socket = -1 -> a whole number from 0 to 1000000
limits.sockets_per_user = -1 -> a whole number from 0 to 1000000
limits.sockets_per_address = -1 -> a whole number from 0 to 1000000
limits.sockets = 4294967296 -> a whole number from 0 to 100000000
telemetry.log_format = "xml" -> "auto", "pretty", "plain" or "json"
telemetry.log_level = "verbose" -> "error", "warn", "info", "debug", "trace" or "off", or one level per target, such as "warn,vaultcast=debug"
"#;

struct InvalidValue {
    key: &'static str,
    value: &'static str,
    accepted: &'static str,
}

/// Parses [`INVALID_VALUES`].
fn invalid_values() -> impl Iterator<Item = InvalidValue> {
    INVALID_VALUES.trim().lines().map(|line| {
        let (assignment, accepted) = line.split_once(" -> ").unwrap();
        let (key, value) = assignment.split_once(" = ").unwrap();
        InvalidValue {
            key,
            value,
            accepted,
        }
    })
}

#[test]
fn invalid_value_is_rejected_in_one_line_with_key_value_range_and_origin() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path();
    for invalid in invalid_values() {
        let InvalidValue {
            key,
            value,
            accepted,
        } = invalid;
        let (section, name) = key.split_once('.').unwrap();
        // For a list, the error displays the invalid item.
        let displayed = value.trim_matches(['[', ']']);
        std::fs::write(path, format!("[{section}]\n{name} = {value}\n")).unwrap();
        let error = Config::load(Some(path), [("HOME", "/")])
            .unwrap_err()
            .to_string();
        let origin = path.display();
        assert_eq!(
            error,
            format!("{key}: {displayed} is not {accepted} (from {origin})")
        );

        let variable = format!("VAULTCAST__{}", key.replace('.', "__").to_uppercase());
        std::fs::write(path, "").unwrap();
        let error = Config::load(Some(path), [(variable.as_str(), value)])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("{key}: {displayed} is not {accepted} (from {variable})")
        );
    }
}

#[test]
fn every_key_has_an_invalid_value() {
    let sections: toml::Table = Config::default().to_string().parse().unwrap();
    for (section, keys) in &sections {
        for key in keys.as_table().unwrap().keys() {
            let key = format!("{section}.{key}");
            assert!(
                invalid_values().any(|invalid| invalid.key == key),
                "no invalid value is listed for {key}"
            );
        }
    }
}

/// Durations for which zero disables the wait. A repeating timer needs a minimum, because a zero interval would occupy a
/// core.
const MAY_BE_ZERO: [&str; 3] = [
    "server.drain_delay",
    "auth.recheck",
    "socketio.recovery_window",
];

#[test]
fn every_other_duration_has_a_minimum() {
    let sections: toml::Table = Config::default().to_string().parse().unwrap();
    for (section, keys) in &sections {
        for (key, value) in keys.as_table().unwrap() {
            let Some(text) = value.as_str() else { continue };
            if humantime::parse_duration(text).is_err() {
                continue;
            }
            let key = format!("{section}.{key}");
            let variable = format!("VAULTCAST__{}", key.replace('.', "__").to_uppercase());
            for value in ["0s", "1ns"] {
                let loaded = Config::load(None, [(variable.as_str(), value)]);
                let is_accepted = MAY_BE_ZERO.contains(&key.as_str());
                assert_eq!(loaded.is_ok(), is_accepted, "{key} = {value}");
            }
        }
    }
}
