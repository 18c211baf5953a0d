//! The bound of open connections: one over it is refused visibly, and those that are open are served.

use serde_json::Value;
use tokio::net::TcpStream;

use crate::{
    common::{
        raw_socket::RawSocket,
        service::{TestService, token},
    },
    support::{captured_log::CapturedLog, metrics_client::MonitoredService},
};

const OPEN: &str = r#"vaultcast_connections{listener="main"}"#;
const MAX: &str = r#"vaultcast_connections_max{listener="main"}"#;
const REFUSED: &str = r#"vaultcast_connections_refused_total{listener="main"}"#;

/// Sends a request over a connection of its own and returns the response.
async fn health(service: &TestService) -> String {
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    service.raw(request).await
}

/// Opens a websocket and connects it to the namespace.
async fn connect(service: &TestService) -> RawSocket {
    let bearer = format!("Bearer {}", token("ana"));
    RawSocket::connect(service.addr(), &[("authorization", bearer.as_str())]).await
}

#[actix_web::test]
async fn connection_over_the_limit_is_answered_counted_and_logged() {
    let log = CapturedLog::global();
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.server.max_connections = 2).await;
    assert_eq!(metrics.value(MAX).await, Some(2.0));
    let mut socket = connect(&service).await;
    let idle = TcpStream::connect(service.addr()).await.unwrap();
    metrics.wait_for(OPEN, |open| open == 2.0).await;

    for refusals in 1..=3 {
        let refused = health(&service).await;
        let (head, body) = refused.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        assert!(head.contains("\r\nretry-after: "), "{head}");
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["code"], "UNAVAILABLE");
        assert_eq!(metrics.value(REFUSED).await, Some(f64::from(refusals)));
    }
    let lines = log.lines_with("connection refused: too many open connections");
    assert!(!lines.is_empty());

    // A connection that is open is served, and one that has ended makes room.
    let unknown_vault = socket.join("clx123abc456def").await;
    assert_eq!(unknown_vault["error"]["code"], "ACCESS_DENIED");
    drop(idle);
    metrics.wait_for(OPEN, |open| open == 1.0).await;
    assert!(health(&service).await.starts_with("HTTP/1.1 200 "));
}

#[actix_web::test]
async fn websocket_holds_its_connection_until_it_has_ended() {
    let MonitoredService { service, metrics } =
        MonitoredService::start_with(|config| config.server.max_connections = 1).await;
    for _ in 0..3 {
        let socket = connect(&service).await;
        assert!(health(&service).await.starts_with("HTTP/1.1 503 "));
        drop(socket);
        metrics.wait_for(OPEN, |open| open == 0.0).await;
    }
}

#[actix_web::test]
async fn changed_limit_applies_to_new_connections() {
    let MonitoredService {
        mut service,
        metrics,
    } = MonitoredService::start_with(|config| config.server.max_connections = 1).await;
    let _socket = connect(&service).await;
    assert!(health(&service).await.starts_with("HTTP/1.1 503 "));
    let reloaded = service.reload(|config| config.server.max_connections = 0);
    assert_eq!(reloaded.unwrap().waiting, []);
    assert!(health(&service).await.starts_with("HTTP/1.1 200 "));
    // The limit of open files bounds the connections now.
    assert!(metrics.value(MAX).await.is_some_and(|max| max > 100.0));
}
