//! Rust peer: socketioxide + axum + sqlx on SQLite, written as its users would.
//! Environment: PORT, NEXTAUTH_SECRET, DATABASE_URL (sqlite://file), SYNC=FULL|NORMAL.
use axum::extract::{Path, State};
use axum::http::{header, request::Parts, StatusCode};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use jsonwebtoken::{decode, Algorithm, DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use socketioxide::extract::{Data, Extension, SocketRef, State as IoState, TryData};
use socketioxide::handler::ConnectHandler;
use socketioxide::SocketIo;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use std::str::FromStr;
use std::sync::Arc;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone)]
struct App {
    read: SqlitePool,
    write: SqlitePool, // one connection: SQLite has one writer, so waiting happens in the pool, not in busy loops
    key: Arc<DecodingKey>,
    validation: Arc<Validation>,
}

#[derive(Clone, Debug, Deserialize)]
struct Claims {
    #[serde(default)]
    id: Option<String>,
    sub: String,
    #[serde(default)]
    name: String,
}
#[derive(Clone, Debug)]
struct User {
    id: String,
    name: String,
}
impl App {
    fn user(&self, token: &str) -> Option<User> {
        let c = decode::<Claims>(token, &self.key, &self.validation).ok()?.claims;
        Some(User { id: c.id.unwrap_or(c.sub), name: c.name })
    }
    async fn role(&self, vault: &str, user: &str) -> Result<Option<String>, sqlx::Error> {
        sqlx::query_scalar("SELECT role FROM vault_members WHERE vault_id = ? AND user_id = ?")
            .bind(vault)
            .bind(user)
            .fetch_optional(&self.read)
            .await
    }
}

struct Fail(StatusCode, &'static str);
impl From<sqlx::Error> for Fail {
    fn from(e: sqlx::Error) -> Self {
        eprintln!("database: {e}");
        Fail(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
    }
}
impl axum::response::IntoResponse for Fail {
    fn into_response(self) -> axum::response::Response {
        (self.0, Json(json!({ "error": self.1 }))).into_response()
    }
}

#[derive(Clone)]
struct Ctx {
    app: App,
    io: SocketIo,
}
impl axum::extract::FromRequestParts<Ctx> for User {
    type Rejection = Fail;
    async fn from_request_parts(p: &mut Parts, c: &Ctx) -> Result<Self, Fail> {
        p.headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Bearer "))
            .and_then(|t| c.app.user(t))
            .ok_or(Fail(StatusCode::UNAUTHORIZED, "unauthorized"))
    }
}

#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
struct Source {
    id: String,
    title: String,
    file_url: String,
    file_key: Option<String>,
    file_size: Option<i64>,
    mime_type: Option<String>,
    vault_id: String,
    created_at: String,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewSource {
    title: String,
    file_url: String,
    file_key: Option<String>,
    file_size: Option<i64>,
    mime_type: Option<String>,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PatchSource {
    title: Option<String>,
    file_url: Option<String>,
    file_key: Option<String>,
    file_size: Option<i64>,
    mime_type: Option<String>,
}
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Actor<'a> {
    user_id: &'a str,
    user_name: &'a str,
    role: &'a str,
}
#[derive(Serialize)]
struct Event<'a> {
    source: &'a Source,
    actor: Actor<'a>,
    timestamp: String,
}
fn now() -> String {
    chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
async fn publish(io: &SocketIo, event: &'static str, s: &Source, u: &User, role: &str) {
    let e = Event { source: s, actor: Actor { user_id: &u.id, user_name: &u.name, role }, timestamp: now() };
    if let Err(e) = io.to(format!("vault:{}", s.vault_id)).emit(event, &e).await {
        eprintln!("emit: {e}");
    }
}
async fn may_write(app: &App, vault: &str, u: &User) -> Result<String, Fail> {
    match app.role(vault, &u.id).await? {
        None => Err(Fail(StatusCode::NOT_FOUND, "no such vault")),
        Some(r) if r == "viewer" => Err(Fail(StatusCode::FORBIDDEN, "forbidden")),
        Some(r) => Ok(r),
    }
}

async fn vault_create(State(c): State<Ctx>, u: User, Json(b): Json<Value>) -> Result<(StatusCode, Json<Value>), Fail> {
    let name = b["name"].as_str().ok_or(Fail(StatusCode::BAD_REQUEST, "name is required"))?;
    let id = uuid::Uuid::new_v4().to_string();
    let mut tx = c.app.write.begin().await?;
    sqlx::query("INSERT INTO vaults (id, name, created_at) VALUES (?, ?, ?)")
        .bind(&id)
        .bind(name)
        .bind(now())
        .execute(&mut *tx)
        .await?;
    sqlx::query("INSERT INTO vault_members (vault_id, user_id, role) VALUES (?, ?, 'owner')")
        .bind(&id)
        .bind(&u.id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": id, "name": name }))))
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Member {
    user_id: String,
    role: String,
}
async fn member_add(
    State(c): State<Ctx>,
    u: User,
    Path(v): Path<String>,
    Json(b): Json<Member>,
) -> Result<(StatusCode, Json<Value>), Fail> {
    if c.app.role(&v, &u.id).await?.as_deref() != Some("owner") {
        return Err(Fail(StatusCode::FORBIDDEN, "forbidden"));
    }
    if !["viewer", "contributor", "owner"].contains(&b.role.as_str()) {
        return Err(Fail(StatusCode::BAD_REQUEST, "role"));
    }
    sqlx::query("INSERT INTO vault_members (vault_id, user_id, role) VALUES (?, ?, ?) ON CONFLICT (vault_id, user_id) DO UPDATE SET role = excluded.role")
        .bind(&v).bind(&b.user_id).bind(&b.role).execute(&c.app.write).await?;
    Ok((StatusCode::CREATED, Json(json!({ "vaultId": v, "userId": b.user_id, "role": b.role }))))
}
async fn source_create(
    State(c): State<Ctx>,
    u: User,
    Path(v): Path<String>,
    Json(b): Json<NewSource>,
) -> Result<(StatusCode, Json<Source>), Fail> {
    let role = may_write(&c.app, &v, &u).await?;
    let s = Source {
        id: uuid::Uuid::new_v4().to_string(),
        title: b.title,
        file_url: b.file_url,
        file_key: b.file_key,
        file_size: b.file_size,
        mime_type: b.mime_type,
        vault_id: v,
        created_at: now(),
    };
    sqlx::query("INSERT INTO sources (id, title, file_url, file_key, file_size, mime_type, vault_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&s.id).bind(&s.title).bind(&s.file_url).bind(&s.file_key).bind(s.file_size).bind(&s.mime_type).bind(&s.vault_id).bind(&s.created_at)
        .execute(&c.app.write).await?;
    publish(&c.io, "source:created", &s, &u, &role).await;
    Ok((StatusCode::CREATED, Json(s)))
}
async fn source_get(app: &App, id: &str) -> Result<Source, Fail> {
    sqlx::query_as(
        "SELECT id, title, file_url, file_key, file_size, mime_type, vault_id, created_at FROM sources WHERE id = ?",
    )
    .bind(id)
    .fetch_optional(&app.read)
    .await?
    .ok_or(Fail(StatusCode::NOT_FOUND, "no such source"))
}
async fn source_update(
    State(c): State<Ctx>,
    u: User,
    Path(id): Path<String>,
    Json(b): Json<PatchSource>,
) -> Result<Json<Source>, Fail> {
    let mut s = source_get(&c.app, &id).await?;
    let role = may_write(&c.app, &s.vault_id, &u).await?;
    s.title = b.title.unwrap_or(s.title);
    s.file_url = b.file_url.unwrap_or(s.file_url);
    s.file_key = b.file_key.or(s.file_key);
    s.file_size = b.file_size.or(s.file_size);
    s.mime_type = b.mime_type.or(s.mime_type);
    sqlx::query("UPDATE sources SET title = ?, file_url = ?, file_key = ?, file_size = ?, mime_type = ? WHERE id = ?")
        .bind(&s.title)
        .bind(&s.file_url)
        .bind(&s.file_key)
        .bind(s.file_size)
        .bind(&s.mime_type)
        .bind(&s.id)
        .execute(&c.app.write)
        .await?;
    publish(&c.io, "source:updated", &s, &u, &role).await;
    Ok(Json(s))
}
async fn source_delete(State(c): State<Ctx>, u: User, Path(id): Path<String>) -> Result<Json<Source>, Fail> {
    let s = source_get(&c.app, &id).await?;
    let role = may_write(&c.app, &s.vault_id, &u).await?;
    sqlx::query("DELETE FROM sources WHERE id = ?").bind(&s.id).execute(&c.app.write).await?;
    publish(&c.io, "source:deleted", &s, &u, &role).await;
    Ok(Json(s))
}

#[derive(Deserialize)]
struct Auth {
    token: String,
}
async fn authenticate(s: SocketRef, TryData(a): TryData<Auth>, IoState(app): IoState<App>) -> Result<(), &'static str> {
    let u = a.ok().and_then(|a| app.user(&a.token)).ok_or("unauthorized")?;
    s.extensions.insert(u);
    Ok(())
}
async fn on_connect(s: SocketRef) {
    s.on(
        "vault:join",
        |s: SocketRef, Data(v): Data<String>, Extension(u): Extension<User>, IoState(app): IoState<App>| async move {
            match app.role(&v, &u.id).await {
                Ok(Some(role)) => {
                    s.join(format!("vault:{v}"));
                    s.emit("vault:joined", &json!({ "vaultId": v, "role": role })).ok();
                }
                _ => {
                    s.emit("vault:error", &json!({ "vaultId": v, "message": "not a member" })).ok();
                }
            }
        },
    );
    s.on("vault:leave", |s: SocketRef, Data(v): Data<String>| async move {
        s.leave(format!("vault:{v}"));
    });
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::var("PORT").ok().and_then(|p| p.parse().ok()).unwrap_or(3903);
    let secret = std::env::var("NEXTAUTH_SECRET").unwrap_or_else(|_| "bench-secret-bench-secret-bench-secret".into());
    let url = std::env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://bench-socketioxide.db".into());
    let sync = match std::env::var("SYNC").as_deref() {
        Ok("NORMAL") => SqliteSynchronous::Normal,
        Ok("OFF") => SqliteSynchronous::Off,
        _ => SqliteSynchronous::Full,
    };
    let opt = SqliteConnectOptions::from_str(&url)?
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(sync)
        .foreign_keys(true)
        .busy_timeout(std::time::Duration::from_secs(5));
    let write = SqlitePoolOptions::new().max_connections(1).connect_with(opt.clone()).await?;
    for d in [
        "CREATE TABLE IF NOT EXISTS vaults (id TEXT PRIMARY KEY, name TEXT NOT NULL, created_at TEXT NOT NULL)",
        "CREATE TABLE IF NOT EXISTS vault_members (vault_id TEXT NOT NULL, user_id TEXT NOT NULL, role TEXT NOT NULL, PRIMARY KEY (vault_id, user_id))",
        "CREATE TABLE IF NOT EXISTS sources (id TEXT PRIMARY KEY, title TEXT NOT NULL, file_url TEXT NOT NULL, file_key TEXT, file_size BIGINT, mime_type TEXT, vault_id TEXT NOT NULL REFERENCES vaults(id), created_at TEXT NOT NULL)",
        "CREATE INDEX IF NOT EXISTS sources_vault ON sources (vault_id, created_at)",
    ] {
        sqlx::query(d).execute(&write).await?;
    }
    let read = SqlitePoolOptions::new().max_connections(4).connect_with(opt).await?;
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_required_spec_claims(&["exp"]);
    let app = App {
        read,
        write,
        key: Arc::new(DecodingKey::from_secret(secret.as_bytes())),
        validation: Arc::new(validation),
    };

    let (layer, io) = SocketIo::builder().with_state(app.clone()).max_buffer_size(1024).build_layer();
    io.ns("/", on_connect.with(authenticate));

    let router = Router::new()
        .route("/health", get(|| async { Json(json!({ "ok": true })) }))
        .route("/api/vaults", post(vault_create))
        .route("/api/vaults/{id}/members", post(member_add))
        .route("/api/vaults/{id}/sources", post(source_create))
        .route("/api/sources/{id}", patch(source_update).delete(source_delete))
        .with_state(Ctx { app, io })
        .layer(layer);
    let listener = tokio::net::TcpSocket::new_v4()?;
    listener.set_reuseaddr(true)?;
    listener.bind(([127, 0, 0, 1], port).into())?;
    let listener = listener.listen(4096)?;
    println!("socketioxide-axum listening on 127.0.0.1:{port}");
    use axum::serve::ListenerExt;
    let listener = listener.tap_io(|s| {
        let _ = s.set_nodelay(true);
    });
    axum::serve(listener, router).await?;
    Ok(())
}
