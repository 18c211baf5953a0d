//! Every key with values that do not fit it, and what is said of them.

use super::Config;

/// Lines with a wrong value, as it stands in the file and in the environment, and what is allowed.
const WRONG: &str = r#"
server.bind = "localhost" -> an address and a port, such as "127.0.0.1:3000"
server.bind = 3000 -> an address and a port, such as "127.0.0.1:3000"
server.allowed_origins = "https://a.example" -> a list, such as ["a", "b"]
server.allowed_origins = ["https://a.example/"] -> an origin, such as "https://example.com:8443", without a path
server.max_body = 0 -> a whole number from 1 to 1073741824
server.shutdown_grace = "0s" -> a duration from "1ms" to "1day", with its unit
server.drain_delay = "2days" -> a duration from "0s" to "1day", with its unit
server.drain_rate = -1 -> a whole number from 0 to 1000000
server.trusted_proxies = ["10.0.0.0/40"] -> an address or a network, such as "10.1.2.3" or "10.0.0.0/8"
server.trusted_proxies = [10] -> an address or a network, such as "10.1.2.3" or "10.0.0.0/8"
admin.bind = "off" -> an address and a port, such as "127.0.0.1:3000", or "" for none
database.url = "mysql://db/v" -> "sqlite://FILE" (no ? or % in it) or "postgres://HOST/DATABASE"
database.synchronous = "off" -> "full" or "normal"
database.migrate = "yes" -> true or false
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
socketio.allow_eio3 = 1 -> true or false
actors.vault_mailbox = 0 -> a whole number from 1 to 1000000
actors.commit_batch = 10001 -> a whole number from 1 to 10000
actors.commit_batch = 2.5 -> a whole number from 1 to 10000
actors.commit_batch = true -> a whole number from 1 to 10000
actors.session_outbox = 63 -> a whole number from 64 to 1000000
actors.session_outbox_bytes = 524287 -> a whole number from 524288 to 1073741824
actors.relay_mailbox = "many" -> a whole number from 1 to 1000000
actors.join_timeout = 10 -> a duration from "1ms" to "1day", with its unit
actors.vault_idle = "25h" -> a duration from "0s" to "1day", with its unit
journal.retain_events = 0 -> a whole number from 1 to 1000000000000
journal.retain_for = "0s" -> a duration from "1ms" to "100years", with its unit
limits.mutations_per_second = -1 -> a whole number from 0 to 1000000
limits.socket_events_per_second = -1 -> a whole number from 0 to 1000000
limits.joins_per_socket = -1 -> a whole number from 0 to 1000000
limits.sockets_per_user = -1 -> a whole number from 0 to 1000000
limits.sockets_per_address = -1 -> a whole number from 0 to 1000000
limits.sockets = 4294967296 -> a whole number from 0 to 100000000
telemetry.log_format = "xml" -> "auto", "pretty", "plain" or "json"
telemetry.log_level = "verbose" -> "error", "warn", "info", "debug", "trace" or "off", or such for each target, as in "warn,vaultcast=debug"
"#;

/// The same lines as key, value and what is allowed.
fn wrong() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    WRONG.trim().lines().map(|line| {
        let (assignment, allowed) = line.split_once(" -> ").unwrap();
        let (key, value) = assignment.split_once(" = ").unwrap();
        (key, value, allowed)
    })
}

#[test]
fn a_wrong_value_is_refused_in_one_line_with_key_value_range_and_origin() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path();
    for (key, value, allowed) in wrong() {
        let (section, name) = key.split_once('.').unwrap();
        // Of a list, the item that is wrong is shown.
        let shown = value.trim_matches(['[', ']']);
        std::fs::write(path, format!("[{section}]\n{name} = {value}\n")).unwrap();
        let error = Config::load(Some(path), [("HOME", "/")])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("{key}: {shown} is not {allowed} (from {})", path.display())
        );

        let variable = format!("VAULTCAST__{}", key.replace('.', "__").to_uppercase());
        std::fs::write(path, "").unwrap();
        let error = Config::load(Some(path), [(variable.as_str(), value)])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("{key}: {shown} is not {allowed} (from {variable})")
        );
    }
}

#[test]
fn every_key_has_its_range() {
    let sections: toml::Table = Config::default().to_string().parse().unwrap();
    for (section, keys) in &sections {
        for key in keys.as_table().unwrap().keys() {
            let key = format!("{section}.{key}");
            assert!(
                wrong().any(|(tried, ..)| tried == key),
                "nothing is wrong for {key}"
            );
        }
    }
}
