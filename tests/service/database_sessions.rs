//! Database sessions: user sessions that the service looks up in the application's database, caches for `auth.recheck`,
//! and treats as ended when their row is deleted, expires or belongs to another user.

use std::time::Duration;

use sea_orm::{ConnectionTrait, TransactionTrait};
use serde_json::json;
use vaultcast::{
    auth::Secrets,
    config::{AuthConfig, AuthStrategy, Config},
    server::{Mode, Service},
};

use crate::{
    common::{
        database::TestDatabase,
        raw_socket::RawSocket,
        service::{TestResponse, TestService, send, source, token},
    },
    support::{application_database::ApplicationDatabase, captured_log::CapturedLog},
};

/// A recheck interval longer than any test.
const LONG_RECHECK: Duration = Duration::from_secs(3600);

/// A recheck interval that passes within a test.
const SHORT_RECHECK: Duration = Duration::from_secs(1);

async fn get_me_with_cookie(service: &TestService, cookie: &str) -> TestResponse {
    let request = service.anonymous().request(reqwest::Method::GET, "/api/me");
    send(request.header("Cookie", cookie)).await
}

async fn get_me_with_token(service: &TestService, token: &str) -> TestResponse {
    get_me_with_cookie(service, &format!("authjs.session-token={token}")).await
}

#[actix_web::test]
async fn session_token_is_accepted_in_cookie_header_and_auth_payload() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    let service = application.start_service(LONG_RECHECK).await;
    for name in [
        "__Secure-authjs.session-token",
        "authjs.session-token",
        "__Secure-next-auth.session-token",
        "next-auth.session-token",
    ] {
        let ana = get_me_with_cookie(&service, &format!("theme=dark; {name}=ana-token"))
            .await
            .assert_status(200);
        let expected = json!({ "id": "ana", "name": "Ana", "email": "ana@example.com" });
        assert_eq!(ana, expected);
    }
    let bearer = service.bearer("ana", Some("ana-token".into()));
    assert_eq!(bearer.get("/api/me").await.assert_status(200)["id"], "ana");
    let auth = json!({ "token": "ana-token" });
    let mut socket = RawSocket::send_connect(service.addr(), &[], Some(auth)).await;
    assert!(socket.connect_answer().await.starts_with("40"));
}

#[actix_web::test]
async fn unknown_and_signed_tokens_are_refused() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    let service = application.start_service(Duration::ZERO).await;
    for invalid in [
        "ANA-TOKEN",
        "ana-toke",
        "' OR ''='",
        "%00ana-token",
        &token("ana"),
    ] {
        get_me_with_token(&service, invalid)
            .await
            .assert_refused(401, "UNAUTHORIZED");
    }
    get_me_with_token(&service, &"a".repeat(2000))
        .await
        .assert_refused(401, "UNAUTHORIZED");
    let mut socket =
        RawSocket::send_connect(service.addr(), &[], Some(json!({ "token": "unknown" }))).await;
    assert_eq!(socket.connect_error().await, "UNAUTHORIZED");
}

#[actix_web::test]
async fn stale_cookie_of_a_kind_that_is_not_accepted_is_passed_over() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    let service = application
        .start_service_with(LONG_RECHECK, |auth| {
            auth.accept = vec!["next-auth".parse().unwrap()];
        })
        .await;
    let encrypted =
        "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA";
    for stale in [
        "authjs.session-token=stale".to_owned(),
        "__Secure-authjs.session-token.0=st; __Secure-authjs.session-token.1=ale".to_owned(),
        format!("next-auth.session-token={encrypted}"),
    ] {
        let cookies = format!("{stale}; next-auth.session-token=ana-token");
        let ana = get_me_with_cookie(&service, &cookies).await;
        assert_eq!(ana.assert_status(200)["id"], "ana", "{stale}");
    }
    let cookies = "__Secure-next-auth.session-token=stale; next-auth.session-token=ana-token";
    let refused = get_me_with_cookie(&service, cookies).await;
    refused.assert_refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn session_is_valid_until_its_expiry_in_utc_plus_tolerance() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "valid", 60).await;
    application
        .insert_session("ana", "within-tolerance", -10)
        .await;
    application.insert_session("ana", "expired", -16).await;
    let service = application.start_service(LONG_RECHECK).await;
    get_me_with_token(&service, "valid")
        .await
        .assert_status(200);
    get_me_with_token(&service, "within-tolerance")
        .await
        .assert_status(200);
    get_me_with_token(&service, "expired")
        .await
        .assert_refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn configured_table_and_column_names_and_types_are_read() {
    let (id, time, expiry) = match std::env::var_os("TEST_POSTGRES_URL") {
        Some(_) => ("BIGINT", "TIMESTAMPTZ", "now() + interval '1 minute'"),
        None => ("INTEGER", "TEXT", "datetime('now', '+1 minute')"),
    };
    let application = ApplicationDatabase::with_tables(&format!(
        r#"CREATE TABLE users ("id" {id} PRIMARY KEY, "fullName" TEXT, "mail" TEXT);
        CREATE TABLE sessions ("session_token" TEXT PRIMARY KEY, "user_id" {id}, "ends" {time});
        INSERT INTO users VALUES (42, 'Zoë', 'zoe@example.com');
        INSERT INTO sessions VALUES ('zoe-token', 42, {expiry})"#
    ))
    .await;
    let parse = |names: [&str; 3]| names.map(|name| name.parse().unwrap());
    let service = application
        .start_service_with(LONG_RECHECK, |auth| {
            auth.session_table = "sessions".parse().unwrap();
            auth.session_columns = parse(["session_token", "user_id", "ends"]);
            auth.user_table = "users".parse().unwrap();
            auth.user_columns = parse(["id", "fullName", "mail"]);
            auth.cookies = vec!["sid".parse().unwrap()];
        })
        .await;
    let zoe = get_me_with_cookie(&service, "authjs.session-token=x; sid=zoe-token")
        .await
        .assert_status(200);
    let expected = json!({ "id": "42", "name": "Zoë", "email": "zoe@example.com" });
    assert_eq!(zoe, expected);
}

/// Columns of the tables of an application: the types of user id, token and expiry, and an expiry that is not over.
const COLUMN_TYPES: &[[&str; 4]] = &[
    ["UUID", "TEXT", "TIMESTAMPTZ", "'infinity'"],
    ["TEXT", "UUID", "TIMESTAMP", "'infinity'"],
    [
        "BIGINT",
        "VARCHAR(40)",
        "TIMESTAMP(3)",
        "'294276-12-31 23:59:59'",
    ],
    ["INTEGER", "CHAR(36)", "DATE", "'10000-01-01'"],
    [
        "SMALLINT",
        "token_domain",
        "expiry_domain",
        "now() + interval '1 hour'",
    ],
    ["NUMERIC", "token_domain", "BIGINT", "4102444800000"],
    ["kind", "TEXT", "INTEGER", "2000000000"],
    ["TEXT", "TEXT", "NUMERIC", "4102444800000.5"],
    ["TEXT", "TEXT", "TEXT", "'2100-01-01T00:00:00.000Z'"],
    ["TEXT", "TEXT", "DOUBLE PRECISION", "'Infinity'"],
];

#[actix_web::test]
async fn tables_of_every_column_type_are_read() {
    if std::env::var_os("TEST_POSTGRES_URL").is_none() {
        return; // SQLite stores no types.
    }
    const TOKEN: &str = "6a5b0f6e-1111-4222-8333-944445555666";
    let types = "CREATE TYPE kind AS ENUM ('7'); CREATE DOMAIN token_domain AS uuid; \
         CREATE DOMAIN expiry_domain AS timestamptz NOT NULL";
    for [id, token, expiry, later] in COLUMN_TYPES {
        let value = match *id {
            "UUID" => "6a5b0f6e-1111-4222-8333-944445555777",
            _ => "7",
        };
        let name = match *id {
            "kind" => "kind",
            _ => "TEXT",
        };
        // The user id has another type than its copy in the table of sessions.
        let copy = match *id {
            "INTEGER" | "SMALLINT" => "BIGINT",
            "UUID" => "TEXT",
            same => same,
        };
        let application = ApplicationDatabase::with_tables(&format!(
            r#"{types}; CREATE TABLE "User" (id {id} PRIMARY KEY, name {name}, email TEXT);
            CREATE TABLE all_sessions ("sessionToken" {token}, "userId" {copy}, expires {expiry})
                PARTITION BY HASH ("userId");
            CREATE TABLE part PARTITION OF all_sessions FOR VALUES WITH (MODULUS 1, REMAINDER 0);
            CREATE VIEW "Session" AS SELECT * FROM all_sessions;
            INSERT INTO "User" VALUES ('{value}', '7', 'ana@example.com');
            INSERT INTO all_sessions VALUES ('{TOKEN}', '{value}', {later})"#
        ))
        .await;
        let service = application.start_service(LONG_RECHECK).await;
        let answer = get_me_with_token(&service, TOKEN).await.assert_status(200);
        assert_eq!(answer["id"], value, "{id} {token} {expiry}");
        get_me_with_token(&service, "no-uuid-😀")
            .await
            .assert_refused(401, "UNAUTHORIZED");
    }
}

#[actix_web::test]
async fn unreadable_row_refuses_its_session_alone_and_is_logged_with_table_and_column() {
    let log = CapturedLog::global();
    let application = ApplicationDatabase::with_tables(
        r#"CREATE TABLE "User" (id TEXT PRIMARY KEY, name TEXT, email TEXT);
        CREATE TABLE odd_sessions ("sessionToken" TEXT, "userId" TEXT, expires TEXT);
        INSERT INTO "User" VALUES ('ana', 'Ana', NULL);
        INSERT INTO odd_sessions VALUES ('good', 'ana', '2100-01-01'), ('odd', 'ana', 'next week'), ('null', 'ana', NULL)"#,
    )
    .await;
    let configure = |auth: &mut AuthConfig| auth.session_table = "odd_sessions".parse().unwrap();
    let service = application
        .start_service_with(Duration::ZERO, configure)
        .await;
    let (odd, null, good) = futures_util::join!(
        get_me_with_token(&service, "odd"),
        get_me_with_token(&service, "null"),
        get_me_with_token(&service, "good"),
    );
    odd.assert_refused(503, "AUTHENTICATION_FAILED");
    null.assert_refused(503, "AUTHENTICATION_FAILED");
    good.assert_status(200);
    let lines = log.lines_with("cannot read odd_sessions (expires)");
    assert!(!lines.is_empty());
}

#[actix_web::test]
async fn tables_are_found_in_the_schema_of_the_application() {
    if std::env::var_os("TEST_POSTGRES_URL").is_none() {
        return;
    }
    let tables = r#"CREATE TABLE users (id TEXT PRIMARY KEY, name TEXT, email TEXT);
        CREATE TABLE sessions ("sessionToken" TEXT, "userId" TEXT, expires TIMESTAMP);
        INSERT INTO users VALUES ('ana', 'Ana', NULL);
        INSERT INTO sessions VALUES ('ana-token', 'ana', 'infinity')"#;
    let configure = |auth: &mut AuthConfig| {
        auth.session_table = "sessions".parse().unwrap();
        auth.user_table = "users".parse().unwrap();
    };
    // The application's tables are in another schema, which the URL of its database names.
    let sql = format!(r#"CREATE SCHEMA "App"; SET search_path = "App"; {tables}"#);
    let application = ApplicationDatabase::with_tables(&sql).await;
    let service = TestService::start_with(|config| {
        let url = format!("{}?schema=App", application.database.url);
        config.auth.strategy = AuthStrategy::Database;
        config.auth.database_url = Some(url.parse().unwrap());
        configure(&mut config.auth);
    })
    .await;
    get_me_with_token(&service, "ana-token")
        .await
        .assert_status(200);

    // The application's tables are in the schema `public`, and vaultcast has a schema of its own in the same database.
    let ApplicationDatabase {
        mut database,
        connection,
    } = ApplicationDatabase::with_tables(tables).await;
    connection.close().await.unwrap();
    database.url.push_str("?schema=vaultcast");
    let service = TestService::start_on(database, |config| {
        config.auth.strategy = AuthStrategy::Database;
        configure(&mut config.auth);
    })
    .await;
    let ana = service.bearer("ana", Some("ana-token".into()));
    ana.create_vault().await;
}

#[actix_web::test]
async fn application_database_may_have_any_encoding() {
    if std::env::var_os("TEST_POSTGRES_URL").is_none() {
        return;
    }
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let outer = TestDatabase::create().await;
        let (server, name) = outer.url.rsplit_once('/').unwrap();
        let name = format!("{name}_{}", encoding.to_lowercase());
        let create = format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
        );
        outer.execute(&create).await;
        let url = format!("{server}/{name}");
        let directory = tempfile::tempdir().unwrap();
        let database = TestDatabase { url, directory };
        let setup = r#"CREATE TABLE "User" (id TEXT, name TEXT, email TEXT);
            CREATE TABLE "Session" ("sessionToken" TEXT, "userId" TEXT, expires TIMESTAMP);
            INSERT INTO "User" VALUES ('zoe', 'Zoë', NULL);
            INSERT INTO "Session" VALUES ('zoe-token', 'zoe', 'infinity')"#;
        database.execute(setup).await;
        if encoding == "SQL_ASCII" {
            let setup = r#"INSERT INTO "User" VALUES ('odd', E'\xff', NULL);
                INSERT INTO "Session" VALUES ('odd-token', 'odd', 'infinity')"#;
            database.execute(setup).await;
        }
        let service = TestService::start_with(|config| {
            config.auth.strategy = AuthStrategy::Database;
            config.auth.database_url = Some(database.url.parse().unwrap());
        })
        .await;
        let (zoe, odd) = futures_util::join!(
            get_me_with_token(&service, "zoe-token"),
            get_me_with_token(&service, "odd-token"),
        );
        assert_eq!(zoe.assert_status(200)["name"], "Zoë");
        match encoding {
            // The name is no text.
            "SQL_ASCII" => odd.assert_refused(503, "AUTHENTICATION_FAILED"),
            _ => odd.assert_refused(401, "UNAUTHORIZED"),
        };
        get_me_with_token(&service, "%F0%9F%98%80")
            .await
            .assert_refused(401, "UNAUTHORIZED");
        get_me_with_token(&service, "zoe-😀")
            .await
            .assert_refused(401, "UNAUTHORIZED");
    }
}

#[actix_web::test]
async fn sessions_and_journal_may_share_one_database() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    let ApplicationDatabase {
        database,
        connection,
    } = application;
    connection.close().await.unwrap();
    let service = TestService::start_on(database, |config| {
        config.auth.strategy = AuthStrategy::Database;
    })
    .await;
    let ana = service.bearer("ana", Some("ana-token".into()));
    let vault = ana.create_vault().await;
    ana.create_source(&vault, "A paper").await;
}

#[actix_web::test]
async fn missing_session_table_stops_the_start_and_is_named() {
    let database = TestDatabase::create().await;
    let mut config = Config::default();
    config.server.bind = ([127, 0, 0, 1], 0).into();
    config.admin.bind = None;
    config.database.url = database.url.parse().unwrap();
    config.auth.strategy = AuthStrategy::Database;
    let secrets = Secrets::from_list("a secret").unwrap();
    let started = Service::start(&config, &secrets, Mode::Serve).await;
    let error = started.err().unwrap().to_string();
    let prefix = format!(
        "auth.database_url: cannot read sessions in {}: ",
        database.url
    );
    assert!(error.starts_with(&prefix), "{error}");
    assert!(error.contains("Session"), "{error}");
}

#[actix_web::test]
async fn unreachable_session_database_is_authentication_failed() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    let service = application.start_service(Duration::ZERO).await;
    application
        .execute(r#"ALTER TABLE "Session" RENAME TO "RenamedSession""#)
        .await;
    let response = get_me_with_token(&service, "ana-token").await;
    response.assert_refused(503, "AUTHENTICATION_FAILED");
    assert!(response.header("retry-after").is_some());
    let auth = || Some(json!({ "token": "ana-token" }));
    let mut socket = RawSocket::send_connect(service.addr(), &[], auth()).await;
    assert_eq!(socket.connect_error().await, "AUTHENTICATION_FAILED");

    application
        .execute(r#"ALTER TABLE "RenamedSession" RENAME TO "Session""#)
        .await;
    get_me_with_token(&service, "ana-token")
        .await
        .assert_status(200);
    let mut socket = RawSocket::send_connect(service.addr(), &[], auth()).await;
    assert!(socket.connect_answer().await.starts_with("40"));
}

#[actix_web::test]
async fn hanging_session_lookup_does_not_delay_other_mutations() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    application.insert_session("ben", "ben-token", 60).await;
    let service = application.start_service(LONG_RECHECK).await;
    let ana = service.bearer("ana", Some("ana-token".into()));
    let vault = ana.create_vault().await;

    let lock = application.connection.begin().await.unwrap();
    let lock_sql = if application.database.is_postgres() {
        r#"LOCK TABLE "Session""#
    } else {
        "COMMIT; BEGIN EXCLUSIVE"
    };
    lock.execute_unprepared(lock_sql).await.unwrap();
    let ben = actix_web::rt::spawn({
        let ben = service.bearer("ben", Some("ben-token".into()));
        async move { ben.get("/api/me").await }
    });
    for seq in 1..=20 {
        let added = ana
            .post(&format!("{vault}/sources"), source("A paper"))
            .await;
        assert_eq!(added.seq(), seq);
    }
    assert!(!ben.is_finished());
    lock.rollback().await.unwrap();
    ben.await.unwrap().assert_status(200);
}

#[actix_web::test]
async fn session_lookup_is_cached_for_the_configured_time() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    let (cached, uncached) = (
        application.start_service(LONG_RECHECK).await,
        application.start_service(Duration::ZERO).await,
    );
    get_me_with_token(&cached, "ana-token")
        .await
        .assert_status(200);
    get_me_with_token(&uncached, "ana-token")
        .await
        .assert_status(200);
    application.delete_session("ana-token").await;
    get_me_with_token(&cached, "ana-token")
        .await
        .assert_status(200);
    get_me_with_token(&uncached, "ana-token")
        .await
        .assert_refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn socket_is_closed_when_its_session_row_is_deleted() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    application.insert_session("ben", "ben-token", 60).await;
    let service = application.start_service(SHORT_RECHECK).await;
    let ana = service.bearer("ana", Some("ana-token".into()));
    let vault = ana.create_vault().await;
    ana.add_member(&vault, &service.bearer("ben", None), "viewer")
        .await;

    let cookie = [("cookie", "next-auth.session-token=ben-token")];
    let mut ben = RawSocket::connect(service.addr(), &cookie).await;
    assert_eq!(ben.join(&vault).await["role"], "viewer");
    application.delete_session("ben-token").await;
    for packet in ben.receive_until_closed().await {
        assert!(!packet.contains("error"), "{packet}");
    }
    ana.create_source(&vault, "After the sign-out").await;
    let mut reconnected = RawSocket::send_connect(service.addr(), &cookie, None).await;
    assert_eq!(reconnected.connect_error().await, "UNAUTHORIZED");
}

#[actix_web::test]
async fn later_expiry_extends_the_socket() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    // Both sessions have expired and end when the tolerance of 15 seconds has passed.
    application.insert_session("ana", "ana-token", -12).await;
    application.insert_session("ben", "ben-token", -12).await;
    let service = application.start_service(LONG_RECHECK).await;
    let vault = service
        .bearer("ana", Some("ana-token".into()))
        .create_vault()
        .await;
    let mut ana =
        RawSocket::connect(service.addr(), &[("authorization", "Bearer ana-token")]).await;
    let mut ben =
        RawSocket::connect(service.addr(), &[("authorization", "Bearer ben-token")]).await;
    ana.join(&vault).await;
    application.set_expiry("ana-token", 60).await;
    // Only the socket whose session was not extended is closed.
    assert_eq!(ben.receive_until_closed().await, [""; 0]);
    assert_eq!(ana.join(&vault).await["role"], "owner");
}

#[actix_web::test]
async fn session_row_of_another_user_ends_the_socket() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    let service = application.start_service(SHORT_RECHECK).await;
    let mut ana =
        RawSocket::connect(service.addr(), &[("authorization", "Bearer ana-token")]).await;
    application
        .execute(r#"UPDATE "Session" SET "userId" = 'ben'"#)
        .await;
    assert_eq!(ana.receive_until_closed().await, [""; 0]);
}

#[actix_web::test]
async fn session_database_outage_ends_no_socket() {
    let application = ApplicationDatabase::with_prisma_tables().await;
    application.insert_session("ana", "ana-token", 60).await;
    application.insert_session("ben", "ben-token", 60).await;
    let service = application.start_service(SHORT_RECHECK).await;
    let vault = service
        .bearer("ana", Some("ana-token".into()))
        .create_vault()
        .await;
    let mut ana =
        RawSocket::connect(service.addr(), &[("authorization", "Bearer ana-token")]).await;
    // Ben's session is cached later than Ana's. When it is looked up again, Ana's was looked up again before.
    get_me_with_token(&service, "ben-token")
        .await
        .assert_status(200);
    application
        .execute(r#"ALTER TABLE "Session" RENAME TO "RenamedSession""#)
        .await;
    while get_me_with_token(&service, "ben-token").await.status != 503 {}
    application
        .execute(r#"ALTER TABLE "RenamedSession" RENAME TO "Session""#)
        .await;
    assert_eq!(ana.join(&vault).await["role"], "owner");
    application.delete_session("ana-token").await;
    ana.receive_until_closed().await;
}
