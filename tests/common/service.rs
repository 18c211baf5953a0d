//! The whole service in process, on a free port and its own database, and users who send HTTP requests.

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
    auth::{JwtKeys, Secrets},
    config::{Config, ConfigError},
    domain::{Principal, UserId},
    server::{Mode, Reloaded, Service},
    vault::Vaults,
};

use super::database::TestDatabase;

const SECRET: &str = "a secret of the tests that is long enough to sign with";

/// Longer than any step of a test takes.
const TIMEOUT: Duration = Duration::from_secs(30);

const HOUR: Duration = Duration::from_secs(3600);

/// A running service.
pub struct TestService {
    pub database: TestDatabase,
    config: Config,
    service: Option<Service>,
    client: Client,
}

impl TestService {
    /// Starts a service with the default configuration, but without limits of mutations and reads.
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts a service with a changed configuration.
    pub async fn start_with(configure: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(TestDatabase::create().await, configure).await
    }

    /// Starts a service on an existing database.
    pub async fn start_on(database: TestDatabase, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.server.bind = ([127, 0, 0, 1], 0).into();
        config.admin.bind = None;
        config.database.url = database.url.parse().expect("a database URL");
        config.limits.mutations_per_second = 0;
        config.limits.reads_per_second = 0;
        configure(&mut config);
        let service = Some(start(&config).await);
        let client = Client::builder().timeout(TIMEOUT).build();
        Self {
            database,
            config,
            service,
            client: client.expect("an HTTP client"),
        }
    }

    /// Shuts the service down and starts it again on the same database, on another port.
    pub async fn restart(&mut self) {
        self.take_service().stop().await;
        self.service = Some(start(&self.config).await);
    }

    /// Reloads a changed configuration, as SIGHUP does.
    pub fn reload(&mut self, configure: impl FnOnce(&mut Config)) -> Result<Reloaded, ConfigError> {
        configure(&mut self.config);
        let service = self.service.as_mut().expect("the service runs");
        service.reload(&self.config)
    }

    /// Shuts the service down.
    pub async fn stop(mut self) {
        self.take_service().stop().await;
    }

    pub fn addr(&self) -> SocketAddr {
        self.service.as_ref().expect("the service runs").addr()
    }

    /// Returns the address of the admin listener on this machine.
    pub fn admin_addr(&self) -> SocketAddr {
        let service = self.service.as_ref().expect("the service runs");
        let addr = service.admin_addr().expect("there is an admin listener");
        ([127, 0, 0, 1], addr.port()).into()
    }

    /// Returns a user with a valid session, whose name is the capitalized id.
    pub fn user(&self, id: &str) -> TestUser {
        let id = UserId::new(id).expect("a user id");
        let mut name = id.to_string();
        name[..1].make_ascii_uppercase();
        self.principal(Principal {
            email: Some(format!("{id}@example.com")),
            name: Some(name),
            id,
        })
    }

    /// Returns the user of this principal, with a valid session.
    pub fn principal(&self, principal: Principal) -> TestUser {
        let token = tokens().issue(&principal, SystemTime::now(), HOUR);
        self.bearer(principal.id.as_str(), Some(token))
    }

    /// Returns the vaults of the service.
    pub fn vaults(&self) -> &Vaults {
        self.service.as_ref().expect("the service runs").vaults()
    }

    /// Returns a user without a session.
    pub fn anonymous(&self) -> TestUser {
        self.bearer("anonymous", None)
    }

    /// Returns a user who sends this token.
    pub fn bearer(&self, id: &str, token: Option<String>) -> TestUser {
        TestUser {
            id: id.to_owned(),
            token,
            base: format!("http://{}", self.addr()),
            client: self.client.clone(),
        }
    }

    /// Sends raw bytes and returns the response: its head, and its body as far as `Content-Length` says.
    pub async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.addr())
            .await
            .expect("the service listens");
        stream
            .write_all(request)
            .await
            .expect("the request is sent");
        let mut received = Vec::new();
        let response = async {
            while !is_complete(&received)
                && stream.read_buf(&mut received).await.expect("a response") > 0
            {}
        };
        tokio::time::timeout(TIMEOUT, response)
            .await
            .expect("a response in time");
        String::from_utf8_lossy(&received).into_owned()
    }

    fn take_service(&mut self) -> Service {
        self.service.take().expect("the service runs")
    }
}

async fn start(config: &Config) -> Service {
    let secrets = Secrets::from_list(SECRET).expect("a secret");
    let service = Service::start(config, &secrets, Mode::Serve).await;
    service.expect("the service starts")
}

/// Returns a valid token of a user without a name.
pub fn token(id: &str) -> String {
    let id = UserId::new(id).expect("a user id");
    let (name, email) = (None, None);
    tokens().issue(&Principal { id, name, email }, SystemTime::now(), HOUR)
}

/// Returns the keys that sign the sessions of the tests.
pub fn tokens() -> JwtKeys {
    JwtKeys::new(&Secrets::from_list(SECRET).expect("a secret"))
}

fn is_complete(received: &[u8]) -> bool {
    let text = String::from_utf8_lossy(received);
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

/// A user of the service.
#[derive(Clone)]
pub struct TestUser {
    pub id: String,
    token: Option<String>,
    base: String,
    client: Client,
}

impl TestUser {
    /// Returns a request to which headers and a body can be added; [`send`] sends it.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Returns the same user with requests to another listener.
    pub fn with_address(self, addr: SocketAddr) -> Self {
        let base = format!("http://{addr}");
        Self { base, ..self }
    }

    /// Returns the same user with requests below this prefix.
    pub fn below(self, prefix: &str) -> Self {
        let base = format!("{}{prefix}", self.base);
        Self { base, ..self }
    }

    /// Returns the metrics; the address must be that of the admin listener.
    pub async fn metrics(&self) -> String {
        self.get("/metrics").await.text
    }

    pub async fn get(&self, path: &str) -> TestResponse {
        send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> TestResponse {
        send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> TestResponse {
        send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> TestResponse {
        send(self.request(Method::DELETE, path)).await
    }

    /// Creates a vault and returns its path.
    pub async fn create_vault(&self) -> String {
        let created = self.post("/api/vaults", json!({ "name": "Plans" })).await;
        let vault = created.assert_status(201);
        format!("/api/vaults/{}", vault["id"].as_str().expect("an id"))
    }

    /// Adds a member to a vault.
    pub async fn add_member(&self, vault: &str, user: &TestUser, role: &str) {
        let member = json!({ "userId": user.id, "role": role });
        self.post(&format!("{vault}/members"), member)
            .await
            .assert_status(201);
    }

    /// Creates a source and returns its path.
    pub async fn create_source(&self, vault: &str, title: &str) -> String {
        let added = self.post(&format!("{vault}/sources"), source(title)).await;
        let source = added.assert_status(201);
        format!("/api/sources/{}", source["id"].as_str().expect("an id"))
    }

    /// Returns all events of a vault and its head.
    pub async fn events(&self, vault: &str) -> (Vec<Value>, u64) {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let since = events.len();
            let page = self
                .get(&format!("{vault}/events?since={since}&limit=500"))
                .await
                .assert_status(200);
            let more = page["events"].as_array().expect("a list");
            events.extend(more.iter().cloned());
            let seq = page["seq"].as_u64().expect("a number");
            if more.is_empty() || events.len() as u64 >= seq {
                return (events, seq);
            }
        }
    }
}

/// Returns the request body of a new source.
pub fn source(title: &str) -> Value {
    json!({ "title": title, "fileUrl": "https://files.example.com/a.pdf" })
}

/// Sends a request and returns its response, which must have an `X-Request-Id`.
pub async fn send(request: RequestBuilder) -> TestResponse {
    let response = request.send().await.expect("a response");
    let response = TestResponse {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.text().await.expect("a response in text"),
    };
    assert!(response.header("x-request-id").is_some(), "{response:?}");
    response
}

/// A response of the service.
#[derive(Debug)]
pub struct TestResponse {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl TestResponse {
    /// Asserts the status and returns the body.
    #[track_caller]
    pub fn assert_status(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        match self.text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| panic!("not JSON: {self:?}")),
        }
    }

    /// Asserts a refusal with this status and code, in the shape that all refusals have, and returns its body.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str) -> Value {
        let problem = self.assert_status(status);
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

    /// Asserts `VALIDATION_FAILED` and returns the names of the invalid fields.
    #[track_caller]
    pub fn invalid_fields(&self) -> Vec<String> {
        let problem = self.assert_refused(400, "VALIDATION_FAILED");
        let details = problem["details"].as_array().expect("a list");
        let field = |invalid: &Value| invalid["field"].as_str().expect("a name").to_owned();
        details.iter().map(field).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the sequence number of a mutation's event.
    #[track_caller]
    pub fn seq(&self) -> u64 {
        let seq = self.header("x-vault-seq").and_then(|seq| seq.parse().ok());
        seq.unwrap_or_else(|| panic!("no X-Vault-Seq: {self:?}"))
    }

    /// Returns everything that a client can observe, except the request id and the time.
    pub fn observable_parts(&self) -> (StatusCode, Vec<(String, String)>, &str) {
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
