//! Requests to the service: the journal, and a Socket.IO session over long polling.

use std::time::Duration;

use serde::Deserialize;
use ureq::{
    Agent, Body, Proxy,
    http::{Response, StatusCode},
    tls::{Certificate, TlsConfig},
};
use url::form_urlencoded;

use super::{
    error::{Interrupt, ServiceRefusal, TailError},
    packet::{self, ServerPacket, SessionParams},
    service_url::ServiceUrl,
    tailed_event::TailedEvent,
};
use crate::{
    config::BasePath,
    domain::{Seq, VaultId},
};

/// Time within which the service must answer; a read of its database may take 30 s.
const TIMEOUT: Duration = Duration::from_secs(40);
/// Number of events in a page; the most that the API allows.
const PAGE_SIZE: usize = 500;
/// Size of the largest answer, in bytes: a page of the largest events is smaller.
const MAX_ANSWER: u64 = 64 << 20;

/// A page of the journal.
#[derive(Debug, Deserialize)]
pub(super) struct JournalPage {
    pub events: Vec<TailedEvent>,
    /// The head of the vault.
    pub seq: Seq,
    pub epoch: String,
}

/// The answer to a request for a page.
#[derive(Debug)]
pub(super) enum JournalAnswer {
    Page(JournalPage),
    /// Events of the page were trimmed. `kept_since`: the smallest seq whose later events are all kept.
    Trimmed {
        kept_since: Option<Seq>,
    },
}

/// An open session.
#[derive(Debug)]
pub(super) struct PollingSession {
    url: String,
    /// Time within which a poll is answered, at least by a heartbeat.
    poll_timeout: Duration,
}

/// A complete answer.
struct ServiceAnswer {
    status: StatusCode,
    body: String,
    retry_after: Option<Duration>,
    location: Option<String>,
}

/// A client of one service with one credential.
pub(super) struct ServiceClient {
    agent: Agent,
    url: ServiceUrl,
    /// The prefix of HTTP routes. Socket.IO has none.
    base_path: BasePath,
    authorization: String,
}

impl ServiceClient {
    /// Creates a client that sends the `authorization` header, through `proxy` if there is one.
    pub(super) fn new(
        url: ServiceUrl,
        base_path: BasePath,
        authorization: String,
        proxy: Option<Proxy>,
    ) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .tls_config(tls_config(&url))
            .build();
        Self {
            agent: Agent::new_with_config(agent),
            url,
            base_path,
            authorization,
        }
    }

    /// Returns the events after `since`, oldest first.
    pub(super) fn events(&self, vault: &VaultId, since: Seq) -> Result<JournalAnswer, Interrupt> {
        let base_path = &self.base_path;
        let path = format!("{base_path}/api/vaults/{vault}/events?since={since}&limit={PAGE_SIZE}");
        let request = self.agent.get(self.url.join(&path));
        let request = request.header("Authorization", &self.authorization);
        let answer = self.read(request.call())?;
        if answer.status == StatusCode::OK {
            let page = serde_json::from_str(&answer.body);
            return page
                .map(JournalAnswer::Page)
                .map_err(|error| self.other_service(error.to_string()).into());
        }
        match serde_json::from_str::<ServiceRefusal>(&answer.body) {
            Ok(refusal) if refusal.code == "JOURNAL_TRIMMED" => Ok(JournalAnswer::Trimmed {
                kept_since: refusal.kept_since(),
            }),
            Ok(_) | Err(_) => Err(self.refused(answer)),
        }
    }

    /// Opens a session.
    pub(super) fn open_session(&self) -> Result<PollingSession, Interrupt> {
        let url = self.url.join("/socket.io/?EIO=4&transport=polling");
        let answer = self.read(self.agent.get(&url).call())?;
        if answer.status != StatusCode::OK {
            return Err(self.refused(answer));
        }
        match packet::parse(&answer.body).as_deref() {
            Some([ServerPacket::Open(params)]) => Ok(PollingSession::new(&url, params)),
            _ => Err(self.other_service("no handshake of Socket.IO").into()),
        }
    }

    /// Waits for packets of a session.
    pub(super) fn poll(&self, session: &PollingSession) -> Result<Vec<ServerPacket>, Interrupt> {
        let request = self.agent.get(&session.url).config();
        let request = request.timeout_global(Some(session.poll_timeout)).build();
        let answer = self.read(request.call())?;
        let body = self.of_session(answer)?;
        packet::parse(&body).ok_or_else(|| Interrupt::lost("a packet is malformed"))
    }

    /// Sends a packet of a session.
    pub(super) fn send(&self, session: &PollingSession, packet: &str) -> Result<(), Interrupt> {
        let request = self.agent.post(&session.url);
        let request = request.header("Content-Type", "text/plain;charset=UTF-8");
        let answer = self.read(request.send(packet))?;
        self.of_session(answer).map(drop)
    }

    /// Returns the body of an answer to a request of a session. The service answers 400 when it has closed the session.
    fn of_session(&self, answer: ServiceAnswer) -> Result<String, Interrupt> {
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::BAD_REQUEST => Err(Interrupt::lost("the service closed it")),
            _ => Err(self.refused(answer)),
        }
    }

    /// Reads an answer. Every failure is temporary: the service or the network may be restarting.
    fn read(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<ServiceAnswer, Interrupt> {
        let read = answer.and_then(|mut answer| {
            let body = answer.body_mut().with_config().limit(MAX_ANSWER);
            Ok(ServiceAnswer {
                body: body.read_to_string()?,
                status: answer.status(),
                retry_after: header(&answer, "Retry-After")
                    .and_then(|seconds| seconds.parse().ok())
                    .map(Duration::from_secs),
                location: header(&answer, "Location").map(str::to_owned),
            })
        });
        read.map_err(|source| Interrupt::Temporary {
            cause: TailError::Unanswered {
                url: self.url.to_string(),
                source,
            },
            retry_after: None,
        })
    }

    /// Returns the interrupt of an answer that is an error. An error of a proxy has no code, only a status.
    fn refused(&self, answer: ServiceAnswer) -> Interrupt {
        let ServiceAnswer {
            status,
            retry_after,
            location,
            body,
        } = answer;
        if let Ok(refusal) = serde_json::from_str::<ServiceRefusal>(&body) {
            return refusal.interrupt(retry_after);
        }
        let found = match location {
            Some(location) => format!("it answers {status}, location {location}"),
            None => format!("it answers {status}"),
        };
        let cause = self.other_service(found);
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            Interrupt::Temporary { cause, retry_after }
        } else {
            cause.into()
        }
    }

    fn other_service(&self, found: impl Into<String>) -> TailError {
        TailError::OtherService {
            url: self.url.to_string(),
            found: found.into(),
        }
    }
}

impl PollingSession {
    fn new(handshake_url: &str, params: &SessionParams) -> Self {
        let heartbeat = u64::from(params.ping_interval) + u64::from(params.ping_timeout);
        let sid: String = form_urlencoded::byte_serialize(params.sid.as_bytes()).collect();
        Self {
            url: format!("{handshake_url}&sid={sid}"),
            poll_timeout: Duration::from_millis(heartbeat),
        }
    }
}

/// Returns the configuration that trusts the certificates of the system, or those in `SSL_CERT_FILE`. For http none is read.
fn tls_config(url: &ServiceUrl) -> TlsConfig {
    let tls = TlsConfig::builder();
    if !url.is_https() {
        return tls.build();
    }
    // Unreadable certificates are not trusted: the connection then fails with a message.
    let trusted = rustls_native_certs::load_native_certs().certs;
    let trusted = trusted
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned());
    tls.root_certs(trusted.into()).build()
}

/// Returns a header of an answer as text.
fn header<'a>(answer: &'a Response<Body>, name: &str) -> Option<&'a str> {
    answer.headers().get(name)?.to_str().ok()
}
