//! The whole service, in process, on a free port and a database of its own, and people who use it over HTTP.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use actix_web::http::StatusCode;
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use vaultcast::{
    app::{Mode, Reloaded, Service},
    auth::{Secrets, Tokens},
    config::{Config, ConfigError},
    domain::{Principal, UserId},
    vault::Vaults,
};

use super::database::TestDatabase;

const SECRET: &str = "a secret of the tests that is long enough to sign with";

/// Longer than anything here takes; only a broken promise waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);

const HOUR: Duration = Duration::from_secs(3600);

/// A running service.
pub struct TestApp {
    pub database: TestDatabase,
    config: Config,
    service: Option<Service>,
    client: Client,
}

impl TestApp {
    /// A service as it is configured by default, but without limits.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A service with a configuration of the test's own.
    pub async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(TestDatabase::fresh().await, configure).await
    }

    /// Likewise, on a database that somebody else uses, too.
    pub async fn start_on(database: TestDatabase, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.bind = ([127, 0, 0, 1], 0).into();
        config.admin.bind = None;
        config.database.url = database.url.parse().expect("an URL of a database");
        config.limits.mutations_per_second = 0;
        configure(&mut config);
        let service = Some(start(&config).await);
        let client = Client::builder().timeout(PATIENCE).build();
        Self {
            database,
            config,
            service,
            client: client.expect("a client"),
        }
    }

    /// Stops it in order and starts it again on the same database, at another port.
    pub async fn restart(&mut self) {
        self.running().stop().await;
        self.service = Some(start(&self.config).await);
    }

    /// Has it take over what can be of another configuration, as SIGHUP does.
    pub fn reload(&mut self, configure: impl FnOnce(&mut Config)) -> Result<Reloaded, ConfigError> {
        configure(&mut self.config);
        let service = self.service.as_mut().expect("it runs");
        service.reload(&self.config)
    }

    /// Stops it in order.
    pub async fn stop(mut self) {
        self.running().stop().await;
    }

    pub fn addr(&self) -> SocketAddr {
        self.service.as_ref().expect("it runs").addr()
    }

    /// Somebody with a good session, whose name is his id with a capital letter.
    pub fn user(&self, id: &str) -> User {
        let id = UserId::new(id).expect("a user's id");
        let mut name = id.to_string();
        name[..1].make_ascii_uppercase();
        self.principal(Principal {
            email: Some(format!("{id}@example.com")),
            name: Some(name),
            id,
        })
    }

    /// Whoever a session says that he is.
    pub fn principal(&self, principal: Principal) -> User {
        let token = tokens().issue(&principal, SystemTime::now(), HOUR);
        self.bearer(principal.id.as_str(), Some(token))
    }

    /// The vaults that it serves.
    pub fn vaults(&self) -> &Vaults {
        self.service.as_ref().expect("it runs").vaults()
    }

    /// Somebody without a session.
    pub fn nobody(&self) -> User {
        self.bearer("nobody", None)
    }

    /// Somebody who shows this token.
    pub fn bearer(&self, id: &str, token: Option<String>) -> User {
        User {
            id: id.to_owned(),
            token,
            base: format!("http://{}", self.addr()),
            client: self.client.clone(),
        }
    }

    /// Sends bytes as they are and hears the head of the answer, and its body as far as its length is told.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.addr()).await.expect("it listens");
        stream.write_all(request).await.expect("it reads");
        let mut heard = Vec::new();
        let whole = async {
            while !is_whole(&heard) && stream.read_buf(&mut heard).await.expect("an answer") > 0 {}
        };
        tokio::time::timeout(PATIENCE, whole)
            .await
            .expect("an answer in time");
        String::from_utf8_lossy(&heard).into_owned()
    }

    fn running(&mut self) -> Service {
        self.service.take().expect("it runs")
    }
}

async fn start(config: &Config) -> Service {
    let secrets = Secrets::from_list(SECRET).expect("a secret");
    let service = Service::start(config, &secrets, Mode::Serve).await;
    service.expect("a service")
}

/// A good session of a user without a name.
pub fn token(id: &str) -> String {
    let id = UserId::new(id).expect("a user's id");
    let (name, email) = (None, None);
    tokens().issue(&Principal { id, name, email }, SystemTime::now(), HOUR)
}

/// What signs the sessions of the tests.
pub fn tokens() -> Tokens {
    Tokens::new(&Secrets::from_list(SECRET).expect("a secret"))
}

fn is_whole(heard: &[u8]) -> bool {
    let text = String::from_utf8_lossy(heard);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length:")
                .map(str::to_owned)
        })
        .and_then(|length| length.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// Somebody who uses the service.
#[derive(Clone)]
pub struct User {
    pub id: String,
    token: Option<String>,
    base: String,
    client: Client,
}

impl User {
    /// A request that can still be given headers and a body; [`hear`] sends it.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Somebody who speaks to another listener.
    pub fn at(self, addr: SocketAddr) -> Self {
        let base = format!("http://{addr}");
        Self { base, ..self }
    }

    /// Everything that is counted, where this is asked of the admin listener.
    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.text
    }

    pub async fn get(&self, path: &str) -> Answer {
        hear(self.ask(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        hear(self.ask(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        hear(self.ask(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        hear(self.ask(Method::DELETE, path)).await
    }

    /// Makes a vault and says its path.
    pub async fn makes_vault(&self) -> String {
        let made = self.post("/api/vaults", json!({ "name": "Plans" })).await;
        let vault = made.is(201);
        format!("/api/vaults/{}", vault["id"].as_str().expect("an id"))
    }

    /// Lets somebody into a vault.
    pub async fn admits(&self, vault: &str, user: &User, role: &str) {
        let member = json!({ "userId": user.id, "role": role });
        self.post(&format!("{vault}/members"), member).await.is(201);
    }

    /// Adds a source and says its path.
    pub async fn adds_source(&self, vault: &str, title: &str) -> String {
        let added = self.post(&format!("{vault}/sources"), source(title)).await;
        let source = added.is(201);
        format!("/api/sources/{}", source["id"].as_str().expect("an id"))
    }

    /// The whole journal of a vault, and where it stands.
    pub async fn events(&self, vault: &str) -> (Vec<Value>, u64) {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let since = events.len();
            let page = self
                .get(&format!("{vault}/events?since={since}&limit=500"))
                .await
                .is(200);
            let more = page["events"].as_array().expect("a list");
            events.extend(more.iter().cloned());
            let seq = page["seq"].as_u64().expect("a number");
            if more.is_empty() || events.len() as u64 >= seq {
                return (events, seq);
            }
        }
    }
}

/// A source as it is asked for.
pub fn source(title: &str) -> Value {
    json!({ "title": title, "fileUrl": "https://files.example.com/a.pdf" })
}

/// Sends a request and hears its answer, which has a name whatever it is.
pub async fn hear(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let answer = Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.expect("an answer in text"),
    };
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    answer
}

/// What the service answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body of an answer with this status.
    #[track_caller]
    pub fn is(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        match self.text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {self:?}")),
        }
    }

    /// The problem of a refusal, in the one shape that they all have.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.is(status);
        assert_eq!(problem["code"], code, "{self:?}");
        assert!(problem["message"].is_string(), "{self:?}");
        let fields = problem.as_object().expect("an object").keys();
        for field in fields {
            let known = ["message", "code", "details"].contains(&field.as_str());
            assert!(known, "{self:?}");
        }
        assert_eq!(self.header("x-vault-seq"), None, "{self:?}");
        problem
    }

    /// The fields that a refusal finds wrong.
    #[track_caller]
    pub fn wrong_fields(&self) -> Vec<String> {
        let problem = self.refused(400, "VALIDATION_FAILED");
        let details = problem["details"].as_array().expect("a list");
        let field = |wrong: &Value| wrong["field"].as_str().expect("a name").to_owned();
        details.iter().map(field).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The place of a mutation's event.
    #[track_caller]
    pub fn seq(&self) -> u64 {
        let seq = self.header("x-vault-seq").and_then(|seq| seq.parse().ok());
        seq.unwrap_or_else(|| panic!("no X-Vault-Seq: {self:?}"))
    }

    /// Everything of it that could tell something: all but its name and the time.
    pub fn told(&self) -> (StatusCode, Vec<(String, String)>, &str) {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), format!("{value:?}")))
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .collect();
        headers.sort();
        let status = StatusCode::from_u16(self.status).expect("a status");
        (status, headers, &self.text)
    }
}
