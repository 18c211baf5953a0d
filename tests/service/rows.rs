//! Sessions that are rows of the application's database: looked up, believed for a while, and over when they are gone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, TransactionTrait};
use serde_json::json;
use vaultcast::{
    app::{Mode, Service},
    auth::Secrets,
    config::{self, Config, Strategy},
};

use crate::common::{
    app::{Answer, TestApp, hear, source, token},
    database::TestDatabase,
    socket::Socket,
};

/// Nothing is read twice in a test, unless it is meant to be.
const FOR_LONG: Duration = Duration::from_secs(3600);
const A_MOMENT: Duration = Duration::from_secs(1);

/// The application beside us: its database, with tables as its migrations made them.
struct Application {
    database: TestDatabase,
    connection: DatabaseConnection,
}

impl Application {
    /// Tables as Prisma makes them, in a database that keeps another time than UTC.
    async fn with_prisma() -> Self {
        let time = match std::env::var_os("TEST_POSTGRES_URL") {
            Some(_) => "TIMESTAMP(3)",
            None => "DATETIME",
        };
        Self::with(&format!(
            r#"CREATE TABLE "User" ("id" TEXT NOT NULL PRIMARY KEY, "name" TEXT, "email" TEXT, "emailVerified" {time}, "image" TEXT);
            CREATE TABLE "Session" ("id" TEXT NOT NULL PRIMARY KEY, "sessionToken" TEXT NOT NULL UNIQUE,
                "userId" TEXT NOT NULL REFERENCES "User" ("id") ON DELETE CASCADE, "expires" {time} NOT NULL);
            INSERT INTO "User" ("id", "name", "email") VALUES ('ana', 'Ana', 'ana@example.com'), ('ben', NULL, NULL)"#
        ))
        .await
    }

    async fn with(tables: &str) -> Self {
        let database = TestDatabase::fresh().await;
        let mut options = sea_orm::ConnectOptions::new(&database.url);
        options.map_sqlx_sqlite_opts(|sqlite| sqlite.create_if_missing(true));
        let connection = Database::connect(options).await.unwrap();
        let application = Self {
            database,
            connection,
        };
        if application.database.is_postgres() {
            let (_, name) = application.database.url.rsplit_once('/').unwrap();
            let zone = format!("ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'");
            application.run(&zone).await;
        }
        application.run(tables).await;
        application
    }

    async fn run(&self, sql: &str) {
        self.connection.execute_unprepared(sql).await.unwrap();
    }

    /// Signs somebody in, until so many seconds from now.
    async fn signs_in(&self, user: &str, token: &str, seconds: i64) {
        let end = self.end_in(seconds);
        self.run(&format!(
            r#"INSERT INTO "Session" ("id", "sessionToken", "userId", "expires") VALUES ('of {token}', '{token}', '{user}', {end})"#
        ))
        .await;
    }

    async fn extends(&self, token: &str, seconds: i64) {
        let end = self.end_in(seconds);
        self.run(&format!(
            r#"UPDATE "Session" SET "expires" = {end} WHERE "sessionToken" = '{token}'"#
        ))
        .await;
    }

    async fn signs_out(&self, token: &str) {
        self.run(&format!(
            r#"DELETE FROM "Session" WHERE "sessionToken" = '{token}'"#
        ))
        .await;
    }

    /// A time in UTC as Prisma writes it.
    fn end_in(&self, seconds: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let end = now.as_millis() as i64 + seconds * 1000;
        match self.database.is_postgres() {
            true => format!("to_timestamp({end} / 1000.0) AT TIME ZONE 'UTC'"),
            false => end.to_string(),
        }
    }

    /// A service beside it, which believes what it has looked up for so long.
    async fn served(&self, recheck: Duration) -> TestApp {
        self.served_with(recheck, |_| {}).await
    }

    /// The URL as Prisma has it, with a parameter that only Prisma understands.
    fn url(&self) -> String {
        match self.database.is_postgres() {
            true => format!("{}?schema=public", self.database.url),
            false => self.database.url.clone(),
        }
    }

    async fn served_with(
        &self,
        recheck: Duration,
        configure: impl FnOnce(&mut config::Auth),
    ) -> TestApp {
        TestApp::start_with(|config| {
            config.auth.strategy = Strategy::Database;
            config.auth.database_url = Some(self.url().parse().unwrap());
            config.auth.recheck = recheck;
            configure(&mut config.auth);
        })
        .await
    }
}

async fn me(app: &TestApp, cookie: &str) -> Answer {
    let request = app.nobody().ask(reqwest::Method::GET, "/api/me");
    hear(request.header("Cookie", cookie)).await
}

async fn me_with(app: &TestApp, token: &str) -> Answer {
    me(app, &format!("authjs.session-token={token}")).await
}

#[actix_web::test]
async fn a_row_is_a_session_wherever_its_token_comes() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "of-ana", 60).await;
    let app = application.served(FOR_LONG).await;
    for name in [
        "__Secure-authjs.session-token",
        "authjs.session-token",
        "__Secure-next-auth.session-token",
        "next-auth.session-token",
    ] {
        let ana = me(&app, &format!("theme=dark; {name}=of-ana"))
            .await
            .is(200);
        let told = json!({ "id": "ana", "name": "Ana", "email": "ana@example.com" });
        assert_eq!(ana, told);
    }
    let bearer = app.bearer("ana", Some("of-ana".into()));
    assert_eq!(bearer.get("/api/me").await.is(200)["id"], "ana");
    let auth = json!({ "token": "of-ana" });
    let mut socket = Socket::knock(app.addr(), &[], Some(auth)).await;
    assert!(socket.answer().await.starts_with("40"));
}

#[actix_web::test]
async fn what_is_no_row_is_no_session_a_signed_token_included() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "of-ana", 60).await;
    let app = application.served(Duration::ZERO).await;
    for wrong in ["OF-ANA", "of-an", "' OR ''='", "%00of-ana", &token("ana")] {
        me_with(&app, wrong).await.refused(401, "UNAUTHORIZED");
    }
    me_with(&app, &"a".repeat(2000))
        .await
        .refused(401, "UNAUTHORIZED");
    let mut socket = Socket::knock(app.addr(), &[], Some(json!({ "token": "nobody's" }))).await;
    assert_eq!(socket.refusal().await, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_session_lasts_until_its_end_in_utc_and_the_tolerance_after_it() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "fresh", 60).await;
    application.signs_in("ana", "just-over", -10).await;
    application.signs_in("ana", "over", -16).await;
    let app = application.served(FOR_LONG).await;
    me_with(&app, "fresh").await.is(200);
    me_with(&app, "just-over").await.is(200);
    me_with(&app, "over").await.refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn other_names_and_types_are_understood_when_they_are_configured() {
    let (id, time, end) = match std::env::var_os("TEST_POSTGRES_URL") {
        Some(_) => ("BIGINT", "TIMESTAMPTZ", "now() + interval '1 minute'"),
        None => ("INTEGER", "TEXT", "datetime('now', '+1 minute')"),
    };
    let application = Application::with(&format!(
        r#"CREATE TABLE users ("id" {id} PRIMARY KEY, "fullName" TEXT, "mail" TEXT);
        CREATE TABLE sessions ("session_token" TEXT PRIMARY KEY, "user_id" {id}, "ends" {time});
        INSERT INTO users VALUES (42, 'Zoë', 'zoe@example.com');
        INSERT INTO sessions VALUES ('of-zoe', 42, {end})"#
    ))
    .await;
    let names = |names: [&str; 3]| names.map(|name| name.parse().unwrap());
    let app = application
        .served_with(FOR_LONG, |auth| {
            auth.session_table = "sessions".parse().unwrap();
            auth.session_columns = names(["session_token", "user_id", "ends"]);
            auth.user_table = "users".parse().unwrap();
            auth.user_columns = names(["id", "fullName", "mail"]);
            auth.cookies = vec!["sid".parse().unwrap()];
        })
        .await;
    let zoe = me(&app, "authjs.session-token=x; sid=of-zoe").await.is(200);
    let told = json!({ "id": "42", "name": "Zoë", "email": "zoe@example.com" });
    assert_eq!(zoe, told);
}

#[actix_web::test]
async fn one_database_may_hold_the_sessions_and_the_journal() {
    let Application {
        database,
        connection,
    } = {
        let application = Application::with_prisma().await;
        application.signs_in("ana", "of-ana", 60).await;
        application
    };
    connection.close().await.unwrap();
    let app = TestApp::start_on(database, |config| {
        config.auth.strategy = Strategy::Database;
    })
    .await;
    let ana = app.bearer("ana", Some("of-ana".into()));
    let vault = ana.makes_vault().await;
    ana.adds_source(&vault, "A paper").await;
}

#[actix_web::test]
async fn a_database_without_sessions_stops_the_start_and_is_named() {
    let database = TestDatabase::fresh().await;
    let mut config = Config::default();
    config.server.bind = ([127, 0, 0, 1], 0).into();
    config.admin.bind = None;
    config.database.url = database.url.parse().unwrap();
    config.auth.strategy = Strategy::Database;
    let secrets = Secrets::from_list("a secret").unwrap();
    let refused = Service::start(&config, &secrets, Mode::Serve).await;
    let error = refused.err().unwrap().to_string();
    let beginning = format!(
        "auth.database_url: cannot read sessions in {}: ",
        database.url
    );
    assert!(error.starts_with(&beginning), "{error}");
    assert!(error.contains("Session"), "{error}");
}

#[actix_web::test]
async fn a_database_that_cannot_answer_lets_nobody_in_and_says_that_it_was_not_their_fault() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "of-ana", 60).await;
    let app = application.served(Duration::ZERO).await;
    application
        .run(r#"ALTER TABLE "Session" RENAME TO "Elsewhere""#)
        .await;
    let problem = me_with(&app, "of-ana").await;
    problem.refused(503, "AUTHENTICATION_FAILED");
    assert!(problem.header("retry-after").is_some());
    let auth = || Some(json!({ "token": "of-ana" }));
    let mut socket = Socket::knock(app.addr(), &[], auth()).await;
    assert_eq!(socket.refusal().await, "AUTHENTICATION_FAILED");

    application
        .run(r#"ALTER TABLE "Elsewhere" RENAME TO "Session""#)
        .await;
    me_with(&app, "of-ana").await.is(200);
    let mut socket = Socket::knock(app.addr(), &[], auth()).await;
    assert!(socket.answer().await.starts_with("40"));
}

#[actix_web::test]
async fn a_look_up_that_hangs_holds_nobody_elses_mutation_up() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "of-ana", 60).await;
    application.signs_in("ben", "of-ben", 60).await;
    let app = application.served(FOR_LONG).await;
    let ana = app.bearer("ana", Some("of-ana".into()));
    let vault = ana.makes_vault().await;

    let lock = application.connection.begin().await.unwrap();
    let locked = match application.database.is_postgres() {
        true => lock.execute_unprepared(r#"LOCK TABLE "Session""#).await,
        false => {
            let exclusive = "COMMIT; BEGIN EXCLUSIVE";
            lock.execute_unprepared(exclusive).await
        }
    };
    locked.unwrap();
    let ben = actix_web::rt::spawn({
        let ben = app.bearer("ben", Some("of-ben".into()));
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
    ben.await.unwrap().is(200);
}

#[actix_web::test]
async fn what_was_looked_up_is_believed_for_as_long_as_configured() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "of-ana", 60).await;
    let (long, never) = (
        application.served(FOR_LONG).await,
        application.served(Duration::ZERO).await,
    );
    me_with(&long, "of-ana").await.is(200);
    me_with(&never, "of-ana").await.is(200);
    application.signs_out("of-ana").await;
    me_with(&long, "of-ana").await.is(200);
    me_with(&never, "of-ana").await.refused(401, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_socket_whose_row_is_deleted_loses_its_transport_and_is_not_let_in_again() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "of-ana", 60).await;
    application.signs_in("ben", "of-ben", 60).await;
    let app = application.served(A_MOMENT).await;
    let ana = app.bearer("ana", Some("of-ana".into()));
    let vault = ana.makes_vault().await;
    ana.admits(&vault, &app.bearer("ben", None), "viewer").await;

    let cookie = [("cookie", "next-auth.session-token=of-ben")];
    let mut ben = Socket::connect(app.addr(), &cookie).await;
    assert_eq!(ben.join(&vault).await["role"], "viewer");
    application.signs_out("of-ben").await;
    for heard in ben.until_closed().await {
        assert!(!heard.contains("error"), "{heard}");
    }
    ana.adds_source(&vault, "Not for Ben").await;
    let mut again = Socket::knock(app.addr(), &cookie, None).await;
    assert_eq!(again.refusal().await, "UNAUTHORIZED");
}

#[actix_web::test]
async fn a_later_end_extends_a_socket_in_silence() {
    let application = Application::with_prisma().await;
    // Both have a moment left, within the tolerance.
    application.signs_in("ana", "of-ana", -12).await;
    application.signs_in("ben", "of-ben", -12).await;
    let app = application.served(FOR_LONG).await;
    let vault = app.bearer("ana", Some("of-ana".into())).makes_vault().await;
    let mut ana = Socket::connect(app.addr(), &[("authorization", "Bearer of-ana")]).await;
    let mut ben = Socket::connect(app.addr(), &[("authorization", "Bearer of-ben")]).await;
    ana.join(&vault).await;
    application.extends("of-ana", 60).await;
    // Whoever was not extended is let go; whoever was hears of nothing.
    assert_eq!(ben.until_closed().await, [""; 0]);
    assert_eq!(ana.join(&vault).await["role"], "owner");
}

#[actix_web::test]
async fn a_row_that_becomes_somebody_elses_ends_the_socket() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "of-ana", 60).await;
    let app = application.served(A_MOMENT).await;
    let mut ana = Socket::connect(app.addr(), &[("authorization", "Bearer of-ana")]).await;
    application
        .run(r#"UPDATE "Session" SET "userId" = 'ben'"#)
        .await;
    assert_eq!(ana.until_closed().await, [""; 0]);
}

#[actix_web::test]
async fn a_database_that_is_down_for_a_while_ends_no_socket() {
    let application = Application::with_prisma().await;
    application.signs_in("ana", "of-ana", 60).await;
    application.signs_in("ben", "of-ben", 60).await;
    let app = application.served(A_MOMENT).await;
    let vault = app.bearer("ana", Some("of-ana".into())).makes_vault().await;
    let mut ana = Socket::connect(app.addr(), &[("authorization", "Bearer of-ana")]).await;
    // Ben is looked up after Ana: when he is believed no longer, she has been looked up again.
    me_with(&app, "of-ben").await.is(200);
    application
        .run(r#"ALTER TABLE "Session" RENAME TO "Elsewhere""#)
        .await;
    while me_with(&app, "of-ben").await.status != 503 {}
    application
        .run(r#"ALTER TABLE "Elsewhere" RENAME TO "Session""#)
        .await;
    assert_eq!(ana.join(&vault).await["role"], "owner");
    application.signs_out("of-ana").await;
    ana.until_closed().await;
}
